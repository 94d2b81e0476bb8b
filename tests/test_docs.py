"""The docs of the generated project name what is there: workflows, checks, variables; and their commands are sound."""

import json
import re
from pathlib import Path

import pytest

from conftest import Bake
from scripts import pins
from support import run
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
