"""A file that is kept in the project's storage by its name, beside data and models, and replaced as a whole.

Where the storage is a branch of this repository, the file has a branch of its own with a single commit.
"""

from ..integrations import dvc
from ..integrations.git import branch_at_origin, git, git_or_none, has_origin, identity, move_at_origin, run
from .storage import is_branch


def keep(name: str, content: str) -> str:
    """Keep the file; gives where. Raises ProjectError where the storage cannot be reached or refuses."""
    if not is_branch():
        dvc.write_beside(name, content.encode())
        return f"{dvc.storage_url()}/{name}"
    branch = branch_of(name)
    blob = git("hash-object", "-w", "--stdin", stdin=content)
    tree = git("mktree", stdin=f"100644 blob {blob}\t{name}\n")
    commit = git(*identity(), "commit-tree", tree, "-m", f"Keep {name}")
    if not has_origin():
        git("update-ref", f"refs/heads/{branch}", commit)
        return f"the branch {branch}"
    move_at_origin(branch, branch_at_origin(branch), commit)
    return f"the branch {branch} at origin"


def kept(name: str) -> str | None:
    """The file, None where there is none."""
    if not is_branch():
        content = dvc.read_beside(name)
        return None if content is None else content.decode()
    branch = branch_of(name)
    if not has_origin():
        there = git_or_none("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    elif git_or_none("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"refs/heads/{branch}") is None:
        # A job without credentials: what its checkout has fetched of all branches.
        there = git_or_none("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{branch}")
    else:
        there = git("rev-parse", "FETCH_HEAD")
    return run("show", f"{there}:{name}") if there else None


def branch_of(name: str) -> str:
    """The branch that holds a file: its name without an ending."""
    return name.partition(".")[0]
