"""Copies the pins of actions from the template's own `.github` into the template, where Dependabot does not look.

    uv run scripts/pins.py            after Dependabot has bumped them
    uv run scripts/pins.py --check    only looks, and fails where they differ

An action that the generated project alone uses stands in `.github/actions/pins`, so there is no other list.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = ROOT / ".github"
INSIDE = ROOT / "<<cookiecutter.project>>" / ".github"
USES = re.compile(
    r"^(?P<before> *(?:- )?uses: +)(?P<action>[\w.-]+/[\w.-]+)(?P<path>/[\w./-]+)?@(?P<pin>[0-9a-f]{40} # v[\w.]+)$",
    re.MULTILINE,
)
ELSEWHERE = re.compile(r"^ *(?:- )?uses: +(?!\./)(\S.*)$", re.MULTILINE)


class PinError(Exception):
    """Pins that do not go together: one line that says which, and where."""


def workflows(folder: Path) -> list[Path]:
    """The workflows and actions of a `.github`."""
    return sorted([*folder.glob("workflows/*.yml"), *folder.glob("actions/*/action.yml")])


def uses(path: Path) -> Iterator[tuple[str, str]]:
    """Each action of another repository with its pin: commit, and version in a comment.

    Raises PinError where one is not pinned like this.
    """
    text = path.read_text(encoding="utf-8")
    found = list(USES.finditer(text))
    if len(found) != len(ELSEWHERE.findall(text)):
        loose = next(line for line in ELSEWHERE.finditer(text) if not USES.match(line.group()))
        raise PinError(f"{path.relative_to(ROOT)}: {loose[1]} is not pinned as owner/name@<40 digits> # v1.2.3")
    for one in found:
        yield one["action"], one["pin"]


def pins() -> dict[str, str]:
    """The pin of each action that the template's own `.github` names. Raises PinError where it names two."""
    known: dict[str, str] = {}
    for path in workflows(OWN):
        for action, pin in uses(path):
            if known.setdefault(action, pin) != pin:
                raise PinError(f"{path.relative_to(ROOT)}: {action} is at {pin}, elsewhere at {known[action]}")
    return known


def bumped(path: Path, known: dict[str, str]) -> str:
    """The text of a workflow inside the template, each action at its known pin.

    Raises PinError where it uses an action that is not known.
    """
    for action, _ in uses(path):
        if action not in known:
            where = (OWN / "actions" / "pins" / "action.yml").relative_to(ROOT)
            raise PinError(f"{path.relative_to(ROOT)}: {action} has no pin yet: add it to {where}")
    return USES.sub(
        lambda one: f"{one['before']}{one['action']}{one['path'] or ''}@{known[one['action']]}",
        path.read_text(encoding="utf-8"),
    )


def main(check: bool) -> int:
    """Bring the template's inside up to date, or say what is not. Returns the exit status."""
    known = pins()
    behind = {
        path: text for path in workflows(INSIDE) if (text := bumped(path, known)) != path.read_text(encoding="utf-8")
    }
    for path, text in behind.items():
        print(f"{path.relative_to(ROOT)}: {'behind: `uv run scripts/pins.py`' if check else 'bumped'}")
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    return 1 if check and behind else 0


if __name__ == "__main__":
    try:
        sys.exit(main(check=sys.argv[1:] == ["--check"]))
    except PinError as error:
        sys.exit(f"error: {error}")
