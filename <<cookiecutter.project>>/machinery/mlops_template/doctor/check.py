"""What `test.yml` asks of a commit, in one command: linters, types, workflows, tests."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import ProjectError

WORKFLOWS = Path(".github/workflows")

CHECKS: dict[str, list[str]] = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "workflow security": ["zizmor", "--offline", "--persona", "pedantic", ".github"],
    "workflow schema": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    "tests": ["pytest"],
}
"""Each by its name, with the program and its arguments."""


def check(say: Callable[[str], None]) -> str:
    """Run all checks, whatever fails, and say what came of each. Raises ProjectError that names those that failed."""
    failed = []
    for name, command in CHECKS.items():
        say(f"{name}: {' '.join(command)}")
        files = sorted(map(str, WORKFLOWS.glob("*.yml"))) if name == "workflow schema" else []
        begun = time.monotonic()
        passed = not subprocess.run([launcher(command[0]), *command[1:], *files]).returncode
        say(f"{name}: {'passed' if passed else 'FAILED'} after {time.monotonic() - begun:.1f} s")
        if not passed:
            failed.append(name)
    if failed:
        again = " && ".join(f"uv run {' '.join(CHECKS[name])}" for name in failed)
        raise ProjectError(f"{', '.join(failed)} failed, the reason stands above: correct it, then `{again}`")
    return f"all {len(CHECKS)} checks passed"


def launcher(program: str) -> str:
    """The script of a program in this environment. Raises ProjectError when it is not installed."""
    script = shutil.which(program, path=str(Path(sys.executable).parent))
    if script is None:
        raise ProjectError(f"{program} is not installed here: `uv sync` brings it")
    return script
