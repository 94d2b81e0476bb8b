"""What a project can show of itself: workflows and what starts them, tests that they run, reports, settings."""

import ast
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..data.contract import Contract, load_contract
from ..errors import ProjectError
from ..settings.params import Params, load_params
from ..settings.project import load_project

WORKFLOWS = Path(".github/workflows")
TESTS = Path("tests")

BY_ITSELF = {"push", "pull_request", "pull_request_target", "merge_group", "schedule", "workflow_run"}
"""The events that start a workflow without a person who asks for it."""


class Missing(Exception):
    """What would have to be there to show something: a line for the user."""


class Evidence:
    """The project in the current directory. Each method raises `Missing` where it finds nothing."""

    @cached_property
    def params(self) -> Params:
        """`params.yaml`."""
        return load_params()

    @cached_property
    def contract(self) -> Contract:
        """`contract.yaml`."""
        return load_contract()

    @cached_property
    def workflows(self) -> dict[str, dict[str, Any]]:
        """By their file names. Raises ProjectError where one cannot be read."""
        found = {}
        for path in sorted(WORKFLOWS.glob("*.yml")):
            try:
                found[path.name] = YAML(typ="safe").load(path) or {}
            except YAMLError as error:
                raise ProjectError(f"{path.as_posix()} is not valid YAML: {' '.join(str(error).split())}") from None
        return found

    @cached_property
    def started(self) -> set[str]:
        """The workflows that run without a person who asks: by an event of their own, or called by one that does."""
        found: set[str] = set()
        new = {name for name, one in self.workflows.items() if BY_ITSELF & set(triggers(one))}
        while new:
            found |= new
            called = {Path(str(job.get("uses", ""))).name for name in new for job in jobs(self.workflows[name])}
            new = called & set(self.workflows) - found
        return found

    def runs(self, workflow: str, command: str) -> str:
        """A workflow that runs a command of the project by itself: its name."""
        if workflow not in self.workflows:
            raise Missing(f"{(WORKFLOWS / workflow).as_posix()} is not there")
        pattern = re.compile(rf"uv run {re.escape(load_project().name)} {re.escape(command)}(?![\w-])")
        steps = [step for job in jobs(self.workflows[workflow]) for step in job.get("steps", [])]
        if not any(pattern.search(str(step.get("run", ""))) for step in steps):
            raise Missing(f"no step of {workflow} runs `{command}`")
        if workflow not in self.started:
            raise Missing(f"nothing starts {workflow} by itself")
        return workflow

    def scheduled(self, workflow: str, command: str) -> str:
        """The same of one that has a schedule."""
        self.runs(workflow, command)
        if "schedule" not in triggers(self.workflows[workflow]):
            raise Missing(f"{workflow} has no schedule")
        return workflow

    def asks(self, workflow: str, question: str) -> str:
        """A workflow that can be started with an input of that name: its name."""
        started = triggers(self.workflows.get(workflow, {})).get("workflow_dispatch") or {}
        if question not in (started.get("inputs") or {}):
            raise Missing(f"{workflow} cannot be started with `{question}`")
        return workflow

    def test(self, file: str, name: str = "test_") -> str:
        """A test that each pull request runs, or all of a file: where it stands."""
        path = TESTS / file
        functions = ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else iter(())
        found = [one.name for one in functions if isinstance(one, ast.FunctionDef) and one.name.startswith(name)]
        if not found:
            raise Missing(f"{path.as_posix()} has no test {name.rstrip('_')}")
        self.runs("test.yml", "check")
        return f"{path.as_posix()}::{found[0]}" if len(found) == 1 else f"{path.as_posix()}, {len(found)} tests"

    def report(self, path: Path) -> Any:
        """A report in JSON that is committed with the result that it is about."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise Missing(f"{path.as_posix()} is not there: `run` writes it") from None


def triggers(workflow: dict[str, Any]) -> dict[str, Any]:
    """What starts a workflow, with the settings of each."""
    on = workflow.get("on", {})
    return {str(on): None} if isinstance(on, str) else dict.fromkeys(on) if isinstance(on, list) else dict(on or {})


def jobs(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a workflow that are not switched off."""
    return [job for job in (workflow.get("jobs") or {}).values() if job.get("if") is not False]
