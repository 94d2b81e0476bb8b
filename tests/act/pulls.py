"""Pull requests: what `gh api` reaches below `pulls`, and the merge, whoever asks for it."""

from pathlib import Path as Folder
from typing import Any

from .fields import address, body, change, title
from .origin import WORKFLOWS, head, in_origin, merged, start
from .state import APP, BOT, Caller, Refused, State, folder, moment, next_number, one, require

Path = list[str]

NO_WORKFLOWS = "refusing to allow a GitHub App to create or update workflow without `workflows` permission"
"""As GitHub words it: https://github.com/orgs/community/discussions/35410."""


def repository(owner: str, name: str, fork: bool = False) -> State:
    """As events describe a repository."""
    return {
        "full_name": f"{owner}/{name}",
        "name": name,
        "owner": {"login": owner},
        "fork": fork,
        "default_branch": "main",
        "private": True,
        "html_url": f"https://github.com/{owner}/{name}",
    }


def made(held: State, owner: str, branch: str, actor: str, **texts: Any) -> State:
    """A new pull request of the owner's branch."""
    number = next_number(held)
    home, name = held["repository"].split("/")
    pull = {
        "number": number,
        "state": "open",
        "title": "A change",
        "body": None,
        "labels": [],
        "user": {"login": actor},
        "html_url": f"{address(held)}/pull/{number}",
        "created_at": moment(),
        "closed_at": None,
        "merged": False,
        "merge_commit_sha": None,
        "base": {"ref": "main", "repo": repository(home, name)},
        "head": {"ref": branch, "label": f"{owner}:{branch}", "repo": repository(owner, name, owner != home)},
    }
    held["pulls"].append(pull | texts)
    created: State = held["pulls"][-1]
    return created


def current(pull: State) -> State:
    """A pull request with the commit that its branch is at now; one whose branch is gone is closed."""
    return at(folder(), pull)


def at(folder: Folder, pull: State) -> State:
    """The same where this GitHub lies."""
    if pull["state"] == "open" and not pull["head"]["repo"]["fork"]:
        commit = head(folder, pull["head"]["ref"])
        if commit:
            pull["head"]["sha"] = commit
        else:
            pull |= {"state": "closed", "closed_at": moment()}
    return pull


