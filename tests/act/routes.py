"""The paths that `gh api` may ask for, and who answers."""

import re
from collections.abc import Callable
from typing import Any

from . import conversations, pages, pulls, releases
from .origin import WORKFLOWS, dispatched, head, in_origin
from .state import Caller, Refused, State, folder, require

STATES = ("error", "failure", "pending", "success")
Path = list[str]


def repository(held: State, caller: Caller, path: Path, fields: State) -> State:
    """The repository itself, which every token may see."""
    settings = held["settings"]
    found = pulls.repository(*held["repository"].split("/"))
    return found | {"has_issues": True, "allow_merge_commit": settings["allow_merge_commit"]}


def status(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Set a commit's status."""
    require(held, caller, ("statuses", "write"))
    if fields.get("state") not in STATES or len(fields.get("description") or "") > 140:
        raise Refused(f"Validation Failed: {fields}")
    in_origin(folder(), "cat-file", "-e", f"{path[-1]}^{{commit}}")
    held["statuses"].append({"sha": path[-1], "context": "default"} | fields)
    set_now: State = held["statuses"][-1]
    return set_now


def runs(held: State, caller: Caller, path: Path, fields: State) -> State:
    """The runs of a workflow, the newest first; `status` may be that or the conclusion."""
    workflow(held, caller, path[:-1], {})
    found = [
        run
        for run in sorted(held["runs"], key=lambda run: run["created_at"], reverse=True)
        if run["path"] == f"{WORKFLOWS}/{path[-2]}"
        and fields.get("status", run["status"]) in (run["status"], run["conclusion"])
        and fields.get("branch", run["head_branch"]) == run["head_branch"]
        and fields.get("event", run["event"]) == run["event"]
    ]
    return {"total_count": len(found), "workflow_runs": page(found, fields)}


def workflow(held: State, caller: Caller, path: Path, fields: State) -> State:
    """A workflow, and whether GitHub still starts it."""
    require(held, caller, ("actions", "read"))
    file = f"{WORKFLOWS}/{path[-1]}"
    try:
        in_origin(folder(), "cat-file", "-e", f"refs/heads/main:{file}")
    except Refused:
        raise Refused("Not Found", 404) from None
    known = held["workflows"].get(path[-1], {})
    return {"path": file, "state": "active", "created_at": held["created_at"]} | known


def dispatch(held: State, caller: Caller, path: Path, fields: State) -> None:
    """Start a workflow."""
    require(held, caller, ("actions", "write"))
    held["dispatches"].append(dispatched(folder(), path[-2], fields["ref"], fields.get("inputs", {})))


def delete_branch(held: State, caller: Caller, path: Path, fields: State) -> None:
    """Delete a branch."""
    require(held, caller, ("contents", "write"))
    branch = "/".join(path[5:])
    if head(folder(), branch) is None:
        raise Refused("Reference does not exist")
    in_origin(folder(), "update-ref", "-d", f"refs/heads/{branch}")


def page(found: list[Any], fields: State) -> list[Any]:
    """As many as GitHub gives at once: 30, unless asked for more, up to 100."""
    size, number = min(int(fields.get("per_page", 30)), 100), int(fields.get("page", 1))
    return found[size * (number - 1) : size * number]


Answer = Callable[[State, Caller, Path, State], Any]
PAGES = frozenset({"per_page", "page"})
ROUTES: dict[tuple[str, str], tuple[Answer, frozenset[str]]] = {
    ("GET", "repos/REPO"): (repository, frozenset()),
    ("GET", "repos/REPO/pulls"): (pulls.pulls, PAGES | {"state", "head", "base"}),
    ("POST", "repos/REPO/pulls"): (pulls.open_pull, frozenset()),
    ("GET", "repos/REPO/pulls/*"): (pulls.pull, frozenset()),
    ("PATCH", "repos/REPO/pulls/*"): (pulls.edit_pull, frozenset()),
    ("PUT", "repos/REPO/pulls/*/merge"): (pulls.merge, frozenset()),
    ("GET", "repos/REPO/pulls/*/commits"): (pulls.commits, PAGES),
    ("POST", "repos/REPO/merges"): (pulls.merge_branch, frozenset()),
    ("GET", "repos/REPO/issues"): (conversations.issues, PAGES | {"state", "labels", "creator"}),
    ("POST", "repos/REPO/issues"): (conversations.open_issue, frozenset()),
    ("GET", "repos/REPO/issues/*"): (conversations.issue, frozenset()),
    ("PATCH", "repos/REPO/issues/*"): (conversations.edit_issue, frozenset()),
    ("POST", "repos/REPO/issues/*/labels"): (conversations.label, frozenset()),
    ("DELETE", "repos/REPO/issues/*/labels/*"): (conversations.unlabel, frozenset()),
    ("GET", "repos/REPO/issues/*/comments"): (conversations.comments, PAGES),
    ("POST", "repos/REPO/issues/*/comments"): (conversations.comment, frozenset()),
    ("PATCH", "repos/REPO/issues/comments/*"): (conversations.edit_comment, frozenset()),
    ("POST", "repos/REPO/statuses/*"): (status, frozenset()),
    ("GET", "repos/REPO/actions/workflows/*"): (workflow, frozenset()),
    ("GET", "repos/REPO/actions/workflows/*/runs"): (runs, PAGES | {"status", "branch", "event"}),
    ("POST", "repos/REPO/actions/workflows/*/dispatches"): (dispatch, frozenset()),
    ("GET", "repos/REPO/releases"): (releases.releases, PAGES),
    ("POST", "repos/REPO/releases"): (releases.make, frozenset()),
    ("PATCH", "repos/REPO/releases/*"): (releases.edit, frozenset()),
    ("POST", "repos/REPO/pages/deployments"): (pages.deploy, frozenset()),
    ("GET", "repos/REPO/pages/deployments/*"): (pages.deployment, frozenset()),
    ("DELETE", "repos/REPO/git/refs/heads/**"): (delete_branch, frozenset()),
}
"""What answers, and the parameters that a GET may carry."""


def ask(held: State, caller: Caller, method: str, path: str, fields: State, everything: bool = False) -> Any:
    """The answer. Raises Refused where this GitHub would refuse, or does not know."""
    for (known, pattern), (answer, parameters) in ROUTES.items():
        if known == method and re.fullmatch(pattern.replace("**", ".+").replace("*", "[^/]+"), path):
            unknown = fields.keys() - parameters
            if method == "GET" and unknown:
                raise Refused(f"this stand-in does not know the parameters {unknown}: teach it in tests/act/routes.py")
            found = answer(held, caller, path.split("/"), fields)
            return page(found, fields) if isinstance(found, list) and method == "GET" and not everything else found
    raise Refused(f"this stand-in does not know {method} {path}: teach it in tests/act/routes.py", 404)
