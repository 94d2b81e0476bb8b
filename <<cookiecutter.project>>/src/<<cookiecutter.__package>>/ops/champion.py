"""The champion of a git revision, as the opponent of the challenger."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import paths
from ..errors import ProjectError
from ..model.compare import Comparison, compare
from ..params import Params
from . import dvc, git


def compare_with_champion(params: Params, base: str) -> Comparison | None:
    """Compare the challenger with the champion that the revision `base` points to, or with the baseline.

    None where they are the same bytes; the record is left as it is then.
    """
    challenger = dvc.output_digest(paths.CHALLENGER)
    if challenger is None or not paths.CHALLENGER.is_dir():
        raise ProjectError("there is no challenger to compare: `run` trains one, `pull` fetches the one of this commit")
    champion = champion_digest(base)
    if champion is None:
        return compare(params, challenger, None, None)
    if champion == challenger:
        return None
    with champion_directory(champion, base) as directory:
        return compare(params, challenger, champion, directory)


def champion_digest(base: str) -> str | None:
    """The digest of the champion at a revision, None before the first. A repository without a commit has none."""
    if git.answers("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        if git.head() is None:
            return None
        raise ProjectError(
            f"no commit is named {base}: give a branch, tag or commit (a shallow clone knows only its own)"
        )
    return dvc.output_digest(paths.CHAMPION_POINTER, base)


@contextmanager
def champion_directory(digest: str, revision: str) -> Iterator[Path]:
    """A directory that holds the champion of a revision: the checked-out one where it is the same."""
    if paths.CHAMPION.is_dir() and dvc.output_digest(paths.CHAMPION_POINTER) == digest:
        yield paths.CHAMPION
        return
    from dvc.api import DVCFileSystem

    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "champion"
        try:
            DVCFileSystem(".", rev=revision).get(paths.CHAMPION.as_posix(), str(directory), recursive=True)
        except Exception as error:  # each storage raises errors of its own library
            raise ProjectError(
                f"the champion of {revision} is neither here nor in the storage ({dvc.one_line(error)}): "
                "`push` it from the machine that promoted it"
            ) from error
        yield directory
