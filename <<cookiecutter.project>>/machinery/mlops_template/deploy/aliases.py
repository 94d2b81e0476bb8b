"""What the model registry of an MLflow server says of a deployment: `challenger` under way, `champion` in production.

The embedded store is a view of git, which knows of no deployment: nothing is recorded there.
"""

from collections.abc import Callable

from ..champion.lineage import find_champion
from ..errors import ProjectError
from ..integrations import actions
from ..integrations.revisions import Champion
from ..tracking.backfill import log_history
from ..tracking.registry import Registered, register, versions
from ..tracking.store import Store, TrackingUnavailable, open_store, server_uri

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"


def under_way(version: str) -> str:
    """Have a version of the champion on the server, logged if it is not there yet, under the alias `challenger`."""
    return on_server(version, put_under_way)


def in_production(version: str) -> str:
    """Production runs it: it becomes `champion`, and the one that was champion `previous`."""
    return on_server(version, put_in_production)


def taken_back(version: str) -> str:
    """It was rolled back: `champion` means what it meant before, and `challenger` nothing."""
    return on_server(version, take_back)


def on_server(version: str, change: Callable[[Store, int], str]) -> str:
    """Change the aliases of the version that belongs to a champion, where there is a server.

    One that is down keeps no champion from production, and none from going back.
    """
    if not server_uri():
        return "not recorded: MLFLOW_TRACKING_URI names no server"
    champion, _ = find_champion(version)
    try:
        with open_store() as store:
            return change(store, registered(store, champion))
    except TrackingUnavailable as error:
        actions.error(f"MLflow does not know of it: {error}")
        return f"not recorded: {error}"


def registered(store: Store, champion: Champion) -> int:
    """The version of a champion. What of main is not on the server yet is logged before."""
    registration = version_of(store, champion)
    if registration.version is None:
        log_history(store)
        registration = version_of(store, champion)
    if registration.version is None:
        raise ProjectError(
            f"the model of champion {champion.number} is in no storage: `push` it from where it was trained"
        )
    return registration.version


def version_of(store: Store, champion: Champion) -> Registered:
    """The version of a champion, made if its model is there."""
    held = versions(store)
    return register(store, champion, held, after=int(held[-1].version) - 1 if held else 0)


def put_under_way(store: Store, version: int) -> str:
    """Point `challenger` at a version."""
    store.client.set_registered_model_alias(store.project, CHALLENGER, str(version))
    return f"version {version} of {store.project} is `{CHALLENGER}` in MLflow"


def put_in_production(store: Store, version: int) -> str:
    """Point `champion` at a version, and `previous` at the one before."""
    before = aliases(store).get(CHAMPION)
    store.client.set_registered_model_alias(store.project, CHAMPION, str(version))
    if before is not None and int(before) != version:
        store.client.set_registered_model_alias(store.project, PREVIOUS, str(before))
    withdraw(store, version)
    return f"version {version} of {store.project} is `{CHAMPION}` in MLflow"


def take_back(store: Store, version: int) -> str:
    """Let go of what did not stay, and say what is `champion`."""
    withdraw(store, version)
    now = aliases(store).get(CHAMPION)
    return f"version {version} of {store.project} was taken back; `{CHAMPION}` in MLflow is version {now or 'none'}"


def withdraw(store: Store, version: int) -> None:
    """Take the alias `challenger` away, if it is this version's."""
    if str(aliases(store).get(CHALLENGER)) == str(version):
        store.client.delete_registered_model_alias(store.project, CHALLENGER)


def aliases(store: Store) -> dict[str, str]:
    """What each alias points to."""
    versions: dict[str, str] = store.client.get_registered_model(store.project).aliases
    return versions
