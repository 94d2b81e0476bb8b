"""Run a workflow file under act, without Docker, and read what came of it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support import environment as user_environment

from .workflow import load, triggers

ACTIONS = Path(__file__).parent / "actions"
OUTPUT = re.compile(r"(needs\.[\w-]+)\.(outputs\.[\w-]+)")
USES = re.compile(r"(?P<action>[\w.-]+/[\w.-]+)(?P<path>(?:/[^@]+)?)@(?P<commit>[0-9a-f]{40})")


@dataclass
class Job:
    """What came of one job."""

    result: str = "skipped"
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds of each step, by its name or command."""


@dataclass(frozen=True)
class Run:
    """What came of a workflow: its jobs by id, those of called workflows among them."""

    id: int
    workflow: str
    event: dict[str, Any]
    jobs: dict[str, Job]
    seconds: float
    trouble: str
    """What act itself had to say, such as a file that it cannot read."""

    @property
    def conclusion(self) -> str:
        """As GitHub has it."""
        results = [job.result for job in self.jobs.values()]
        return "failure" if self.trouble or "failure" in results else "success"

    @property
    def results(self) -> dict[str, str]:
        """The result of each job."""
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def summary(self) -> str:
        """All that the jobs wrote to their step summary."""
        return "\n".join(job.summary for job in self.jobs.values())

    @property
    def log(self) -> str:
        """All that the jobs said, and act."""
        jobs = [f"===== {name}: {job.result}\n{job.log}" for name, job in self.jobs.items() if job.log]
        return "\n".join([*jobs, self.trouble])


def execute(
    workflow: Path,
    event: str,
    payload: dict[str, Any],
    temporary: Path,
    environment: dict[str, str],
    variables: dict[str, str],
    secrets: dict[str, str],
    **given: str,
) -> Run:
    """Run a workflow of a checked-out repository; `given` are act's `--env` variables."""
    for file in workflow.parent.glob("*.yml"):
        text = without_outputs_of_skipped_jobs(file.read_text(encoding="utf-8"))
        file.write_text(QUEUE.sub("", text), encoding="utf-8")
    payload_file = temporary / "event.json"
    payload_file.write_text(json.dumps(payload), encoding="utf-8")
    repository = workflow.parents[2]
    command = [
        *(shutil.which("act", path=str(Path(sys.executable).parent)) or "act", event),
        *("--directory", str(repository), "--eventpath", str(payload_file)),
        *("--platform", "ubuntu-latest=-self-hosted", "--action-cache-path", str(temporary / "jobs")),
        *("--pull=false", "--action-offline-mode", "--no-cache-server", "--no-skip-checkout", "--rm", "--json"),
        *("--defaultbranch", "main", "--actor", "ada", "--secret", "GITHUB_TOKEN"),
        *(word for name, value in given.items() for word in ("--env", f"{name}={value}")),
        *(word for name, value in variables.items() for word in ("--var", f"{name}={value}")),
        *(word for name, value in secrets.items() for word in ("--secret", f"{name}={value}")),
        *(word for action in stand_ins(repository) for word in ("--local-repository", action)),
    ]
    began = time.monotonic()
    jobs, trouble = act([*command, "--workflows", str(workflow)], workflow, environment)
    if any(jobs[inner].result == "failure" for called in calls(workflow).values() for inner in called):
        rest = without_ended(workflow, jobs)
        later, _ = act([*command, "--workflows", str(rest)], rest, environment)
        jobs |= {name: later[name] for name, job in jobs.items() if job.result == "skipped" and name in later}
    seconds = time.monotonic() - began
    refuse_secret_outputs(workflow, jobs, secrets)
    return Run(int(given["GITHUB_RUN_ID"]), workflow.name, payload, jobs, seconds, trouble)


def refuse_secret_outputs(workflow: Path, jobs: dict[str, Job], secrets: dict[str, str]) -> None:
    """Raises AssertionError where a job hands over what contains a secret's value.

    GitHub drops such an output with a warning, "Skip output since it may contain secret" (its runner, in
    src/Runner.Worker/JobExtension.cs), and the next job goes on with an empty one.
    """
    for name, job in load(workflow)["jobs"].items():
        for output, formula in job.get("outputs", {}).items():
            handed = jobs[name].outputs.get(formula.rpartition(".")[2].removesuffix(" }}"), "")
            held = [key for key, value in secrets.items() if value and value in handed]
            assert not held, f"GitHub would drop the output {output} of {name}: it contains the secret {held[0]}"


QUEUE = re.compile(r"^ +queue: max\n", re.MULTILINE)
"""Of a concurrency group: since May 2026 GitHub knows it, act does not, and has no groups anyway."""


def without_outputs_of_skipped_jobs(workflow: str) -> str:
    """The text of a workflow that reads empty outputs of a skipped job, as on GitHub; act gives their formula."""
    return OUTPUT.sub(r"(\1.result != 'skipped' && \1.\2 || '')", workflow)


