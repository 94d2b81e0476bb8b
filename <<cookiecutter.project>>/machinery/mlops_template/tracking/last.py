"""What was tracked last: where nothing came since, MLflow need not be loaded to say so."""

import json
from dataclasses import asdict, dataclass

from ..integrations.dvc import lock_digest
from ..integrations.revisions import champions, commit_of_working_tree
from ..settings import paths
from .store import server_uri


@dataclass(frozen=True)
class Tracked:
    """What `track` did. `champion` is its number in git's history, None where the store has none.

    The registry counts what it was told of: one that began later, as in a clone, has other numbers.
    """

    run: str
    new: bool
    store: str
    champion: int | None

    def __str__(self) -> str:
        line = f"MLflow run {self.run[:8]} {'written' if self.new else 'was there already'} ({self.store})"
        return line if self.champion is None else f"{line}, champion is version {self.champion}"


def last_tracked() -> Tracked | None:
    """What `track` did last, where it would find the same result, champions and store again."""
    try:
        content = json.loads(paths.TRACKED.read_text(encoding="utf-8"))
        return Tracked(**content["tracked"] | {"new": False}) if content["state"] == state() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing was tracked yet, or the machine went down while this was written


def remember(tracked: Tracked) -> None:
    """Keep what `track` did, for `last_tracked`."""
    content = {"state": state(), "tracked": asdict(tracked)}
    paths.TRACKED.parent.mkdir(parents=True, exist_ok=True)
    paths.TRACKED.write_text(json.dumps(content), encoding="utf-8")


def state() -> str:
    """All that `track` depends on; a database that was deleted, moved or copied is another one."""
    database = paths.TRACKING_DATABASE.stat() if paths.TRACKING_DATABASE.is_file() else None
    store = server_uri() or (str(paths.TRACKING_DATABASE.resolve()), database and database.st_ino)
    known = [(champion.number, champion.digest, champion.commit) for champion in champions()]
    return json.dumps([store, lock_digest(), commit_of_working_tree(), known])
