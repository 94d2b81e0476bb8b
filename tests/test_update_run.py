"""`update.yml` under act: a newer version of the template is proposed in a pull request, or an issue says why not."""

import json
from pathlib import Path

import pytest
from releases import Release, later, release, template

from act.github import GitHub, github

__all__ = ["later", "release", "template"]

pytestmark = pytest.mark.slow

RECORD = ".mlops-template.json"
WORKFLOW = ".github/workflows/test.yml"
PULLS = {"contents": "write", "pull_requests": "write", "issues": "write"}


def scheduled(hub: GitHub) -> str:
    """What the week's run says; it succeeds and leaves `main` as it was."""
    before = hub.head()
    run = hub.schedule("update.yml")
    assert run.results == {"update": "success"}, run.log
    assert hub.head() == before
    return run.jobs["update"].log


def test_updates_are_proposed_week_by_week(project: Path, later: Path, release: Release, tmp_path: Path) -> None:
    """Nothing new, a new version, the same again; then one with other workflows, without and with a GitHub App."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "github").mkdir()
    with github(tmp_path / "github", project, tmp_path / "environments") as hub:
        with hub.working_on("main", "Know the template") as clone:
            record = json.loads((clone / RECORD).read_text(encoding="utf-8"))
            record |= {"template": later.as_uri(), "commit": None}
            (clone / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")

        scheduled(hub)
        assert hub.pulls("all") == [] and hub.issues("all") == []

        release("0.2.0", {"machinery/mlops_template/new_room.py": lambda _: "NEW = 1\n"})
        assert "proposed version 0.2.0" in scheduled(hub)
        [pull] = hub.pulls()
        assert pull["user"]["login"] == "github-actions[bot]"
        assert hub.show("update-0.2.0", "machinery/mlops_template/new_room.py").strip() == "NEW = 1"
        assert json.loads(hub.show("update-0.2.0", RECORD))["version"] == "0.2.0"
        assert "proposed already" in scheduled(hub)

        release("0.3.0", {WORKFLOW: lambda text: text.replace("name: Test\n", "name: All tests\n", 1)})
        scheduled(hub)
        assert len(hub.pulls()) == 1 and "update-0.3.0" not in hub.references()
        [issue] = hub.issues()
        assert "needs a person" in issue["title"] and "GitHub App" in issue["body"]

        hub.variables["APP_CLIENT_ID"], hub.secrets["APP_PRIVATE_KEY"] = "Iv1.abc", "a-key"
        hub.install_app("Iv1.abc", "a-key", **PULLS, workflows="write")
        assert "proposed version 0.3.0" in scheduled(hub)
        assert "name: All tests" in hub.show("update-0.3.0", WORKFLOW)
        assert hub.issues() == []
        started = [start["workflow"] for start in hub.state["would_start"] if start["event"] == "pull_request"]
        assert "test.yml" in started
