"""What `test.yml` asks of a commit, in one command: linters, types, workflows, tests."""

import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import ProjectError
from ..integrations.process import attached, followed

WORKFLOWS = Path(".github/workflows")

CHECKS: dict[str, list[str]] = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "workflow security": ["zizmor", "--offline", "--persona", "pedantic", ".github"],
    "workflow schema": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    "tests": ["pytest"],
    "types": ["mypy"],
}
"""Each by its name, with the program and its arguments."""
BESIDE = "types"
"""The slowest of the linters: it runs beside the others and the tests, and is told last."""


def check(say: Callable[[str], None]) -> str:
    """Run all checks, whatever fails, and say what came of each. Raises ProjectError that names those that failed."""
    failed, commands = [], {name: command_of(name) for name in CHECKS}
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(run, commands[BESIDE], capture=True) if BESIDE in commands else None
        for name, command in commands.items():
            say(f"{name}: {' '.join(CHECKS[name])}")
            status, seconds, output = beside.result() if beside and name == BESIDE else run(command)
            print(output, end="", flush=True)
            say(f"{name}: {'FAILED' if status else 'passed'} after {seconds:.1f} s")
            if status:
                failed.append(name)
    if failed:
        again = " && ".join(f"uv run {' '.join(CHECKS[name])}" for name in failed)
        raise ProjectError(f"{', '.join(failed)} failed, the reason stands above: correct it, then `{again}`")
    return f"all {len(CHECKS)} checks passed"


def command_of(name: str) -> list[str]:
    """The command of a check, with the files that it looks at."""
    program, *arguments = CHECKS[name]
    files = sorted(map(str, WORKFLOWS.glob("*.yml"))) if name == "workflow schema" else []
    return [launcher(program), *arguments, *files]


def run(command: list[str], capture: bool = False) -> tuple[int, float, str]:
    """Run a command: its exit status, the seconds it took, and what it wrote, where that is not shown at once."""
    begun, lines = time.monotonic(), list[str]()
    code = followed(command, lines.append) if capture else attached(command)
    return code, time.monotonic() - begun, "".join(lines)


def launcher(program: str) -> str:
    """The script of a program in this environment. Raises ProjectError when it is not installed."""
    script = shutil.which(program, path=str(Path(sys.executable).parent))
    if script is None:
        raise ProjectError(f"{program} is not installed here: `uv sync` brings it")
    return script
