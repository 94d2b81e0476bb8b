"""A retraining ends as the level of automation has it, and whatever GitHub refuses is told with the way out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mlops_template.integrations import dvc, gh
from mlops_template.integrations.git import git
from mlops_template.retrain import decision_log
from mlops_template.retrain.begin import begin
from mlops_template.retrain.decide import inputs_digest
from mlops_template.retrain.deliver import publish
from mlops_template.retrain.propose import RetrainingResult, propose
from mlops_template.settings import paths
from mlops_template.settings.operation import Retrain
from mlops_template.settings.params import Params
from mlops_template.storage import storage
from mlops_template.render.json_file import write_json

from .conftest import Clone

ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
REPOSITORY = gh.Repository("github.com", "my-org/flights")


@dataclass
class GitHub:
    """What was told to GitHub, and what it refuses: the beginning of a path, with the status."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    refuses: dict[str, int] = field(default_factory=dict)

    def ask(self, host: str, path: str, method: str = "GET", fields: dict[str, Any] | None = None) -> Any:
        """In place of `gh api`."""
        path = path.removeprefix("repos/my-org/flights")
        if method == "GET":
            return {"/pulls": self.pulls, "/issues": self.issues}[path.partition("?")[0]]
        self.told.append((method, path, fields or {}))
        for start, status in self.refuses.items():
            if f"{method} {path}".startswith(start):
                raise gh.GitHubError(f"gh: no (HTTP {status})", status)
        entry = {"number": 7, "html_url": "https://github.com/my-org/flights/pull/7", **(fields or {})}
        if (method, path) == ("POST", "/pulls"):
            self.pulls.append(entry | {"head": {"ref": entry["head"], "repo": {"full_name": REPOSITORY.name}}})
        if (method, path) == ("POST", "/issues"):
            self.issues.append(entry | {"labels": [{"name": name} for name in entry["labels"]]})
        return entry

    def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        """What was sent there."""
        return [fields for told, where, fields in self.told if (told, where) == (method, path)]


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """The repository of `origin`."""
    found = GitHub()
    monkeypatch.setattr(gh, "ask", found.ask)
    monkeypatch.setattr(gh, "at_origin", lambda: REPOSITORY)
    return found


@pytest.fixture
def begun(first: Path, github: GitHub) -> Path:
    """The current directory: the first project, with fresh data on which it was decided to retrain, and begun."""
    return start(first)


def start(project: Path, newest: str = "2013-04-30") -> Path:
    """Fresh data, a decision, and the branch that other jobs train on, which is checked out as there."""
    paths.RAW.joinpath(f"{newest}.parquet").write_text(newest)
    dvc.add(paths.RAW)
    decision = {
        "at": "2013-05-01T05:23:00+00:00",
        "retrain": True,
        "why": ["rows: many more"],
        "against": [],
        "signals": [],
        "newest": newest,
        "rows": 10,
        "new_rows": 5,
        "data": dvc.output_digest(paths.RAW_POINTER),
        "inputs": inputs_digest("HEAD"),
    }
    write_json(paths.DECISION, decision)
    begin()
    git("fetch", "--quiet", "origin", "retrain/next")
    git("reset", "--quiet", "--hard", "FETCH_HEAD")
    return project


def results(champion: bool = True) -> None:
    """What training and comparing made."""
    paths.METRICS.write_text("{}\n")
    if champion:
        paths.CHAMPION.mkdir(parents=True, exist_ok=True)
        (paths.CHAMPION / "model").write_text(git("rev-parse", "HEAD"))
        dvc.add(paths.CHAMPION)


def end(automation: str, verdict: str, tests: str = "success", publishes: bool = True, starts: str = "") -> str:
    """Publish and propose, as the last jobs do."""
    found = publish() if publishes else None
    branch, commit = (found.branch, found.commit) if found else ("", "")
    if found:
        git("reset", "--quiet", "--hard", found.commit)
    report = Path("report.md")
    report.write_text("## the report\n")
    params = Params.model_construct(retrain=Retrain(automation=automation))
    return propose(params, RetrainingResult(verdict, branch, commit, tests, report, starts))


def outcomes() -> list[str]:
    """What the log says came of the retrainings."""
    return [entry["outcome"] for entry in decision_log.load().entries if "outcome" in entry]


