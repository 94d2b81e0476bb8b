"""Prints what CHANGELOG.md says of a version, for its release: `uv run scripts/release_notes.py v1.2.0`."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(tag: str, changelog: str, version: str) -> str:
    """The section of a tag's version. Raises ValueError where the tag, `version` or the changelog disagree."""
    if tag != f"v{version}":
        raise ValueError(f"{tag} is tagged, and pyproject.toml says {version}: set `version` there and tag anew")
    section = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not section or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has nothing on {version}: give its section `## [{version}] - YYYY-MM-DD`")
    return section[1].strip() + "\n"


if __name__ == "__main__":
    (given,) = sys.argv[1:]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        print(notes(given, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"]), end="")
    except ValueError as error:
        sys.exit(f"error: {error}")
