"""Three trees made into one by git's own merge, without touching the index, the working tree or any branch."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..integrations.git import GitError, environment, git, git_or_none, identity
from ..integrations.process import capture, find

MACHINERY = "machinery"
PIPELINE = "dvc.yaml"


@dataclass(frozen=True)
class Merged:
    """The merged tree; where there are conflicts it holds git's markers, and `stages` is what `update-index` takes."""

    tree: str
    conflicts: list[str]
    stages: str
    machinery: str
    """What became of the machinery: `unchanged`, `replaced`, `merged`, or `elsewhere` where it is no folder here."""


def merge(base: str, theirs: str, ours: str) -> Merged:
    """Merge what changed from `base` to `theirs` into `ours`; each is a tree.

    The machinery is replaced whole where ours is as it was delivered, so that nothing in it can conflict. Where ours
    has none, since it is installed from an index or a tag, it stays out.
    """
    there, here = entry(theirs, MACHINERY), entry(ours, MACHINERY)
    if here is None:
        machinery = "elsewhere"
        base, theirs = (without_machinery(tree) for tree in (base, theirs))
    else:
        delivered = entry(base, MACHINERY)
        machinery = "unchanged" if there == delivered else "replaced" if here in (delivered, there) else "merged"
        if machinery == "replaced" and there:
            base, ours = (with_folder(tree, MACHINERY, there) for tree in (base, ours))
    root = commit(base)
    tree, conflicts, stages = merge_tree(commit(ours, root), commit(theirs, root))
    return Merged(tree, conflicts, stages, machinery)


def merge_tree(ours: str, theirs: str) -> tuple[str, list[str], str]:
    """(the merged tree, the files in conflict, their stages) of two commits with a common parent."""
    options = ["-c", "merge.directoryRenames=true", "-c", "merge.conflictStyle=merge"]
    command = [find("git"), *options, "merge-tree", "--write-tree", "-z", "--messages", ours, theirs]
    done = capture(command, env=environment(), errors="surrogateescape")
    if done.code not in (0, 1):
        said = done.err.encode(errors="surrogateescape").decode(errors="replace").strip()
        raise GitError(f"`git merge-tree` failed: {said}: git 2.38 or newer is needed")
    fields = done.out.split("\0")
    tree, stages, conflicts = fields[0], [], list[str]()
    for field in fields[1:]:
        if not field:
            break  # what follows are messages
        stages.append(field)
        name = field.partition("\t")[2]
        if name not in conflicts:
            conflicts.append(name)
    removed = [f"0 {'0' * 40}\t{name}" for name in conflicts]
    return tree, conflicts, "".join(f"{line}\0" for line in [*removed, *stages])


def commit(tree: str, *parents: str) -> str:
    """A commit that no branch knows."""
    options = [option for parent in parents for option in ("-p", parent)]
    return git(*identity(), "commit-tree", tree, *options, "-m", "update")


def entry(tree: str, name: str) -> str | None:
    """The tree or blob of a name within a tree, None where there is none."""
    return git_or_none("rev-parse", "--verify", "--quiet", f"{tree}:{name}")


def without_machinery(tree: str) -> str:
    """A tree without the folder, and without its files among the dependencies of the stages."""
    pipeline = git_or_none("show", f"{tree}:{PIPELINE}")
    if pipeline is not None:
        tree = with_file(tree, PIPELINE, re.sub(rf"^ +- {MACHINERY}/.*\n", "", f"{pipeline}\n", flags=re.MULTILINE))
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        git("read-tree", tree, index=index)
        git("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", MACHINERY, index=index)
        return git("write-tree", index=index)


def with_folder(tree: str, name: str, folder: str) -> str:
    """A tree with another folder in the place of one of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        git("read-tree", tree, index=index)
        git("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", name, index=index)
        git("read-tree", f"--prefix={name}/", folder, index=index)
        return git("write-tree", index=index)


def with_file(tree: str, name: str, text: str) -> str:
    """A tree in which a file has this text."""
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        git("read-tree", tree, index=index)
        blob = git("hash-object", "-w", "--stdin", stdin=text)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", index=index)
        return git("write-tree", index=index)