def act(command: list[str], workflow: Path, environment: dict[str, str]) -> tuple[dict[str, Job], str]:
    """Run act: what became of the jobs, and what it said itself where it failed without any of them failing."""
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
    called = calls(workflow)
    jobs = {inner: Job() for name in load(workflow)["jobs"] for inner in called.get(name, [name])}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        if "jobID" in entry:
            read(entry, jobs[entry["jobID"]])
    failed = any(job.result == "failure" for job in jobs.values())
    return jobs, done.stderr if done.returncode and not failed else ""


def without_ended(workflow: Path, jobs: dict[str, Job]) -> Path:
    """The workflow with the jobs that ended replaced by ones that just end so again, with the same outputs.

    act gives up when a called workflow fails, GitHub goes on with the jobs that run `always()`.
    """
    content = load(workflow)
    called = calls(workflow)
    for name, job in content["jobs"].items():
        own = [jobs[inner] for inner in called.get(name, [name])]
        if any(inner.result != "skipped" for inner in own):
            file = workflow.parents[2] / job["uses"] if "uses" in job else None
            names = triggers(load(file))["workflow_call"].get("outputs", {}) if file else job.get("outputs", {})
            known = {key: inner.outputs[key] for inner in own for key in names if key in inner.outputs}
            end = "false" if any(inner.result == "failure" for inner in own) else "true"
            content["jobs"][name] = {"runs-on": "ubuntu-latest", "if": "always()", "needs": job.get("needs", [])}
            content["jobs"][name] |= {"outputs": known, "steps": [{"run": end}]}
    content["on"] = triggers(content)
    content.pop(True, None)
    rest = workflow.with_name(f"rest-of-{workflow.name}")
    rest.write_text(json.dumps(content), encoding="utf-8")
    return rest


def calls(workflow: Path) -> dict[str, list[str]]:
    """The jobs that call a workflow, and the ids of the jobs there."""
    jobs = load(workflow)["jobs"].items()
    return {name: list(load(workflow.parents[2] / job["uses"])["jobs"]) for name, job in jobs if "uses" in job}


def checks(workflow: Path, run: Run, commit: str, event: str) -> list[dict[str, str]]:
    """What the jobs of a run say of a commit, by the names that a branch rule may ask for."""
    content, called, found = load(workflow), calls(workflow), []
    for name, job in content["jobs"].items():
        shown = job.get("name", name)
        inner = load(workflow.parents[2] / job["uses"])["jobs"] if "uses" in job else {}
        names = {key: f"{shown} / {inner[key].get('name', key)}" for key in called.get(name, [])} or {name: shown}
        about = {"sha": commit, "event": event}
        found += [about | {"context": said, "state": run.jobs[key].result} for key, said in names.items()]
    return found


def read(entry: dict[str, Any], job: Job) -> None:
    """Add a line of act's log to what is known of its job."""
    match entry:
        case {"jobResult": result}:
            job.result = result
        case {"command": "summary", "content": content}:
            job.summary += content
        case {"command": "set-output", "name": name, "arg": value}:
            job.outputs[name] = value
        case {"raw_output": True, "msg": text}:
            job.log += text
        case {"stepResult": result, "step": step, "stage": "Main", "executionTime": nanoseconds, "stepID": [_]}:
            job.steps[step] = nanoseconds / 1e9
            job.log += f"----- {result}: {step}\n"
        case {"level": "error" | "warning", "msg": text}:
            job.log += f"{text}\n"


def stand_ins(repository: Path) -> set[str]:
    """`owner/name@commit=folder` for every action that the repository's workflows use.

    Raises AssertionError where a stand-in is given an input that it does not know.
    """
    found = set()
    for file in sorted((repository / ".github").rglob("*.yml")):
        for step in steps(yaml.safe_load(file.read_text(encoding="utf-8"))):
            if step.get("uses", "./").startswith("./"):
                continue
            used = USES.fullmatch(step["uses"])
            assert used, f"{file.name}: {step['uses']} is not pinned to a commit"
            folder = ACTIONS / used["action"].rpartition("/")[2]
            folder = folder if folder.exists() and not used["path"] else ACTIONS / "never"
            known = load(folder / "action.yml").get("inputs", {})
            strange = set(step.get("with", {})) - set(known)
            assert folder.name == "never" or not strange, f"{file.name}: {used['action']} has no input {strange} here"
            found.add(f"{used['action']}@{used['commit']}={folder}")
    return found


def steps(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a workflow or of a composite action."""
    yield from content.get("runs", {}).get("steps", [])
    for job in content.get("jobs", {}).values():
        yield from job.get("steps", [])


def clean(bin: Path, home: Path, **changes: str) -> dict[str, str]:
    """The variables of a runner: none of those that run these tests, and `bin` first on the PATH."""
    foreign = ("GITHUB_", "RUNNER_", "ACTIONS_", "GIT_", "XDG_", "GH_", "PYTEST_", "CI")
    kept = {name: value for name, value in user_environment().items() if not name.startswith(foreign)}
    own = str(Path(sys.executable).parent)
    path = [folder for folder in kept["PATH"].split(os.pathsep) if folder != own]
    return kept | {"HOME": str(home), "PATH": os.pathsep.join([str(bin), *path])} | changes
