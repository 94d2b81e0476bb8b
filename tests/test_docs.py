"""The docs of the generated project name what is there: workflows, checks, variables; and their commands are sound."""

import json
import re
from pathlib import Path

import pytest

from conftest import Bake
from pages import blocks
from scripts import pins
from support import ROOT, run
from test_bake import STORAGES
from test_workflows import load


@pytest.fixture(scope="module", params=["image", "swarm", "kubernetes"])
def project(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(storage=STORAGES["s3"], deploy=request.param)


@pytest.fixture(scope="module")
def docs(project: Path) -> dict[str, str]:
    """Each page of `docs/`, and the README."""
    pages = [project / "README.md", *(project / "docs").glob("*.md")]
    return {path.stem: path.read_text(encoding="utf-8") for path in pages}


def source(project: Path, module: str) -> str:
    return (project / "machinery" / "mlops_template" / module).read_text(encoding="utf-8")


def test_every_workflow_is_told(project: Path, docs: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([\w-]+\.yml)` \|", docs["github"], re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in (project / ".github" / "workflows").iterdir())


def test_every_variable_is_told(project: Path, docs: dict[str, str]) -> None:
    """Those in the table are the ones that the setup reads, and all but an optional one `doctor` asks for."""
    table = set(re.findall(r"`([A-Z][A-Z_]{5,})`", "".join(re.findall(r"^\| .*", docs["storage"], re.MULTILINE))))
    setup = (project / ".github" / "actions" / "setup" / "action.yml").read_text(encoding="utf-8")
    assert table - {"STORAGE_SSH_KEY"} == set(re.findall(r"fromJSON\(inputs\.variables\)\.(\w+)", setup))
    asked = set(re.findall(r'"([A-Z_]+)": "(?:gh|ssh-keyscan) ', source(project, "doctor/github.py")))
    assert table - asked == {"GCP_SERVICE_ACCOUNT"}
    assert asked <= table


def test_the_rule_requires_the_two_checks(project: Path) -> None:
    """The jobs of these names, as `doctor` looks for them."""
    rule = json.loads((project / ".github" / "rulesets" / "main.json").read_text(encoding="utf-8"))["rules"][-1]
    required = {check["context"] for check in rule["parameters"]["required_status_checks"]}
    jobs = {name for path in pins.workflows(project / ".github") for name in load(path).get("jobs", {})}
    assert required == {"tests", "model"} <= jobs
    assert 'REQUIRED = {"tests", "model"}' in source(project, "doctor/github.py")


def test_the_label_has_one_name(project: Path, docs: dict[str, str]) -> None:
    pull_request = (project / ".github" / "workflows" / "pull-request.yml").read_text(encoding="utf-8")
    (label,) = re.findall(r'^LABEL = "(.*)"$', source(project, "doctor/github.py"), re.MULTILINE)
    (command,) = re.findall(r"^gh label create (\S+)", docs["github"], re.MULTILINE)
    assert command == label
    assert f"'{label}'" in pull_request


def test_every_link_leads_somewhere(project: Path, docs: dict[str, str]) -> None:
    for name, text in docs.items():
        for link in re.findall(r"\]\((?!https://)([^)#]+)", text):
            folder = project if name == "README" else project / "docs"
            assert (folder / link).exists(), f"{name}: {link}"


def test_every_command_is_one_of_the_project(project: Path, docs: dict[str, str]) -> None:
    text = source(project, "commands/app.py")
    listed = re.findall(r"^ +(?:ready|data|model|serving|update|versions)\.(\w+),$", text, re.MULTILINE)
    commands = {*listed, *re.findall(r'add_typer\(.*name="(\w+)"', text)}
    for name, text in docs.items():
        for verb in re.findall(r"uv run flight-delays ([a-z][\w-]*)", text):
            assert verb.replace("-", "_") in commands, f"{name}: {verb}"


FOLLOWED = {
    "notebook": "test_notebook.py",
    "own-data": "test_pages.py",
    "own-model": "test_own_model.py",
    "going-back": "test_pages.py",
    "roles": "test_pages.py",
    "tracking": "test_tracking.py",
}
"""The pages that a test follows: it takes what they show out of them, and runs it as it stands there."""
GROUPS = ("ci", "deploy", "storage")
WITHIN = {"deploy rollback"}
"""Not started as a process: tests/machinery/test_rollout.py calls what it does."""


def shown(project: Path, pages: list[Path]) -> set[str]:
    """The project's own commands that some pages show, each by its name."""
    start = f"uv run {project.name} "
    commands = [one for page in pages for block in blocks(page) if not block.language for one in block.commands]
    words = [command.removeprefix(start).split() for command in commands if command.startswith(start)]
    return {" ".join(one[: 2 if one[0] in GROUPS else 1]) for one in words}


def test_every_command_of_the_project_is_run_by_a_test(project: Path, bake: Bake) -> None:
    """Each that a page shows: by the test that follows a page, by another, or by a workflow, which all are run."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py"))
    workflows = "".join(path.read_text(encoding="utf-8") for path in (project / ".github" / "workflows").iterdir())
    followed = [bake() / "docs" / f"{page}.md" for page in FOLLOWED]  # of the project that these tests have
    run_by_none = {
        call
        for call in shown(project, [project / "README.md", *(project / "docs").glob("*.md")])
        if '"{}"'.format('", "'.join(call.split())) not in tests and f"uv run {project.name} {call}" not in workflows
    }
    assert run_by_none - {*WITHIN} - shown(project, followed) == set()
    for page, name in FOLLOWED.items():
        text = (ROOT / "tests" / name).read_text(encoding="utf-8")
        assert f'"{page}"' in text or f'"{page}.md"' in text, f"{name} does not read {page}.md"


def test_the_blocks_can_be_pasted(docs: dict[str, str], tmp_path: Path) -> None:
    """Commands satisfy shellcheck, JSON parses."""
    for name, text in docs.items():
        for number, (language, block) in enumerate(
            re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        ):
            if language == "json":
                json.loads(block)
            elif not language and not block.startswith("restrict"):
                (tmp_path / f"{name}-{number}.sh").write_text(f"#!/bin/bash\n{block}", encoding="utf-8")
    scripts = sorted(path.name for path in tmp_path.iterdir())
    assert len(scripts) > 8
    run("shellcheck", "--norc", *scripts, cwd=tmp_path)