def at_origin(origin: Path) -> set[str]:
    """The branches there."""
    return set(git("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=origin).splitlines())


def test_it_begins_with_main_and_the_data_and_main_does_not_move(begun: Path, origin: Path, clone: Clone) -> None:
    assert git("rev-parse", "retrain/next^", cwd=origin) == git("rev-parse", "main", cwd=origin)
    changed = git("diff", "--name-only", "main", "retrain/next", cwd=origin).splitlines()
    assert changed == ["data/raw.dvc", "reports/decision.json"]
    other = clone("other", "--branch=retrain/next")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(other)
        storage.pull()
        assert Path("data/raw/2013-04-30.parquet").read_text() == "2013-04-30"


def test_what_a_dead_run_left_is_begun_anew(begun: Path, origin: Path) -> None:
    git("reset", "--quiet", "--hard", "origin/main")
    storage.pull()
    start(begun, "2013-05-31")
    assert git("rev-parse", "retrain/next^", cwd=origin) == git("rev-parse", "main", cwd=origin)


def test_the_result_is_one_commit_on_main_in_a_pull_request(begun: Path, origin: Path, github: GitHub) -> None:
    results()
    assert end("pull-request", "promote") == "proposed: https://github.com/my-org/flights/pull/7"
    assert git("rev-parse", "retrain/2013-04-30^", cwd=origin) == git("rev-parse", "main", cwd=origin)
    assert "many more" in git("log", "-1", "--format=%B", "retrain/2013-04-30", cwd=origin)
    (pull,) = github.calls("POST", "/pulls")
    assert pull["title"] == "Retrain on data to 2013-04-30: a new champion"
    assert "## the report" in pull["body"]
    assert github.calls("POST", "/issues/7/labels") == [{"labels": ["retrain", "promote"]}]
    commit = git("rev-parse", "retrain/2013-04-30", cwd=origin)
    statuses = {told["context"]: told["state"] for told in github.calls("POST", f"/statuses/{commit}")}
    assert statuses == {"model": "success", "tests": "success"}
    assert at_origin(origin) == {"main", "dvc-storage", "retrain-log", "retrain/2013-04-30"}
    assert outcomes() == ["proposed"]


def test_an_open_pull_request_is_brought_up_to_date(begun: Path, origin: Path, github: GitHub) -> None:
    """Never a heap of them. What it is labelled with follows the verdict."""
    results()
    end("pull-request", "promote")
    github.pulls[0]["labels"] = [{"name": "promote"}, {"name": "urgent"}]
    git("reset", "--quiet", "--hard", "origin/main")
    storage.pull()
    start(begun, "2013-05-31")
    results(champion=False)
    end("pull-request", "keep")
    assert len(github.calls("POST", "/pulls")) == 1
    (change,) = github.calls("PATCH", "/pulls/7")
    assert change["title"] == "Retrain on data to 2013-05-31: the champion stays"
    assert "retrain/2013-05-31" not in at_origin(origin)
    assert git("log", "-1", "--format=%s", "retrain/2013-04-30", cwd=origin) == change["title"]
    assert github.calls("POST", "/issues/7/labels")[-1] == {"labels": ["retrain", "keep"]}


def test_a_branch_on_which_somebody_has_worked_is_left_alone(
    begun: Path, origin: Path, github: GitHub, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    results()
    end("pull-request", "promote")
    hers = clone("hers", "--branch=retrain/2013-04-30")
    Path(hers, "params.yaml").write_text("fewer trees")
    git("add", "params.yaml", cwd=hers)
    git(*ADA, "commit", "--quiet", "--message", "Fewer trees", cwd=hers)
    git("push", "--quiet", "origin", "HEAD", cwd=hers)
    git("reset", "--quiet", "--hard", "origin/main")
    storage.pull()
    start(begun)
    results()
    end("pull-request", "promote")
    assert git("log", "-1", "--format=%s", "retrain/2013-04-30", cwd=origin) == "Fewer trees"
    assert github.calls("POST", "/pulls")[-1]["head"] == "retrain/2013-04-30-2"


def test_where_actions_may_open_none_an_issue_has_the_setting_and_the_link(begun: Path, github: GitHub) -> None:
    github.refuses["POST /pulls"] = 403
    results()
    assert end("pull-request", "promote").startswith("not proposed: opened issue")
    (issue,) = github.calls("POST", "/issues")
    assert "https://github.com/my-org/flights/compare/main...retrain/2013-04-30?expand=1" in issue["body"]
    assert "can_approve_pull_request_reviews=true" in issue["body"]
    assert "## the report" in issue["body"]


@pytest.mark.parametrize(("champion", "outcome"), [(True, "promoted"), (False, "kept")])
def test_at_the_level_automatic_it_is_merged(
    champion: bool, outcome: str, begun: Path, origin: Path, github: GitHub
) -> None:
    """Without a pull request; the data moves on although the champion stays."""
    results(champion)
    assert end("automatic", "promote" if champion else "keep") == f"{outcome}: merged into main"
    (merge,) = github.calls("POST", "/merges")
    assert (merge["base"], merge["head"]) == ("main", git("rev-parse", "HEAD"))
    assert github.calls("POST", "/pulls") == []
    assert at_origin(origin) == {"main", "dvc-storage", "retrain-log"}


@pytest.mark.parametrize("champion", [True, False])
@pytest.mark.parametrize("starts", ["", "deploy.yml"])
def test_a_new_champion_is_deployed_where_its_merge_starts_nothing(
    begun: Path, github: GitHub, champion: bool, starts: str
) -> None:
    results(champion)
    end("automatic", "promote" if champion else "keep", starts=starts)
    started = github.calls("POST", "/actions/workflows/deploy.yml/dispatches")
    assert started == ([{"ref": "main"}] if champion and starts else [])


def test_where_main_takes_only_pull_requests_one_is_opened_and_merged(begun: Path, github: GitHub) -> None:
    github.refuses["POST /merges"] = 409
    results()
    assert end("automatic", "promote") == "promoted: merged https://github.com/my-org/flights/pull/7"
    assert github.calls("PUT", "/pulls/7/merge") == [{"merge_method": "merge", "sha": git("rev-parse", "HEAD")}]


def test_where_github_refuses_to_merge_it_waits_for_a_person(begun: Path, origin: Path, github: GitHub) -> None:
    github.refuses |= {"POST /merges": 409, "PUT /pulls": 405}
    results()
    assert end("automatic", "promote").startswith("proposed: ")
    (pull,) = github.calls("POST", "/pulls")
    assert "Not merged by itself" in pull["body"]
    assert "retrain/2013-04-30" in at_origin(origin)


def test_nothing_is_merged_when_tests_fail(begun: Path, github: GitHub) -> None:
    results()
    assert end("automatic", "promote", tests="failure").startswith("proposed: ")
    assert github.calls("POST", "/merges") == github.calls("PUT", "/pulls/7/merge") == []
    (pull,) = github.calls("POST", "/pulls")
    assert "the tests failed" in pull["body"]
    told = github.calls("POST", f"/statuses/{git('rev-parse', 'HEAD')}")
    assert {status["context"]: status["state"] for status in told} == {"model": "success", "tests": "failure"}


@pytest.mark.parametrize(("name", "merged"), [("README.md", True), ("params.yaml", False)])
def test_nothing_is_merged_into_a_main_that_trains_otherwise_by_now(
    name: str, merged: bool, begun: Path, github: GitHub, clone: Clone
) -> None:
    """Somebody merged new parameters meanwhile; a change of the README is no obstacle."""
    theirs = clone("theirs")
    Path(theirs, name).write_text("changed")
    git("add", name, cwd=theirs)
    git(*ADA, "commit", "--quiet", "--message", name, cwd=theirs)
    git("push", "--quiet", "origin", "HEAD:main", cwd=theirs)
    results()
    end("automatic", "promote")
    assert len(github.calls("POST", "/merges")) == merged
    proposed = [pull["body"] for pull in github.calls("POST", "/pulls")]
    assert merged or "main moved meanwhile" in proposed[0]


@pytest.mark.parametrize("automation", ["manual", "pull-request", "automatic"])
def test_a_model_that_fails_goes_nowhere_and_an_issue_says_so(
    automation: str, begun: Path, origin: Path, github: GitHub
) -> None:
    results()
    assert end(automation, "fail", publishes=False).startswith("failed: opened issue")
    assert "## the report" in github.calls("POST", "/issues")[0]["body"]
    assert at_origin(origin) == {"main", "dvc-storage", "retrain-log"}
    git("fetch", "--quiet", "origin", "main")
    assert outcomes() == ["failed"]


def test_the_issue_is_closed_when_a_retraining_comes_to_its_end(begun: Path, github: GitHub) -> None:
    """And there is one of them, however often it broke down."""
    for _ in range(2):
        end("automatic", "", publishes=False)
    assert len(github.issues) == 1
    results()
    assert end("automatic", "promote").startswith("promoted")
    assert github.calls("PATCH", "/issues/7")[-1]["state"] == "closed"


def test_what_died_has_no_outcome(begun: Path, github: GitHub) -> None:
    """So that the next run tries again: also when only the push of a good result failed."""
    results()
    assert end("pull-request", "promote", publishes=False).startswith("died: ")
    assert outcomes() == []


def test_at_the_level_manual_there_is_a_report_and_nothing_else(begun: Path, origin: Path, github: GitHub) -> None:
    results()
    assert end("manual", "promote", publishes=False).startswith("reported: ")
    assert [method for method, _, _ in github.told] == []
    assert at_origin(origin) == {"main", "dvc-storage", "retrain-log"}
