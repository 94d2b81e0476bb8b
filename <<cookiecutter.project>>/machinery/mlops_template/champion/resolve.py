"""After a merge with conflicts: take the results of one side, which `run` makes again, and leave the rest to people."""

from ..errors import ProjectError
from ..integrations.git import branch, git, git_or_none
from ..settings import paths
from ..settings.project import load_project

RESULTS = [path.as_posix() for path in (paths.LOCK, paths.CHAMPION_POINTER, paths.REPORTS)]
MADE = [*RESULTS, paths.RAW_POINTER.as_posix()]
"""What nobody writes by hand."""


def unmerged() -> list[str]:
    """The files that a merge left in conflict, in order; none where there is no repository."""
    listed = git_or_none("ls-files", "--unmerged", "-z") or ""
    return sorted({entry.partition("\t")[2] for entry in listed.split("\0") if entry})


def refuse_unmerged() -> None:
    """Raise ProjectError where a merge left files in conflict."""
    files = unmerged()
    if not files:
        return
    shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    name = "PROJECT" if "pyproject.toml" in files else load_project().name
    raise ProjectError(f"a merge left conflicts in {shown}: `uv run {name} resolve` settles what no person writes")


def resolve() -> str:
    """Put the results of the side of `main` in place of those in conflict. Returns lines that say what is left to do.

    Both sides' results are of other data, code or parameters than the merge will have, so neither is right. Where both
    took in data, the rows of the side of `main` stand.
    """
    files = unmerged()
    if not files:
        return "nothing is in conflict"
    kept = side_of_main()
    made = [file for file in files if is_below(file, MADE)]
    there = [path for path in (*RESULTS, *made) if git_or_none("cat-file", "-e", f"{kept}:{path}") is not None]
    if made and there:
        git("checkout", kept, "--", *dict.fromkeys(there))
    gone = [file for file in made if file in unmerged()]
    if gone:
        git("rm", "--quiet", "--force", "--", *gone)
    left = [file for file in files if file not in made]
    lines = [f"taken from {'HEAD' if kept == 'HEAD' else 'what is merged'}: {', '.join(made)}"] if made else []
    if paths.RAW_POINTER.as_posix() in made:
        lines.append("the rows that only the other side took in come again with `ingest`")
    if left:
        lines.append(f"yours to edit, then to `git add`: {', '.join(left)}")
    lines.append("next: `pull`, `run`, then `git commit`" if made else "next: `git commit`")
    return "\n".join(lines)


def side_of_main() -> str:
    """The commit of the two whose results are kept: where `main` is merged into a branch that which comes in."""
    coming = git_or_none("rev-parse", "--verify", "--quiet", "MERGE_HEAD")
    return coming if coming and branch() != "main" else "HEAD"


def is_below(file: str, places: list[str]) -> bool:
    """Whether a file is one of these, or lies in one."""
    return any(file == place or file.startswith(f"{place}/") for place in places)
