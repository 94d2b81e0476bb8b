"""The MLflow store as a view of git: every result and champion of main that the store does not hold yet."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..console.progress import progress
from ..integrations import git
from ..integrations.dvc import lock_digest, output_digest
from ..integrations.revisions import champions, commits_of, main_branch, pipeline_digests
from ..settings import paths
from ..storage.cache import bring, copy_out
from .registry import register_history
from .runs import NO_MODEL, log_result, result_of_commit
from .store import Store

MODEL, PLOTS = paths.CHALLENGER.as_posix(), paths.PLOTS.as_posix()


@dataclass(frozen=True)
class Backfill:
    """What `track --history` added, and what it could not."""

    results: int
    added: int
    champions: int
    without_model: int
    shallow: bool

    def __str__(self) -> str:
        line = f"{self.added} of {self.results} results of main logged, {self.champions} champions registered"
        if self.without_model:
            line += f"; {self.without_model} without their model, which is not in the storage"
        if self.shallow:
            line += "; this clone is shallow: `git fetch --unshallow` brings the rest of the history"
        return line


def log_history(store: Store) -> Backfill:
    """Log each commit of main that changed the pipeline's result, oldest first, and register its champions.

    Metrics and parameters come from git, models through DVC; a result whose model is in no storage is logged
    without it. What the store holds already is left alone.
    """
    main = main_branch()
    results = results_of(main)
    held = complete_results(store)
    missing = {lock: commit for lock, commit in results.items() if lock not in held}
    added, without_model = log_commits(store, missing)
    registered = register_history(store, champions(main))
    return Backfill(
        results=len(results),
        added=added,
        champions=sum(one.new for one in registered),
        without_model=without_model,
        shallow=git.git_or_none("rev-parse", "--is-shallow-repository") == "true",
    )


def results_of(revision: str) -> dict[str, str]:
    """The digest of each `dvc.lock` that a branch has had, with the commit that brought it, oldest first."""
    by_lock: dict[str, str] = {}
    for commit in commits_of(paths.LOCK, revision):
        lock = lock_digest(commit)
        if lock and output_digest(paths.CHALLENGER, commit):
            by_lock.setdefault(lock, commit)
    return by_lock


def complete_results(store: Store) -> set[str]:
    """The digests of the results that the store holds with their model and their commit."""
    committed = "attributes.status = 'FINISHED' and tags.`git.dirty` = 'false'"
    held: set[str] = set()
    token = None
    while True:
        page = store.client.search_runs([store.experiment], committed, page_token=token)
        held |= {run.data.tags["dvc.lock"] for run in page if run.data.tags.get("model") != NO_MODEL}
        token = page.token
        if not token:
            return held


def log_commits(store: Store, results: dict[str, str]) -> tuple[int, int]:
    """Log the results of commits: how many were new, and how many had no model to be found."""
    if not results:
        return 0, 0
    made = {commit: pipeline_digests(commit) for commit in results.values()}
    cache = bring(digests[path] for digests in made.values() for path in (MODEL, PLOTS) if path in digests)
    added = without_model = 0
    for lock, commit in progress(results.items(), len(results), "logging the history of main to MLflow"):
        with TemporaryDirectory() as scratch:
            root = Path(scratch)
            model = copy_out(cache, made[commit][MODEL], root / MODEL)
            copy_out(cache, made[commit].get(PLOTS, ""), root / PLOTS)
            _, new = log_result(store, result_of_commit(commit, lock, root, model))
        added += new
        without_model += model is None
    return added, without_model
