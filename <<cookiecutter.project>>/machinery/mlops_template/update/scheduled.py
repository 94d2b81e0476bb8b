"""`ci update`: a newer version of the template as a pull request, which a person merges."""

from collections.abc import Callable

from ..integrations import gh
from ..integrations.git import GitError, git, git_or_none
from ..integrations.issues import close_alert, note, open_alert, pulls_forbidden
from ..settings.params import Params
from ..settings.project import load_project
from ..settings.record import FILE, load_record
from .update import Updated, update

KEY = "template-update"
MAX_LENGTH = 60_000
"""Characters of a summary. The text of a pull request holds 65,536."""


def propose_update(params: Params, say: Callable[[str], None]) -> str:
    """Open a pull request with the newest version of the template; where that cannot be done, an issue says why.

    A version is proposed once: one whose pull request was closed is not proposed again. The working tree stays as it
    was. Returns a line that says what was done. Raises ProjectError where GitHub cannot be asked.
    """
    if params.update.automation == "manual":
        return "update.automation is manual: nothing is proposed"
    if load_record(git_or_none("show", f"HEAD:{FILE}")).template is None:
        return "the project was made from a directory: nothing is proposed; `update --template URL` updates by hand"
    with gh.required() as repository:
        branch = git("branch", "--show-current")
        start = [branch] if branch else ["--detach", git("rev-parse", "HEAD")]
        updated = update(None, None, {}, lambda question, default: None, say)
        if updated.branch is None:
            close_alert(KEY, updated.text)
            return updated.text
        try:
            return propose(repository, updated)
        finally:
            git("reset", "--hard", "--quiet")
            git("switch", "--quiet", *start)
            git("branch", "--quiet", "-D", updated.branch)


def propose(repository: gh.Repository, updated: Updated) -> str:
    """Push the branch and open its pull request, unless there is or was one."""
    branch, command = str(updated.branch), f"uv run {load_project().name} update"
    owner = repository.name.partition("/")[0]
    pulls = repository.get(f"/pulls?state=all&head={owner}:{branch}")
    if pulls:
        return f"version {updated.version} was proposed already: {pulls[0]['html_url']} ({pulls[0]['state']})"
    title = f"Update to version {updated.version} of the template"
    if updated.conflicts:
        names = ", ".join(f"`{name}`" for name in updated.conflicts)
        return alert(f"{title} meets your changes", f"It conflicts with what you changed in {names}: run `{command}`.")
    if not git("ls-remote", "--heads", "origin", f"refs/heads/{branch}"):
        try:
            git("push", "--quiet", "--no-verify", "origin", f"{branch}:refs/heads/{branch}")
        except GitError as error:
            if "workflow" not in str(error):
                raise
            return alert(
                f"{title} needs a person",
                "It changes workflow files, which the token of a job may not push. Run "
                f"`{command}` and push its branch, or set up the GitHub App of docs/retraining.md.",
            )
    try:
        body = f"```\n{updated.text[:MAX_LENGTH].replace('```', '')}\n```"
        pull = repository.tell("POST", "/pulls", head=branch, base="main", title=title, body=body)
    except gh.GitHubError as refused:
        if refused.status != 403:
            raise
        return alert(
            f"{title} waits for its pull request",
            f"The update is on the branch `{branch}`. {pulls_forbidden(repository, branch)}",
        )
    close_alert(KEY, f"Proposed: {pull['html_url']}")
    return f"proposed version {updated.version}: {pull['html_url']}"


def alert(title: str, text: str) -> str:
    """Open the issue about the update, or bring it up to date."""
    return open_alert(KEY, title, [note("update", text)])
