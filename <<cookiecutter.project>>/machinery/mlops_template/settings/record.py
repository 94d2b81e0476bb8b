"""`.mlops-template.json`: which template and version a project was made from, and with which answers."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import ProjectError

FILE = Path(".mlops-template.json")
UNRECORDED = ("setup",)
"""Questions about the generation itself, not about the project."""

Answers = dict[str, str]


@dataclass(frozen=True)
class Record:
    """The template's address (None where it was a directory), version, commit if known, and the answers."""

    template: str | None
    version: str
    commit: str | None
    answers: Answers


def load_record(text: str | None) -> Record:
    """The record in a file's text. Raises ProjectError where there is none, or it is damaged."""
    if text is None:
        raise ProjectError(
            f"{FILE} is missing: it says which template the project was made from; `git log --all -- {FILE}` finds it"
        )
    try:
        content = json.loads(text)
        return Record(content["template"], content["version"], content["commit"], dict(content["answers"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{FILE} is damaged ({error}): `git checkout {FILE}` restores it") from None
