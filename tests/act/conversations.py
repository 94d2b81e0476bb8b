"""Issues and what is said on them and on pull requests: what `gh api` reaches below `issues`."""

from urllib.parse import unquote

from .fields import address, body, change, named, title
from .pulls import current
from .state import Caller, Refused, State, moment, next_number, one, require

Path = list[str]


def issues(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """Issues and pull requests, the open ones unless asked otherwise, the newest first."""
    require(held, caller, ("issues", "read"))
    enabled(held)
    labels = {name for name in fields.get("labels", "").split(",") if name}
    found = [*held["issues"], *(as_issue(current(pull)) for pull in held["pulls"])]
    return [
        issue
        for issue in sorted(found, key=lambda issue: -issue["number"])
        if fields.get("state", "open") in ("all", issue["state"])
        and labels <= {label["name"] for label in issue["labels"]}
        and fields.get("creator", issue["user"]["login"]) == issue["user"]["login"]
    ]


def enabled(held: State) -> None:
    """Raises Refused as GitHub where issues are disabled: "410 Gone", REST API endpoints for issues."""
    if not held["settings"]["has_issues"]:
        raise Refused("Issues has been disabled in this repository.", 410)


def as_issue(pull: State) -> State:
    """GitHub's issues are also its pull requests, which have this key."""
    kept = ("number", "title", "body", "state", "labels", "user", "html_url", "created_at", "closed_at")
    return {name: pull[name] for name in kept} | {"pull_request": {"html_url": pull["html_url"]}}


def issue(held: State, caller: Caller, path: Path, fields: State) -> State:
    """One of them."""
    require(held, caller, ("issues", "read"), *pulls_too(held, path[-1], "read"))
    found = thread(held, path[-1])
    return as_issue(current(found)) if "head" in found else found


def open_issue(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Open an issue; labels that are new are made."""
    require(held, caller, ("issues", "write"))
    enabled(held)
    number = next_number(held)
    made = {
        "number": number,
        "state": "open",
        "state_reason": None,
        "title": title(fields.get("title")),
        "body": body(fields["body"]) if fields.get("body") else None,
        "labels": named(fields.get("labels", [])),
        "user": {"login": caller.actor},
        "html_url": f"{address(held)}/issues/{number}",
        "created_at": moment(),
        "closed_at": None,
    }
    held["issues"].append(made)
    return made


def edit_issue(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Change an issue, or close it."""
    require(held, caller, ("issues", "write"), *pulls_too(held, path[-1], "write"))
    found = thread(held, path[-1])
    change(found, fields, {"title", "body", "state", "state_reason", "labels"})
    if found["state"] == "closed":
        found["state_reason"] = fields.get("state_reason") or found.get("state_reason") or "completed"
    return found


def label(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """Add labels to an issue or a pull request; those that are new are made."""
    require(held, caller, ("issues", "write"), *pulls_too(held, path[-2], "write"))
    found = thread(held, path[-2])
    found["labels"] += [name for name in named(fields["labels"]) if name not in found["labels"]]
    labels: list[State] = found["labels"]
    return labels


def unlabel(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """Take a label away."""
    require(held, caller, ("issues", "write"), *pulls_too(held, path[-3], "write"))
    found = thread(held, path[-3])
    if {"name": unquote(path[-1])} not in found["labels"]:
        raise Refused("Label does not exist", 404)
    found["labels"].remove({"name": unquote(path[-1])})
    labels: list[State] = found["labels"]
    return labels


def comments(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """The comments on an issue or a pull request."""
    require(held, caller, ("issues", "read"), *pulls_too(held, path[-2], "read"))
    return [comment for comment in held["comments"] if comment["issue"] == int(path[-2])]


def comment(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Comment on an issue or a pull request."""
    require(held, caller, ("issues", "write"), *pulls_too(held, path[-2], "write"))
    thread(held, path[-2])
    made = {"id": 1000 + len(held["comments"]), "issue": int(path[-2]), "edits": 0, "user": {"login": caller.actor}}
    made |= {"body": body(fields["body"]), "html_url": f"{address(held)}/issues/{path[-2]}#issuecomment-{made['id']}"}
    held["comments"].append(made)
    return made


def edit_comment(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Change a comment."""
    found = one(held["comments"], id=int(path[-1]))
    require(held, caller, ("issues", "write"), *pulls_too(held, str(found["issue"]), "write"))
    found |= {"body": body(fields["body"]), "edits": found["edits"] + 1}
    return found


def pulls_too(held: State, number: str, level: str) -> list[tuple[str, str]]:
    """The permission that does as well where it is a pull request, or nobody's number."""
    return [] if any(issue["number"] == int(number) for issue in held["issues"]) else [("pull-requests", level)]


def thread(held: State, number: str) -> State:
    """The issue or the pull request of a number."""
    return one(held["issues"] + held["pulls"], number=int(number))
