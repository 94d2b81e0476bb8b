"""The champion of a git revision, as the opponent of the challenger."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from .lineage import find_champion


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
    with model_directory(champion, base) as directory:
        yield directory


def champion_digest(base: str) -> str | None:
    """The digest of the champion at a revision, None before the first."""
    return dvc.output_digest(paths.CHAMPION_POINTER, base)


@dataclass(frozen=True)
class ShadowModel:
    """A model that may run beside the champion."""

    name: str
    """As params.yaml has it."""
    digest: str
    revision: str
    path: Path
    """Where the revision has it."""

    @property
    def short(self) -> str:
        """The beginning of the digest, enough to name it."""
        return self.digest[:8]

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A directory that holds the model."""
        with model_directory(self.digest, self.revision, self.path) as directory:
            yield directory


def find_shadow(name: str) -> ShadowModel:
    """The model that `serving.shadow` names. Raises ProjectError where it is none, or the champion itself."""
    champion, _ = find_champion("champion")
    shadow = None
    if name.isdigit():
        earlier, _ = find_champion(name)
        shadow = ShadowModel(name, earlier.digest, earlier.commit or "HEAD", paths.CHAMPION)
    for revision in (name, f"origin/{name}"):
        if shadow is None and git.git_or_none("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"):
            for path in (paths.CHALLENGER, paths.CHAMPION_POINTER):
                digest = dvc.output_digest(path, revision)
                if digest and shadow is None:
                    shadow = ShadowModel(name, digest, revision, path.with_suffix(""))
    if shadow is None:
        raise ProjectError(f"serving.shadow names {name}, and no branch, commit or champion here is that: `git fetch`")
    if shadow.digest == champion.digest:
        raise ProjectError(f"serving.shadow names {name}, whose model is the champion itself: set it to null")
    return shadow


@contextmanager
def model_directory(digest: str, revision: str, path: Path = paths.CHAMPION) -> Iterator[Path]:
    """A directory that holds the model of a revision: the one that is here, where its files are that."""
    if path.is_dir() and directory_digest(path) == digest:
        yield path
        return
    from dvc.api import DVCFileSystem

    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "champion"
        try:
            DVCFileSystem(".", rev=revision).get(path.as_posix(), str(directory), recursive=True)
        except Exception as error:  # each storage raises errors of its own library
            raise ProjectError(
                f"the {path.name} of {revision} is neither here nor in the storage ({dvc.one_line(error)}): "
                "`push` it from the machine that made it"
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
