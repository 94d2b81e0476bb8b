"""The workflows: well formed, with the least rights, every action pinned, every step one line of a command."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Bake
from scripts import pins
from support import ROOT, run
from test_bake import STORAGES

Content = dict[Any, Any]
OWN = "this template's own"
ROLLED_OUT = {"s3": "swarm", "gcs": "kubernetes", "azure": "kubernetes", "ssh": "swarm"}
"""Where a project with that storage is deployed to."""
COMMANDS = ("uv", "git", "gh", "dvc", "docker", "tee", "test", "exit", "sudo")
SHELL = {
    "Write the SSH key",  # before there is a project to ask
    "Write the SSH key of the servers",
    "Write the kubeconfig",
    # With a token that may write, and so without any code of the repository.
    "Find the pull request",
    "Write the comment",
    "Post it, or update the one that is there",
}
"""Steps that are more than commands, each with its reason."""


@pytest.fixture(scope="module", params=[OWN, *STORAGES])
def repository(request: pytest.FixtureRequest, bake: Bake) -> Path:
    """A project for each storage, with all that it may be deployed to, and the template itself."""
    if request.param == OWN:
        return ROOT
    deploy = ROLLED_OUT.get(request.param, "image")
    return bake(storage=STORAGES[request.param], deploy=deploy)


@pytest.fixture(scope="module")
def paths(repository: Path) -> list[Path]:
    """Its workflows and actions."""
    found = pins.workflows(repository / ".github")
    assert found
    return found


def load(path: Path) -> Content:
    """The content of a workflow, with `on` for what YAML 1.1 takes for yes."""
    content: Content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if name is True else name): value for name, value in content.items()}


def jobs(paths: list[Path]) -> Iterator[tuple[str, Content]]:
    """Each job, with a name to be found by."""
    for path in paths:
        for name, job in load(path).get("jobs", {}).items():
            yield f"{path.name}: {name}", job


def steps(paths: list[Path]) -> Iterator[tuple[str, Content, Content]]:
    """Each step of jobs and of composite actions, with what it stands in."""
    for name, job in jobs(paths):
        for step in job.get("steps", []):
            yield name, job, step
    for path in paths:
        for step in load(path).get("runs", {}).get("steps", []):
            yield f"{path.parent.name}/{path.name}", {}, step


def is_called(job: Content) -> bool:
    """Whether a job is another workflow, whose own jobs say the rest."""
    return "uses" in job


def test_zizmor_finds_nothing(repository: Path) -> None:
    """The strictest reading; what is ignored says so, with its reason, where it stands."""
    options = ["--offline", "--persona", "pedantic", "--strict-collection", "--no-progress", "--quiet"]
    run("zizmor", *options, str(repository / ".github"), cwd=repository)


def test_what_zizmor_shall_ignore_has_a_reason(repository: Path, paths: list[Path]) -> None:
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "zizmor:" in line:
                assert re.search(r"# zizmor: ignore\[[a-z-]+\] \w+ \w+", line), f"{path}: {line}"
    settings = repository / ".github" / "zizmor.yml"
    for line in settings.read_text(encoding="utf-8").splitlines() if settings.exists() else []:
        assert not re.search(r"(ignore|disable):", line) or re.search(r"# \S+ \S+", line), line


def test_the_schemas_hold(repository: Path) -> None:
    folder = repository / ".github"
    for schema, found in (
        ("github-workflows", folder.glob("workflows/*")),
        ("github-actions", folder.glob("actions/*/action.yml")),
        ("dependabot", folder.glob("dependabot.yml")),
    ):
        files = [str(path) for path in found]
        if files:
            run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files, cwd=repository)


def test_shellcheck_is_content(paths: list[Path], tmp_path: Path) -> None:
    """With the options that GitHub gives to bash."""
    for number, (_, _, step) in enumerate(one for one in steps(paths) if "run" in one[2]):
        script = f"#!/usr/bin/env bash\nset -e -o pipefail\n{step['run']}\n"
        (tmp_path / f"{number:03}.sh").write_text(script, encoding="utf-8")
    scripts = [path.name for path in sorted(tmp_path.iterdir())]
    assert scripts
    run("shellcheck", "--norc", *scripts, cwd=tmp_path)


def test_every_action_is_a_commit_that_the_template_bumps(repository: Path, paths: list[Path]) -> None:
    """With its version behind it. `pins.uses` refuses what is not pinned so."""
    known = pins.pins()
    for path in paths:
        for action, pin in pins.uses(path):
            assert known[action] == pin, path
    local = [job["uses"] for _, job in jobs(paths) if is_called(job)]
    local += [step["uses"] for *_, step in steps(paths) if step.get("uses", "").startswith(".")]
    for name in local:
        assert (repository / name).exists(), name


def test_nothing_is_granted_that_no_job_asks_for(paths: list[Path]) -> None:
    for path in paths:
        if path.parent.name == "workflows":
            assert load(path)["permissions"] == {}, path
    for name, job in jobs(paths):
        assert isinstance(job["permissions"], dict), name
        assert job.get("secrets") != "inherit", name


def test_every_job_ends_by_itself(paths: list[Path]) -> None:
    """Before GitHub would end it, after six hours."""
    for name, job in jobs(paths):
        assert is_called(job) or 0 < job["timeout-minutes"] < 360, name


def test_no_checkout_leaves_a_token_behind(paths: list[Path]) -> None:
    """Unless the job pushes."""
    for name, job, step in steps(paths):
        if step.get("uses", "").startswith("actions/checkout@"):
            pushes = job["permissions"].get("contents") == "write" and not step["with"].get("persist-credentials", True)
            assert pushes or step["with"]["persist-credentials"] is False, name


def test_a_step_is_one_command_that_runs_on_a_laptop(paths: list[Path]) -> None:
    """No logic in YAML: each line is one command."""
    for name, _, step in steps(paths):
        if "run" not in step or step.get("name") in SHELL:
            continue
        for line in re.sub(r"\\\n\s*", "", step["run"]).splitlines():
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", line)
            assert not re.search(r"[;`]|&&|\|\||\$\(", bare), f"{name}: {line}"
            for command in bare.split("|"):
                assert command.split()[0] in COMMANDS, f"{name}: {line}"


def test_values_come_as_variables_that_are_set(paths: list[Path]) -> None:
    """What an expression put into a script would be run as code; what nobody has set would be empty."""
    given = {}
    for path in paths:
        given.update(dict.fromkeys(load(path).get("env", {})))
    for name, job, step in steps(paths):
        script = step.get("run", "")
        assert "${{" not in script, name
        known = (
            given.keys() | job.get("env", {}).keys() | step.get("env", {}).keys() | set(re.findall(r"(\w+)=", script))
        )
        for variable in re.findall(r"\$\{?(\w+)", script):
            assert variable in known or variable.startswith(("GITHUB_", "RUNNER_")), f"{name}: {variable}"


def test_a_failing_command_fails_the_step(paths: list[Path]) -> None:
    """In a pipe too, and no step is waved through."""
    for path in paths:
        shell = load(path).get("defaults", {}).get("run", {}).get("shell")
        for name, job, step in steps([path]):
            assert "continue-on-error" not in job | step, name
            if re.search(r"[^|]\|[^|]", step.get("run", "")):
                assert step.get("shell", shell) == "bash", f"{name}: a pipe without pipefail"
