"""The champions of main are listed with where each is live, and each gets one release at GitHub."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlops_template.deploy import push, releases
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc, gh
from mlops_template.integrations.git import git
from mlops_template.integrations.revisions import Champion, champions
from mlops_template.settings import paths
from mlops_template.settings.operation import Deploy
from mlops_template.settings.params import Gates, Params
from mlops_template.render.json_file import write_json
from rich.console import Console

from .conftest import ADA

PLACES = {name: {"url": f"http://{name}"} for name in ("staging", "production")}
PARAMS = Params.model_construct(
    gates=Gates(primary="roc_auc"), deploy=Deploy.model_validate({"image": "ghcr.io/o/p", "environments": PLACES})
)


def shown(live: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The rows of the table as text, and the lines below it."""
    monkeypatch.setattr(releases, "asked", lambda params, name: {"digest": live[name]} if name in live else None)
    table, lines = releases.releases(PARAMS)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return [line for line in capture.get().splitlines() if line.startswith("│")], lines


def test_each_champion_has_a_row_that_says_where_it_is_live(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = promoted
    rows, lines = shown({"staging": second.digest, "production": first.digest}, monkeypatch)
    assert [row.split("│")[1].strip() for row in rows] == ["2", "1"]
    assert second.short in rows[0] and "0.7200 [0.6000, 0.8000]" in rows[0] and "staging" in rows[0]
    assert "0.7100" in rows[1] and "production" in rows[1] and str(first.commit)[:7] in rows[1]
    assert lines == ["images: ghcr.io/o/p:COMMIT"]


def test_who_is_silent_or_runs_something_else_is_named(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, lines = shown({"staging": "f" * 32}, monkeypatch)
    assert not any("staging" in row for row in rows)
    assert lines[:2] == ["staging runs ffffffff, no champion of main", "production does not answer"]


def test_a_champion_has_one_release_with_its_card_and_its_image(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, dict[str, Any]]] = []

    def ask(host: str, path: str, method: str = "GET", fields: dict[str, Any] | None = None) -> Any:
        if method == "GET":
            return [{"id": 5, "tag_name": one["tag_name"]} for how, _, one in told if how == "POST"]
        told.append((method, path, fields or {}))
        return {"html_url": "https://github.com/o/p/releases/1"}

    monkeypatch.setattr(gh, "ask", ask)
    monkeypatch.setattr(gh, "at_origin", lambda: gh.Repository("github.com", "o/p"))
    monkeypatch.setattr(releases, "report", lambda base: f"the report against {base}")
    said = releases.release(PARAMS, "2", "ghcr.io/o/p@sha256:1")
    assert said == "released: https://github.com/o/p/releases/1"
    (method, path, fields) = told[0]
    assert (method, path) == ("POST", "repos/o/p/releases")
    assert (fields["tag_name"], fields["target_commitish"]) == ("champion-2", promoted[1].commit)
    for expected in (
        "# The card of 2",
        "ghcr.io/o/p@sha256:1",
        f"against {promoted[1].commit}^1",
        "roc_auc | `0.7200",
        promoted[1].digest,
    ):
        assert expected in fields["body"]
    assert "the latest again" in releases.release(PARAMS, "2")
    assert told[1][:2] == ("PATCH", "repos/o/p/releases/5")
    assert "body" not in told[1][2], "what it says stays as it was"
    releases.release(PARAMS, "1")
    assert "# The card of 1" in told[2][2]["body"]
    assert "the report against" not in told[2][2]["body"], "the reports that lie here are of another champion"


def test_a_release_that_may_not_have_its_tag_at_the_commit_has_it_elsewhere(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job's token makes no tag at an older commit that changed a workflow."""
    told: list[dict[str, Any]] = []

    def ask(host: str, path: str, method: str = "GET", fields: dict[str, Any] | None = None) -> Any:
        if fields is None:
            return []
        told.append(fields)
        if "target_commitish" in fields:
            raise gh.GitHubError("gh: Resource not accessible by integration (HTTP 403)", 403)
        return {"html_url": "https://github.com/o/p/releases/1"}

    monkeypatch.setattr(gh, "ask", ask)
    monkeypatch.setattr(gh, "at_origin", lambda: gh.Repository("github.com", "o/p"))
    assert releases.release(PARAMS, "1").startswith("released: ")
    assert str(promoted[0].commit) in told[1]["body"]


def test_an_image_is_pushed_under_both_commits_and_known_by_its_digest(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That it was built from, and that promoted the champion; a later fix of the service is an image of its own."""
    git(*ADA, "commit", "--quiet", "--allow-empty", "--message", "A fix of the service")
    names = "other/p@sha256:0\nghcr.io/o/p@sha256:1"
    calls = recorded(monkeypatch, {"{{json .Config.Labels}}": labels(promoted[1]), "inspect": names})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert push.publish(PARAMS, "champion") == "ghcr.io/o/p@sha256:1"
    pushed = {call[-1] for call in calls if call[1] == "push"}
    assert pushed == {f"ghcr.io/o/p:{git('rev-parse', 'HEAD')}", f"ghcr.io/o/p:{promoted[1].commit}"}
    told = (tmp_path / "output").read_text()
    assert told == "image=ghcr.io/o/p@sha256:1\nname=ghcr.io/o/p\ndigest=sha256:1\nversion=2\n"


def labels(champion: Champion, revision: str = "") -> str:
    """As the engine tells them of an image."""
    head = git("rev-parse", "HEAD")
    return json.dumps({"model.digest": champion.digest, "org.opencontainers.image.revision": revision or head})


def test_an_image_is_pushed_only_as_what_it_is(promoted: list[Champion], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as that of an earlier champion, and not with work that is in no commit."""
    calls = recorded(monkeypatch, {"{{json .Config.Labels}}": labels(promoted[1])})
    with pytest.raises(ProjectError, match=r"holds model .*, not champion 1 .* `--find` takes an earlier"):
        push.publish(PARAMS, "1")
    calls += recorded(monkeypatch, {"{{json .Config.Labels}}": labels(promoted[1], "abc and more")})
    with pytest.raises(ProjectError, match="was built from abc and more: commit, then `deploy image`"):
        push.publish(PARAMS, "2")
    assert [call for call in calls if call[1] == "push"] == []


def test_an_earlier_one_is_found_without_a_build_or_said_to_be_missing(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(monkeypatch, {"inspect": "ghcr.io/o/p@sha256:7"})
    assert push.find_published(PARAMS, "1") == "ghcr.io/o/p@sha256:7"
    assert [call[1] for call in calls] == ["pull", "image"]
    assert calls[0][-1] == f"ghcr.io/o/p:{promoted[0].commit}"
    recorded(monkeypatch, {}, fails="manifest unknown")
    with pytest.raises(ProjectError, match=r"no image of champion 1 .*manifest unknown.*`gh workflow run deploy\.yml`"):
        push.find_published(PARAMS, "1")


def recorded(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], fails: str = "") -> list[list[str]]:
    """Docker's calls, answered by the words in them; all of them fail with `fails`."""
    calls: list[list[str]] = []
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        if not command[0].endswith("docker"):
            return real(command, **options)
        calls.append(["docker", *command[1:]])
        said = next((text for word, text in answers.items() if word in command), "")
        return subprocess.CompletedProcess(command, 1 if fails else 0, said.encode(), fails.encode())

    monkeypatch.setattr("shutil.which", lambda name, **options: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return calls
