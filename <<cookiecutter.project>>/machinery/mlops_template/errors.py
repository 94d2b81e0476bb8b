"""The one exception that a user is meant to read."""


class ProjectError(Exception):
    """Something the user can fix: one line that says what came, what was expected and the way out."""
