"""What GitHub takes in the fields of an issue or a pull request."""

from .state import Refused, State, moment

LIMIT = 65_536
"""Characters. GitHub refuses a longer text."""
TITLE, LABEL = 256, 50


def change(found: State, fields: State, known: set[str]) -> None:
    """Take over the fields that GitHub knows, and none but them."""
    if fields.keys() - known:
        raise Refused(f"this stand-in does not know the fields {fields.keys() - known}")
    if "title" in fields:
        title(fields["title"])
    if fields.get("body"):
        body(fields["body"])
    if fields.get("state", "open") not in ("open", "closed"):
        raise Refused("Validation Failed", 422, {"field": "state", "code": "invalid"})
    if "labels" in fields:
        fields = fields | {"labels": named(fields["labels"])}
    found |= fields
    found["closed_at"] = (found["closed_at"] or moment()) if found["state"] == "closed" else None


def named(labels: list[str]) -> list[State]:
    """Labels as GitHub gives them."""
    if not isinstance(labels, list) or not all(isinstance(name, str) and 0 < len(name) <= 50 for name in labels):
        raise Refused("Validation Failed", 422, {"field": "labels", "code": "invalid"})
    return [{"name": name} for name in labels]


def body(text: str) -> str:
    """A text, if GitHub takes it."""
    if not 0 < len(text) <= LIMIT:
        said = f"Body is too long (maximum is {LIMIT} characters)" if text else "Body can't be blank"
        raise Refused("Validation Failed", 422, {"field": "body", "code": "custom", "message": said})
    return text


def title(text: str | None) -> str:
    """A title, if GitHub takes it."""
    if not text or len(text) > TITLE:
        said = f"title is too long (maximum is {TITLE} characters)" if text else "title can't be blank"
        raise Refused("Validation Failed", 422, {"field": "title", "code": "custom", "message": said})
    return text


def address(held: State) -> str:
    """Of the repository on the web."""
    return f"https://github.com/{held['repository']}"
