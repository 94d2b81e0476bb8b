"""The champion of a git revision, as the opponent of the challenger."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..errors import ProjectError
from ..evaluation.comparison import Comparison, Evaluation, recorded_comparison
from ..integrations import dvc, git
from ..integrations.digests import directory_digest
from ..integrations.revisions import commit_of_result, pipeline_digests
from ..settings import paths
from ..settings.params import Params
from ..storage import cache, storage


def compare_with_champion(params: Params, base: str, record: bool = True) -> Comparison | None:
    """Compare the challenger with the champion that the revision `base` points to, or with the baseline.

    None where they are the same bytes; the record is left as it is then, and always without `record`.
    """
    base = git.known(base)
    challenger, champion = challenger_digest(), champion_digest(base)
    if champion == challenger:
        return None
    recorded = recorded_comparison(challenger, champion, params)
    if recorded:
        return recorded
    from ..evaluation.compare import compare

    with opponent(champion, base) as directory:
        return compare(params, challenger, champion, directory, record, partial(evaluation, champion, base))


def challenger_digest() -> str:
    """The digest of the challenger. Raises ProjectError when none was trained."""
    digest = dvc.output_digest(paths.CHALLENGER)
    if digest is None:
        raise ProjectError("there is no challenger to compare: `run` trains one")
    return digest


@contextmanager
def opponent(champion: str | None, base: str) -> Iterator[Path | None]:
    """The directory of the champion of a revision (None: there is none), and all else that comparing reads."""
    missing = [path for path in (paths.CHALLENGER, paths.TRAIN, paths.HOLDOUT) if not path.exists()]
    if missing:
        storage.pull(*missing)
    if champion is None:
        yield None
        return
    with champion_directory(champion, base) as directory:
        yield directory


def champion_digest(base: str) -> str | None:
    """The digest of the champion at a revision, None before the first."""
    return dvc.output_digest(paths.CHAMPION_POINTER, base)


@contextmanager
def champion_directory(digest: str, revision: str) -> Iterator[Path]:
    """A directory that holds the champion of a revision: the one that is here, where its files are that."""
    if paths.CHAMPION.is_dir() and directory_digest(paths.CHAMPION) == digest:
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


def evaluation(champion: str | None, revision: str) -> Evaluation:
    """What is kept of the evaluation of a champion, from the commit, at or before a revision, that made it."""
    if champion is None:
        return Evaluation()
    commit = commit_of_result(champion, revision)
    if commit is None and git.deepen(revision):
        commit = commit_of_result(champion, revision)
    if commit is None:
        return Evaluation()
    digest = pipeline_digests(commit).get(paths.PREDICTIONS.as_posix(), "")
    file = cache.bring([digest]) / cache.key(digest)
    metrics = json.loads(git.show(commit, paths.METRICS) or "null")
    return Evaluation(file if digest and file.is_file() else None, metrics)
