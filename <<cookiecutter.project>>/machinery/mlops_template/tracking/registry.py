"""The champions in MLflow's model registry: a version for each, the aliases `champion` and `previous`.

Git says who is champion; the embedded registry repeats it. On a server the aliases say what production runs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..integrations.revisions import Champion, champions
from ..settings import paths
from .store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

DIGEST = paths.CHAMPION.as_posix()
"""The tag of a version that holds the digest of its model."""


@dataclass(frozen=True)
class Registered:
    """The version of a champion, None where its model is not in the store."""

    champion: Champion
    version: int | None
    new: bool


def register_champion(store: Store) -> Registered | None:
    """Register the champion of the working tree if it is not the newest version yet, and move the aliases.

    None when there is no champion. Where the store does not hold its model, `track --history` brings it. On a
    server the aliases mean what production runs: there only a deployment moves them.
    """
    promoted = champions()
    if not promoted:
        return None
    held = versions(store)
    newest = int(held[-1].version) if held else 1
    registered = register(store, promoted[-1], held, after=newest - 1)
    if registered.version and store.embedded:
        before = [int(version.version) for version in held if int(version.version) < registered.version]
        move_aliases(store, registered.version, current_alias(store, before, registered.version))
    return registered


def register_history(store: Store, promoted: list[Champion]) -> list[Registered]:
    """Register the champions that are missing, in their order; the embedded store's aliases move to the last two."""
    held, after, all_registered = versions(store), 0, []
    for champion in promoted:
        registered = register(store, champion, held, after)
        all_registered.append(registered)
        after = registered.version or after
        if registered.new:
            held = versions(store)
    numbers = [registered.version for registered in all_registered if registered.version]
    if numbers and store.embedded:
        move_aliases(store, numbers[-1], numbers[-2] if len(numbers) > 1 else None)
    return all_registered


def register(store: Store, champion: Champion, held: list["ModelVersion"], after: int) -> Registered:
    """The version of one champion: that of its commit, or one of its model above `after`, else a new one."""
    same = [version for version in held if version.tags.get(DIGEST) == champion.digest]
    of_commit = [version for version in same if version.tags.get("git.commit") == champion.commit]
    for version in [*of_commit, *(version for version in same if int(version.version) > after)]:
        if champion.commit and version.tags.get("git.dirty") == "true":
            for name, value in origin(champion).items():
                store.client.set_model_version_tag(store.project, version.version, name, value)
        return Registered(champion, int(version.version), new=False)
    run = run_of_model(store, champion.digest)
    if run is None:
        return Registered(champion, None, new=False)
    return Registered(champion, create_version(store, champion, run), new=True)


def create_version(store: Store, champion: Champion, run: "Run") -> int:
    """A new version whose source is the model of the run that trained it."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.get_registered_model(store.project)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        store.client.create_registered_model(store.project)
    source = run.data.tags["model"]
    tags = {
        DIGEST: champion.digest,
        **{name: run.data.tags[name] for name in (paths.RAW.as_posix(), "params", "dvc.lock")},
        **origin(champion),
    }
    model = source.rpartition("/")[2]
    made = store.client.create_model_version(store.project, source, run.info.run_id, tags, model_id=model)
    return int(made.version)


def origin(champion: Champion) -> dict[str, str]:
    """Tags that name the commit that promoted, dirty as long as there is none, and the champion's number in git."""
    commit = {"git.commit": champion.commit or "none", "git.dirty": str(champion.commit is None).lower()}
    return commit | {"champion.number": str(champion.number)}


def run_of_model(store: Store, digest: str) -> "Run | None":
    """The newest finished run that holds the model of a digest."""
    runs = store.client.search_runs(
        [store.experiment],
        f"tags.`{paths.CHALLENGER.as_posix()}` = '{digest}' and tags.model LIKE 'models:/%' "
        "and attributes.status = 'FINISHED'",
        max_results=1,
    )
    return runs[0] if runs else None


def versions(store: Store) -> list["ModelVersion"]:
    """All registered versions with their tags, oldest first."""
    listed: list[ModelVersion] = []
    token = None
    while True:
        page = store.client.search_model_versions(f"name = '{store.project}'", page_token=token)
        listed += page
        token = page.token
        if not token:
            return sorted(listed, key=lambda version: int(version.version))


def current_alias(store: Store, before: list[int], champion: int) -> int | None:
    """Which version becomes `previous` when another becomes champion: the one that was champion until now."""
    aliases = {} if not before else store.client.get_registered_model(store.project).aliases
    last = aliases.get("champion")
    if last is None:
        return before[-1] if before else None
    return int(last) if int(last) != champion else None


def move_aliases(store: Store, champion: int, previous: int | None) -> None:
    """Point the aliases at these versions; without a previous one that alias stays as it is."""
    store.client.set_registered_model_alias(store.project, "champion", str(champion))
    if previous is not None:
        store.client.set_registered_model_alias(store.project, "previous", str(previous))
