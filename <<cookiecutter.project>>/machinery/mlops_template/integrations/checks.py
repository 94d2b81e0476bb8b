"""What `doctor` says of one thing: right, wrong with what fixes it, or not looked at and why."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ProjectError
from .git import GitError

RIGHT, WRONG, UNSEEN = "✓", "✗", "–"


class CheckSkipped(Exception):
    """It could not be looked at; the text says why."""


@dataclass(frozen=True)
class CheckResult:
    """One line: the state of what was looked at, and where it is wrong the command that fixes it."""

    status: str
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.name:<15} {self.message}"


def find(what: str, look: Callable[[], str]) -> CheckResult:
    """What `look` returned is right, a ProjectError is wrong, and anything else that ended it tells nothing."""
    try:
        return CheckResult(RIGHT, what, look())
    except (CheckSkipped, GitError) as reason:
        return CheckResult(UNSEEN, what, f"not looked at: {reason}")
    except ProjectError as error:
        return CheckResult(WRONG, what, str(error))
    except Exception as error:  # the other findings are worth having all the same
        return CheckResult(UNSEEN, what, f"not looked at: {type(error).__name__}: {error}")
