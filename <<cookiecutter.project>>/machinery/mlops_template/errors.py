"""The one exception that a user is meant to read, and what is said of others."""


class ProjectError(Exception):
    """Something the user can fix: one line that says what came, what was expected and the way out."""


def first_line(error: BaseException) -> str:
    """What an error says, as far as its first line goes."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
