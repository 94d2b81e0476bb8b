"""The monitoring without the log: what was found where it is, as figures without rows, in the project's storage."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from ..champion.lineage import find_champion
from ..errors import ProjectError
from ..storage.beside import keep, kept
from .monitoring import Monitoring

FILE = "monitoring.json"
MAX_AGE = timedelta(days=2)
"""Of an export that is made every day."""


@dataclass(frozen=True)
class Exported:
    """What was found, and when."""

    at: datetime
    monitoring: Monitoring

    def late(self, now: datetime) -> str:
        """In words what is wrong with it, empty where nothing is."""
        age = now - self.at
        if age <= MAX_AGE:
            return ""
        return f"production was last looked at {age.days} days ago: `monitor --export` does not run any more"

    def superseded(self) -> str:
        """In words that it is of another model than the champion, as after a promotion; empty where it is not."""
        champion, _ = find_champion("champion")
        other = self.monitoring.champion
        if other.digest == champion.digest:
            return ""
        return (
            f"the export of {self.at:%Y-%m-%d} is of the model {other.short}, and champion {champion.number} has come "
            "since: `git pull` where the log is, then `monitor --export` again"
        )


def export(monitoring: Monitoring, now: datetime | None = None) -> str:
    """Keep what was found in the project's storage; gives where. It holds figures of days and windows, and no row."""
    record = asdict(Exported(now or datetime.now(UTC), monitoring))
    return keep(FILE, json.dumps(record, indent=1, default=datetime.isoformat) + "\n")


def imported() -> Exported:
    """What was kept last. Raises ProjectError where there is none, or it is of another version."""
    text = kept(FILE)
    if text is None:
        raise ProjectError(
            "the storage has no export of monitoring: `monitor --log … --export` where the log can be reached"
        )
    try:
        return TypeAdapter(Exported).validate_json(text)
    except ValidationError:
        raise ProjectError(f"{FILE} of the storage was written by another version: `monitor --export` again") from None
