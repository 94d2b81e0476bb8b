"""Taking in fresh rows: the whole batch, or nothing of it and a report that says why."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..console.progress import progress
from ..settings import paths
from ..settings.params import Params
from . import known_files, partitions
from .contract import Contract, conform, refuse_gaps
from .incoming import Incoming, in_order
from .inspection import Inspection
from .row_ids import HeldIds
from .source_files import matching
from .sources import HeldRows, counts_equal, fresh


@dataclass(frozen=True)
class Ingested:
    """What was taken: `rows` in new partitions, none where nothing was fresh; `late` rows were left out."""

    rows: int
    late: int
    partitions: list[Path]
    window: tuple[pd.Timestamp, pd.Timestamp] | None

    def __str__(self) -> str:
        late = f"; {self.late:,} late rows (no newer than the newest held) were left out" if self.late else ""
        if not self.partitions:
            return f"no fresh data{late}"
        dates = f", {self.window[0]:%Y-%m-%d} to {self.window[1]:%Y-%m-%d}" if self.window else ""
        first, *others = (path.as_posix() for path in self.partitions)
        more = f" and {len(others)} more, up to {others[-1]}" if others else ""
        return f"took {self.rows:,} rows{dates} into {first}{more}{late}"


def ingest(params: Params, contract: Contract) -> Ingested:
    """Take the source's fresh rows, or raise BatchRejected after writing `reports/refused.md`.

    About `partitions.ROWS` are in memory at a time, and eight bytes of each row held and taken.
    """
    columns = params.columns
    refuse_gaps(columns, contract)
    partitions.sweep()
    files = versions(params)
    before = {} if counts_equal(columns) else known_files.read_before(columns)
    unchanged = frozenset(path for path, (name, version) in files.items() if version and before.get(name) == version)
    held = HeldRows(partitions.newest(columns.time), HeldIds(partitions.files(), columns.id), unchanged)
    inspection = Inspection(params, contract, held)
    late = 0
    with partitions.scratch() as folder:
        incoming = Incoming(folder, columns, contract)
        for batch in progress(fresh(params, contract, held), None, f"parts of {partitions.ROWS:,} rows looked at"):
            late += batch.late
            if batch.rows.empty:
                continue
            rows = conform(batch.rows.reset_index(drop=True), contract)
            inspection.look_at(rows)
            if not inspection.found:
                incoming.add(rows)
        inspection.end(incoming.files)
        parts = progress(incoming.parts(), None, "partitions written")
        new = partitions.add_all(parts, columns.time) if inspection.rows else []
    paths.REFUSED.unlink(missing_ok=True)
    if not new:
        return Ingested(0, late, [], None)
    if files:
        known_files.remember({name: version for name, version in files.values() if version}, columns)
    return Ingested(inspection.rows, late, new, window(new, columns.time))


def versions(params: Params) -> dict[str, tuple[str, str | None]]:
    """The files of the source: path → (name in the list of known files, version)."""
    if params.data.source != "files" or not params.data.files:
        return {}
    return {
        path: (known_files.name_of_file(path), known_files.version_of(path)) for path in matching(params.data.files)
    }


def window(new: list[Path], time: str | None) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The first and the last moment of new partitions, None without any."""
    if time is None:
        return None
    first, last = partitions.span(new[0], time).first, partitions.span(new[-1], time).last
    return (first, last) if first is not None and last is not None else None


def accept(rows: pd.DataFrame, params: Params, contract: Contract, held: HeldRows) -> pd.DataFrame:
    """Rows with the contract's types, in order of time. Raises BatchRejected when any rule is broken."""
    inspection = Inspection(params, contract, held)
    conforming = conform(rows.reset_index(drop=True), contract)
    inspection.look_at(conforming)
    inspection.end()
    return in_order(conforming, params.columns)
