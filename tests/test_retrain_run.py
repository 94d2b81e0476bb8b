"""`retrain.yml` under act: the year of the sample, at two levels of automation, with all that may go wrong in it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from act.github import GitHub
from act.runs import Run
from act.state import APP, BOT, Refused, State
from stored import champion, data_until, missing_in_storage
from support import git
from year import MONTHS, Feed, Month, Scored, decisions, lived, scores

pytestmark = pytest.mark.slow

WORKFLOW = "retrain.yml"
WHOLE = ("decide", "train", "evaluate", "publish", "tests", "propose")
STAYS = {"main", "dvc-storage", "retrain-log"}
"""The branches that are left when nothing waits for a person."""
FAULT = "fault.txt"
PERMISSIONS = {"contents": "write", "pull_requests": "write", "issues": "write", "statuses": "write"}


@pytest.fixture(scope="module")
def years(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[object]]]:
    """Both years, lived at the same time."""
    folder = tmp_path_factory.mktemp("years")
    with ThreadPoolExecutor(2) as both:
        lives: dict[str, Callable[[Path, Path], object]] = {
            "automatic": live_automatic,
            "pull-request": live_with_pull_requests,
        }
        yield {level: both.submit(live, project, folder / level) for level, live in lives.items()}


def test_a_year_at_level_automatic(years: dict[str, Future[object]]) -> None:
    """What arrives is taken in and merged without anybody; what goes wrong leaves `main` as it was, and is made up for.

    A corrupted month is refused and told of once, dying runs are completed by the next, a branch rule is kept, and
    failing tests leave a pull request that the next run brings up to date and merges. After December there is
    nothing fresh. The models that served are better than the first one, frozen.
    """
    years["automatic"].result()


def test_a_year_at_level_pull_request(years: dict[str, Future[object]]) -> None:
    """What arrives is proposed in the one pull request that is open, and merged by a person.

    Where the repository forbids Actions to open it, an issue says which setting and gives the link. A person's pull
    request that changes the same files leaves a conflict for git to judge, which the next run resolves. With a GitHub
    App, the checks of the pull request would start by themselves. The last five months arrive at once.
    """
    years["pull-request"].result()


def live_automatic(project: Path, folder: Path, every_month: bool = False) -> list[Scored]:
    """The year without anybody; gives how well the models did that served it.

    A month in which nothing else happens is retrained on by itself only where that is asked for, else with the next.
    """
    with lived(project, folder, "automatic") as (hub, feed):
        months: list[Month] = []
        first = champion(hub)
        assert first == champion(hub, "main~1")

        def arrives(month: int) -> None:
            live(hub, feed, month, months) if every_month else feed.deliver(month)

        arrives(4)

        before = hub.references()
        feed.deliver(5, broken=True)
        refused = [hub.schedule(WORKFLOW) for _ in range(2)]
        for run in refused:
            assert run.conclusion == "failure"
            assert ran(run) == {"decide": "failure"}, run.log
        assert hub.references() == before
        [issue] = hub.issues()
        assert issue["user"]["login"] == BOT
        assert "distance" in issue["body"]
        assert f"actions/runs/{refused[-1].id}" in issue["body"]
        live(hub, feed, 5, months)
        assert hub.issues() == []
        assert [known["number"] for known in hub.issues("all")] == [issue["number"]]
        assert len(hub.comments(issue["number"])) == 1

        for month, command, job in ((6, "ci retraining begin", "decide"), (7, "ci retraining publish", "publish")):
            before = hub.head()
            feed.deliver(month)
            hub.dies_after(command) if job == "decide" else hub.dies_before(command)
            died = hub.schedule(WORKFLOW)
            assert died.results[job] == "failure", died.log
            assert died.conclusion == "failure"
            assert hub.head() == before
            arrives(month) if job == "decide" else live(hub, feed, month, months)
        assert hub.issues() == [], "what the runs that died have told of is over"

        arrives(8)

        hub.set(required_contexts=["tests", "model"])
        live(hub, feed, 9, months, hub.repository_dispatch, "data-arrived")
        [pull] = hub.pulls("all")
        assert pull["merged"], "the rule lets nothing else in"

        commit(hub, FAULT, "tests fail from now on")
        feed.deliver(10)
        before, serving = hub.head(), champion(hub)
        failed = hub.schedule(WORKFLOW)
        assert failed.results["tests"] == "failure", failed.log
        assert hub.head() == before
        [pull] = hub.pulls()
        assert "the tests failed" in pull["body"]
        months.append(Month(10, serving, str(decisions(hub)[-1]["outcome"])))
        commit(hub, FAULT, None)
        arrives(11)
        live(hub, feed, 12, months)
        assert hub.pull(pull["number"])["merged"]
        assert hub.pulls() == []
        nothing_fresh(hub)

        assert hub.references().keys() == STAYS
        assert [month.number for month in months] == (list(MONTHS) if every_month else [5, 7, 9, 10, 12])
        assert hub.state["would_start"] == []
        for revision in git(hub.origin, "rev-list", "main").split():
            assert missing_in_storage(hub, revision) == []
        merges = git(hub.origin, "log", "--first-parent", "--merges", "--format=%x00%B", "main").split("\0")[1:]
        assert len(merges) == len(months) - 1, "October came with the next"
        assert all("Retrain on data to 2013-" in message for message in merges), merges
        outcomes = [str(entry["outcome"]) for entry in decisions(hub) if "outcome" in entry]
        assert set(outcomes) <= {"promoted", "kept", "proposed"}
        assert outcomes.count("proposed") == 1
        assert "promoted" in outcomes

        scored = scores(hub, project, months)
        assert months[0].serving == first
        assert scored[0].frozen == scored[0].serving
        gains = [month.serving - month.frozen for month in scored]
        assert sum(gains) / len(gains) > 0.02, scored
        assert min(gains) > -0.005, scored
        return scored


def live_with_pull_requests(project: Path, folder: Path) -> None:
    """The year with a person who merges."""
    with lived(project, folder, "pull-request") as (hub, feed):
        hub.set(required_contexts=["tests", "model"])
        before = hub.head()

        hub.set(actions_open_pull_requests=False)
        propose(hub, feed, 4)
        assert hub.pulls() == []
        [issue] = hub.issues()
        [branch] = hub.references().keys() - STAYS
        assert "Allow GitHub Actions to create and approve pull requests" in issue["body"]
        assert f"/compare/main...{branch}" in issue["body"]
        hub.open_pull_request(branch)
        hub.set(actions_open_pull_requests=True)
        [pull] = hub.pulls()
        propose(hub, feed, 5)
        assert [again["number"] for again in hub.pulls("all")] == [pull["number"]]
        [again] = hub.pulls()
        assert "2013-05-31" in again["title"]
        assert git(hub.origin, "rev-parse", f"{again['head']['sha']}~1") == before, "one commit on top of main"
        assert hub.head() == before
        merge(hub, 5)

        number = persons_change(hub)
        hub.meanwhile["evaluate"] = lambda: hub.merge_pull_request(number)
        propose(hub, feed, 7)
        assert hub.pull(number)["merged"]
        git(hub.origin, "branch", "--quiet", "-D", "idea")
        assert hub.issues() == [], "a pull request could be opened"
        [pull] = hub.pulls()
        assert pull["head"]["ref"].startswith("retrain/")
        assert {label["name"] for label in pull["labels"]} >= {"retrain"}
        assert "Retrained because" in pull["body"]
        assert "roc_auc" in pull["body"]
        with pytest.raises(Refused, match="not mergeable"):
            hub.merge_pull_request(pull["number"])
        propose(hub, feed, 7)
        assert [again["number"] for again in hub.pulls()] == [pull["number"]]
        merge(hub, 7)
        assert "max_iter: 140" in hub.show("main", "dvc.lock")

        assert hub.state["would_start"] == [start for start in hub.state["would_start"] if start["actor"] == "ada"]
        hub.install_app("Iv1.app", "key\nof the App", **PERMISSIONS)
        hub.variables, hub.secrets = {"APP_CLIENT_ID": "Iv1.app"}, {"APP_PRIVATE_KEY": "key\nof the App"}
        for month in range(8, 12):
            feed.deliver(month)
        propose(hub, feed, 12)
        [pull] = hub.pulls()
        assert pull["user"]["login"] == APP
        started = {(start["workflow"], start["event"]) for start in hub.state["would_start"] if start["actor"] == APP}
        assert {("test.yml", "pull_request"), ("pull-request.yml", "pull_request")} <= started
        merge(hub, 12)
        hub.variables, hub.secrets = {}, {}
        nothing_fresh(hub)
        assert hub.references().keys() == STAYS
        for revision in git(hub.origin, "rev-list", "main").split():
            assert missing_in_storage(hub, revision) == []

        watch(hub)


def live(
    hub: GitHub,
    feed: Feed,
    month: int,
    months: list[Month],
    start: Callable[..., Run] | None = None,
    *arguments: str,
) -> None:
    """A month arrives, is retrained on, and is merged."""
    feed.deliver(month)
    before, serving = hub.references(), champion(hub)
    run = (start or hub.schedule)(WORKFLOW, *arguments)
    assert ran(run) == dict.fromkeys(WHOLE, "success"), run.log
    assert hub.references().keys() == STAYS
    assert git(hub.origin, "rev-parse", "main^1") == before["main"]
    assert data_until(hub).startswith(f"2013-{month:02}")
    promoted = verdict(hub, "main") == "promote"
    assert (champion(hub) != serving) == promoted
    assert decisions(hub)[-1]["outcome"] == ("promoted" if promoted else "kept")
    months.append(Month(month, serving, str(decisions(hub)[-1]["outcome"])))


def propose(hub: GitHub, feed: Feed, month: int) -> None:
    """A month arrives, is retrained on, and is proposed if that is allowed; `main` stays as it is."""
    feed.deliver(month)
    run = hub.schedule(WORKFLOW)
    assert ran(run) == dict.fromkeys(WHOLE, "success"), run.log
    assert len(hub.pulls()) == hub.state["settings"]["actions_open_pull_requests"]
    assert decisions(hub)[-1]["outcome"] == ("proposed" if hub.pulls() else "not proposed")
    assert "retrain/next" not in hub.references()


def merge(hub: GitHub, month: int) -> None:
    """A person merges the open pull request, as far as the rule lets it, and takes its branch away."""
    [pull] = hub.pulls()
    serving = champion(hub)
    hub.merge_pull_request(pull["number"])
    git(hub.origin, "branch", "--quiet", "-D", pull["head"]["ref"])
    assert data_until(hub).startswith(f"2013-{month:02}")
    assert (champion(hub) != serving) == (verdict(hub, "main") == "promote")


def ran(run: Run) -> dict[str, str]:
    """The jobs that were not skipped."""
    return {name: result for name, result in run.results.items() if result != "skipped"}


def verdict(hub: GitHub, revision: str) -> object:
    """Of the comparison that a revision holds."""
    return json.loads(hub.show(revision, "reports/comparison.json"))["verdict"]


def nothing_fresh(hub: GitHub) -> None:
    """A run that ends after its first job, with a line that says why, and leaves everything as it is."""
    before, issues = hub.references(), hub.issues("all")
    run = hub.schedule(WORKFLOW)
    assert ran(run) == {"decide": "success"}, run.log
    assert run.conclusion == "success"
    assert "no fresh data" in run.log
    assert (hub.references(), hub.issues("all")) == (before, issues)


def commit(hub: GitHub, name: str, content: str | None) -> None:
    """A person's commit on `main` that writes a file, or takes it away."""
    with hub.working_on("main", "By hand") as clone:
        (clone / name).unlink() if content is None else (clone / name).write_text(content, encoding="utf-8")


def persons_change(hub: GitHub) -> int:
    """A pull request of a person that changes a parameter, is trained, tested, and ready to be merged."""
    with hub.working_on("idea", "Fewer trees") as clone:
        params = clone / "params.yaml"
        text = params.read_text(encoding="utf-8")
        assert "max_iter: 150" in text
        params.write_text(text.replace("max_iter: 150", "max_iter: 140"), encoding="utf-8")
    number = hub.open_pull_request("idea")
    run = hub.pull_request(number)
    assert run.conclusion == "success", run.log
    return number


def watch(hub: GitHub) -> None:
    """The watchdog is quiet while the retraining runs, and opens one issue when GitHub has switched it off."""
    assert hub.dispatch("monitor.yml").conclusion == "success"
    known = len(hub.issues("all"))
    hub.workflow(WORKFLOW, days_ago=400, condition="disabled_inactivity")
    assert hub.dispatch("monitor.yml").conclusion == "success"
    new: list[State] = hub.issues("all")[known:]
    assert len(new) == 1
    assert WORKFLOW in new[0]["title"]
