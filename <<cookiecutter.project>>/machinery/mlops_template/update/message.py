"""What an update means for the owner: the message of its commit, and what the command prints."""

import re

from ..integrations.tags import version_key as key
from .merge import Merged

SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\].*$", re.MULTILINE)
UNRELEASED = "Unreleased"


def changelog(text: str, since: str, to: str) -> str:
    """The sections of a changelog after one version, up to and with another, or what is unreleased since."""
    marks = list(SECTION.finditer(text))
    parts = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        version = mark["version"]
        body = text[mark.end() : following.start() if following else len(text)].strip()
        released = version != UNRELEASED and key(since) < key(version) <= key(to)
        if body and (released or (version == UNRELEASED and key(since) == key(to))):
            parts.append(f"{version}\n\n{body}")
    return "\n\n".join(parts)


def summary(
    version: str, changes: list[str], merged: Merged, answers: list[str], migrations: list[str], news: str
) -> str:
    """A title line, what changed of the owner's files, and the news of the template."""
    machinery = {
        "replaced": "machinery: replaced whole",
        "merged": "machinery: merged with your changes",
        "unchanged": "machinery: unchanged",
        "elsewhere": "machinery: not a folder here; name its new version in pyproject.toml, then `uv lock`",
    }[merged.machinery]
    lines = [f"Update to version {version} of the template", "", machinery, *answers]
    lines += [f"{line} (params.yaml)" for line in migrations]
    lines += ["", "your files:", *(f"  {line}" for line in changes)] if changes else ["your files: none changed"]
    return "\n".join([*lines, *(["", news] if news else [])])
