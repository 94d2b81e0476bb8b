"""What must change in `params.yaml` when its settings are renamed or moved: a function for each version that does so.

Run with the code of the new version: `python -m mlops_template.update.migrations FROM TO < params.yaml`.
"""

import re
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

Migration = Callable[[Any], None]
"""Changes the settings, a mapping that keeps its comments, in place."""

MIGRATIONS: list[tuple[str, str, Migration]] = []
"""(version that needs it, what it does in a line, the function), the oldest first."""


def migrate(text: str, since: str, to: str) -> tuple[str, list[str]]:
    """(the settings as the version `to` has them, what was done), with comments and order kept."""
    wanted = [one for one in MIGRATIONS if key(since) < key(one[0]) <= key(to)]
    if not wanted:
        return text, []
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    settings = yaml.load(text)
    for _, _, function in wanted:
        function(settings)
    written = StringIO()
    yaml.dump(settings, written)
    return written.getvalue(), [line for _, line, _ in wanted]


def rename(section: Any, old: str, new: str) -> None:
    """Rename a setting where it stands, its comment with it."""
    if old not in section:
        return
    place, comment = list(section).index(old), section.ca.items.pop(old, None)
    section.insert(place, new, section.pop(old))
    if comment is not None:
        section.ca.items[new] = comment


def key(version: str) -> tuple[int, ...]:
    """What versions are compared by."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    content, done = migrate(sys.stdin.read(), sys.argv[1], sys.argv[2])
    print("\n".join(done), file=sys.stderr)
    sys.stdout.write(content)