def pulls(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """Pull requests, the open ones unless asked otherwise, the newest first."""
    require(held, caller, ("pull-requests", "read"))
    return [
        pull
        for pull in map(current, reversed(held["pulls"]))
        if fields.get("state", "open") in ("all", pull["state"])
        and fields.get("head", pull["head"]["label"]) == pull["head"]["label"]
        and fields.get("base", pull["base"]["ref"]) == pull["base"]["ref"]
    ]


def pull(held: State, caller: Caller, path: Path, fields: State) -> State:
    """One of them."""
    require(held, caller, ("pull-requests", "read"))
    found = current(one(held["pulls"], number=int(path[-1])))
    return found | {"mergeable": mergeable(folder(), found) if found["state"] == "open" else None}


def mergeable(folder: Folder, pull: State) -> bool:
    """Whether git can merge it."""
    try:
        in_origin(folder, "merge-tree", "--write-tree", f"refs/heads/{pull['base']['ref']}", pull["head"]["sha"])
    except Refused:
        return False
    return True


def commits(held: State, caller: Caller, path: Path, fields: State) -> list[State]:
    """The commits that a pull request brings, the first one first."""
    require(held, caller, ("pull-requests", "read"))
    found = current(one(held["pulls"], number=int(path[-2])))
    added = in_origin(folder(), "rev-list", "--reverse", f"refs/heads/{found['base']['ref']}..{found['head']['sha']}")
    return [{"sha": commit} for commit in added.split()]


def open_pull(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Ask for a branch to be merged."""
    require(held, caller, ("pull-requests", "write"))
    if not caller.app and not held["settings"]["actions_open_pull_requests"]:
        raise Refused("GitHub Actions is not permitted to create or approve pull requests.", 403)
    if fields.keys() - {"title", "head", "base", "body", "draft", "maintainer_can_modify"} or fields.get("draft"):
        raise Refused(f"this stand-in does not know the fields {fields}")
    owner = held["repository"].partition("/")[0]
    branch = fields["head"].removeprefix(f"{owner}:")
    problem = {"resource": "PullRequest", "code": "invalid"}
    tip = head(folder(), branch)
    for name in ("head", "base"):
        if head(folder(), fields[name].removeprefix(f"{owner}:")) is None:
            raise Refused("Validation Failed", 422, problem | {"field": name})
    texts = {"title": title(fields["title"]), "body": body(fields["body"]) if fields.get("body") else None}
    others = [pull["head"]["label"] for pull in map(current, held["pulls"]) if pull["state"] == "open"]
    if f"{owner}:{branch}" in others:
        said = f"A pull request already exists for {owner}:{branch}."
        raise Refused("Validation Failed", 422, problem | {"code": "custom", "message": said})
    if not in_origin(folder(), "rev-list", "-1", f"refs/heads/{fields['base']}..{tip}"):
        said = f"No commits between {fields['base']} and {branch}"
        raise Refused("Validation Failed", 422, problem | {"code": "custom", "message": said})
    opened = current(made(held, owner, branch, caller.actor, **texts))
    opened["base"]["ref"] = fields["base"]
    start(held, folder(), caller.actor, "pull_request", fields["base"], str(tip), action="opened")
    return opened


def edit_pull(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Change a pull request, or close it."""
    require(held, caller, ("pull-requests", "write"))
    found = current(one(held["pulls"], number=int(path[-1])))
    if found["merged"] and fields.get("state") == "open":
        raise Refused("Validation Failed", 422, {"resource": "PullRequest", "field": "state", "code": "invalid"})
    change(found, fields, {"title", "body", "state"})
    return found


def merge(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Merge a pull request, if its head is the one meant and no rule is in the way."""
    require(held, caller, ("contents", "write"))
    found = current(one(held["pulls"], number=int(path[-2])))
    if fields.keys() - {"merge_method", "sha", "commit_title", "commit_message"}:
        raise Refused(f"this stand-in does not know the fields {fields}")
    if fields.get("merge_method", "merge") == "rebase":
        raise Refused("this stand-in does not rebase: teach it in tests/act/pulls.py")
    said = (fields.get("commit_title"), fields.get("commit_message"))
    squash = fields.get("merge_method") == "squash"
    return merge_as(held, folder(), found, caller.actor, fields.get("sha"), squash, *said)


def merge_as(
    held: State,
    folder: Folder,
    pull: State,
    actor: str,
    sha: str | None = None,
    squash: bool = False,
    subject: str | None = None,
    text: str | None = None,
) -> State:
    """Merge, whoever asks. Raises Refused as GitHub does."""
    if pull["state"] != "open":
        raise Refused("Pull Request is not mergeable", 405)
    tip, base = pull["head"]["sha"], str(head(folder, pull["base"]["ref"]))
    if sha not in (None, tip):
        raise Refused("Head branch was modified. Review and try the merge again.", 409)
    if not mergeable(folder, pull):
        raise Refused("Pull Request is not mergeable", 405)
    ruled(held, tip)
    if not squash and not held["settings"]["allow_merge_commit"]:
        raise Refused("Merge commits are not allowed on this repository.", 405)
    subject = subject or f"Merge pull request #{pull['number']} from {pull['head']['label'].replace(':', '/')}"
    commit = merged(folder, base, tip, f"{subject}\n\n{pull['title'] if text is None else text}", actor, squash)
    update(held, folder, pull["base"]["ref"], base, commit, actor)
    pull |= {"state": "closed", "merged": True, "merged_by": actor, "merge_commit_sha": commit, "closed_at": moment()}
    return {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}


def merge_branch(held: State, caller: Caller, path: Path, fields: State) -> State | None:
    """Merge without a pull request: into a branch without rules, since the merge is a commit that nothing looked at."""
    require(held, caller, ("contents", "write"))
    base, tip = head(folder(), fields["base"]), head(folder(), fields["head"]) or fields["head"]
    if base is None:
        raise Refused("Base does not exist", 404)
    in_origin(folder(), "cat-file", "-e", f"{tip}^{{commit}}")
    if not in_origin(folder(), "rev-list", "-1", f"{base}..{tip}"):
        return None
    if fields["base"] == "main":
        ruled(held, "a commit that is not there yet", 409)
    try:
        commit = merged(folder(), base, tip, fields.get("commit_message") or f"Merge {tip} into {base}", caller.actor)
    except Refused:
        raise Refused("Merge conflict", 409) from None
    update(held, folder(), fields["base"], base, commit, caller.actor)
    return {"sha": commit}


def update(held: State, folder: Folder, branch: str, before: str, commit: str, actor: str) -> None:
    """Move a branch, if the token may bring what the commit brings."""
    if actor in (APP, BOT) and in_origin(folder, "diff", "--name-only", before, commit, "--", WORKFLOWS):
        raise Refused(NO_WORKFLOWS, 403)
    in_origin(folder, "update-ref", f"refs/heads/{branch}", commit, before)
    moved(held, folder, branch, before, commit, actor)


def moved(held: State, folder: Folder, branch: str, before: str | None, commit: str, actor: str) -> None:
    """Note what a branch that moved starts, and the pull requests that are merged with it."""
    start(held, folder, actor, "push", branch, commit, before=before)
    own = f"{held['repository'].partition('/')[0]}:{branch}"
    for pull in [pull for pull in held["pulls"] if at(folder, pull)["state"] == "open" and "sha" in pull["head"]]:
        base, tip = pull["base"]["ref"], pull["head"]["sha"]
        if pull["head"]["label"] == own:
            start(held, folder, actor, "pull_request", base, commit, action="synchronize")
        elif base == branch and not in_origin(folder, "rev-list", "-1", f"{commit}..{tip}"):
            pull |= {"state": "closed", "merged": True, "merged_by": actor, "merge_commit_sha": commit}
            pull["closed_at"] = moment()


def ruled(held: State, commit: str, status: int = 405) -> None:
    """Raises Refused where the branch's rule asks for more than the commit has.

    What a run that was started by hand found does not count: tried out in ThemeParks/ThemeParks_JavaScript#37.
    """
    rules = held["settings"]
    checks = [check for check in held["checks"] if check["event"] != "workflow_dispatch"]
    said = {entry["context"]: entry["state"] for entry in checks + held["statuses"] if entry["sha"] == commit}
    missing = [context for context in rules["required_contexts"] if said.get(context) != "success"]
    if len(missing) == 1:
        how = "failing" if said.get(missing[0]) in ("failure", "error") else "expected"
        raise Refused(f'Required status check "{missing[0]}" is {how}.', status)
    if missing:
        asked = len(rules["required_contexts"])
        raise Refused(f"{len(missing)} of {asked} required status checks are expected.", status)
    if rules["required_reviews"]:
        number = rules["required_reviews"]
        raise Refused(f"At least {number} approving review is required by reviewers with write access.", status)
