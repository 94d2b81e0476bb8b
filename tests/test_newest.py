"""What a new release of a dependency breaks becomes one issue, closed once it is over: newest.yml under act."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from act.github import GitHub, github
from support import ROOT, commit, git

GH = """\
#!{python}
import json, pathlib, sys
record = pathlib.Path({record!r})
state = json.loads(record.read_text()) if record.exists() else {{"open": False, "said": []}}
verb, options = " ".join(sys.argv[1:3]), sys.argv[3:]
if verb == "issue list":
    assert options[options.index("--label") + 1] == "newest"
    print("7" if state["open"] else "")
elif verb == "label create":
    assert options[:2] == ["newest", "--force"], "an issue with a label that is not there is refused"
else:
    assert verb == "issue create" or options[0] == "7", sys.argv
    state["open"] = verb != "issue close"
    text = next(value for name, value in zip(options, options[1:]) if name in ("--body", "--comment"))
    state["said"].append([verb, text])
record.write_text(json.dumps(state))
"""
TESTS = """\
name: Tests
on:
  workflow_call:
jobs:
  tests:
    runs-on: ubuntu-latest
    steps:
      - run: {}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHub]:
    """A GitHub with the workflow, and tests that pass."""
    template = tmp_path / "mlops-template"
    (template / ".github/workflows").mkdir(parents=True)
    shutil.copy(ROOT / ".github/workflows/newest.yml", template / ".github/workflows")
    shutil.copytree(ROOT / "scripts", template / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (template / ".github/workflows/test.yml").write_text(TESTS.format("exit 0"), encoding="utf-8")
    git(template, "init", "--quiet", "--initial-branch=main")
    commit(template, "Begin")
    (tmp_path / "github").mkdir()
    with github(tmp_path / "github", template) as hub:
        program = hub.bin / "gh"
        program.write_text(GH.format(python=sys.executable, record=str(hub.folder / "gh.json")), encoding="utf-8")
        yield hub


def looked(hub: GitHub, command: str) -> list[str]:
    """Run it with tests that do this; what `gh` was told so far."""
    with hub.working_on("main", "Other tests") as clone:
        (clone / ".github/workflows/test.yml").write_text(TESTS.format(command), encoding="utf-8")
    done = hub.run("schedule", "newest.yml", git(hub.origin, "rev-parse", "main"), {}, "refs/heads/main")
    assert done.results["tell"] == "success", done.log
    told = json.loads((hub.folder / "gh.json").read_text(encoding="utf-8"))["said"]
    assert all("/actions/runs/" in text for _, text in told)
    return [verb for verb, _ in told]


def test_one_issue_from_the_first_failure_to_the_next_success(hub: GitHub) -> None:
    assert looked(hub, "exit 1 # one") == ["issue create"]
    assert looked(hub, "exit 1 # two") == ["issue create", "issue comment"]
    assert looked(hub, "exit 0 # three") == ["issue create", "issue comment", "issue close"]
    assert looked(hub, "exit 0 # four") == ["issue create", "issue comment", "issue close"]
