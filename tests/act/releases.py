"""Releases: what `gh api` reaches below `releases`."""

from .fields import address
from .origin import WORKFLOWS, in_origin
from .state import Caller, Refused, State, folder, one, require

Path = list[str]
LIMIT = 125_000
"""Characters of the text."""
FIELDS = {"tag_name", "target_commitish", "name", "body", "make_latest"}


def releases(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """The newest first."""
    require(held, caller, ("contents", "read"))
    return held["releases"][::-1]


def make(held: State, caller: Caller, path: Path, fields: State) -> State:
    """A new one; its tag is made at the commit, unless that has changed a workflow and no branch or tag is at it."""
    require(held, caller, ("contents", "write"))
    checked(fields)
    tag, commit = fields["tag_name"], fields.get("target_commitish", "refs/heads/main")
    if any(known["tag_name"] == tag for known in held["releases"]):
        raise Refused("Validation Failed", 422, {"field": "tag_name", "code": "already_exists"})
    touched = in_origin(folder(), "diff-tree", "--no-commit-id", "--root", "-r", commit, "--", WORKFLOWS)
    if touched and not in_origin(folder(), "for-each-ref", f"--points-at={commit}"):
        raise Refused("Resource not accessible by integration", 403)
    in_origin(folder(), "update-ref", f"refs/tags/{tag}", commit)
    number = len(held["releases"]) + 1
    made: State = {"id": number, "html_url": f"{address(held)}/releases/tag/{tag}"} | fields
    held["releases"].append(made)
    return made


def edit(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Change one."""
    require(held, caller, ("contents", "write"))
    checked(fields)
    found = one(held["releases"], id=int(path[-1]))
    found |= fields
    return found


def checked(fields: State) -> None:
    """Raises Refused where GitHub would, or does not know a field."""
    if fields.keys() - FIELDS:
        raise Refused(f"this stand-in does not know the fields {fields.keys() - FIELDS}")
    if len(fields.get("body", "")) > LIMIT:
        raise Refused("Validation Failed", 422, {"field": "body", "code": "custom", "message": "body is too long"})
