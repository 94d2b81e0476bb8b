"""Taking in fresh rows: the whole batch as one partition, or nothing of it and a report that says why."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import ProjectError
from ..settings import paths
from ..settings.params import Params
from . import partitions
from .contract import Contract, Violation, check, conform, refuse_gaps, violation
from .refusal import write_refusal
from .sources import FreshRows, HeldRows, fresh

CHANCE = 1e-6
"""A batch less probable than this is taken for a fault of the feed."""


class BatchRejected(ProjectError):
    """A batch broke the contract; nothing of it was taken."""


@dataclass(frozen=True)
class Ingested:
    """What was taken: `rows` in a new partition, none where nothing was fresh; `late` rows were left out."""

    rows: int
    late: int
    partition: Path | None
    window: tuple[pd.Timestamp, pd.Timestamp] | None

    def __str__(self) -> str:
        late = f"; {self.late:,} late rows (no newer than the newest held) were left out" if self.late else ""
        if self.partition is None:
            return f"no fresh data{late}"
        dates = f", {self.window[0]:%Y-%m-%d} to {self.window[1]:%Y-%m-%d}" if self.window else ""
        return f"took {self.rows:,} rows{dates} into {self.partition.as_posix()}{late}"


def ingest(params: Params, contract: Contract) -> Ingested:
    """Take the source's fresh rows, or raise BatchRejected after writing `reports/refused.md`."""
    columns = params.columns
    refuse_gaps(columns, contract)
    held = HeldRows(partitions.newest(columns.time), lambda: partitions.held_ids(columns.id))
    batch = fresh(params, contract, held)
    if batch.rows.empty:
        paths.REFUSED.unlink(missing_ok=True)
        return Ingested(0, batch.late, None, None)
    rows = accept(batch, params, contract, held)
    partition = partitions.add(rows, columns.time)
    paths.REFUSED.unlink(missing_ok=True)
    window = (rows[columns.time].min(), rows[columns.time].max()) if columns.time else None
    return Ingested(len(rows), batch.late, partition, window)


def accept(batch: FreshRows, params: Params, contract: Contract, held: HeldRows) -> pd.DataFrame:
    """The rows with the contract's types, in order of time. Raises BatchRejected when any rule is broken."""
    columns = params.columns
    rows = conform(batch.rows.reset_index(drop=True), contract)
    violations = check(rows, contract, columns.id) + check_batch(rows, params, contract, held)
    if violations:
        title = f"A batch of {len(rows):,} rows was refused"
        write_refusal(title, "Nothing of it was taken. Fix the source, or the rule, and `ingest` again.", violations)
        first = violations[0]
        more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
        raise BatchRejected(
            f"the batch of {len(rows):,} rows was refused: {first.column} {first.rule} ({first.rows:,} rows){more}; "
            f"see {paths.REFUSED.as_posix()}, then fix the source or contract.yaml"
        )
    return rows.sort_values([columns.time, columns.id], ignore_index=True) if columns.time else rows


def check_batch(rows: pd.DataFrame, params: Params, contract: Contract, held: HeldRows) -> list[Violation]:
    """What no single column tells: ids held already, several classes, moments that have not come yet."""
    columns = params.columns
    violations = []
    if columns.id in rows:
        ids = rows[columns.id]
        repeated = ids.isin(held.ids())
        if repeated.any():
            violations.append(violation(rows, repeated, columns.id, columns.id, "is held already"))
        twice = ids.duplicated(keep=False) & ids.notna()
        if twice.any() and not contract.columns[columns.id].unique:
            violations.append(violation(rows, twice, columns.id, columns.id, "is unique"))
    if columns.target in rows:
        missing = rows[columns.target].isna()
        if missing.any():
            if contract.columns[columns.target].nullable:
                violations.append(violation(rows, missing, columns.id, columns.target, "is not null"))
        elif params.task == "classification" and one_class_by_mistake(rows[columns.target]):
            every = rows[columns.target].notna()
            violations.append(violation(rows, every, columns.id, columns.target, "has two classes or more"))
    if columns.time in rows and pd.api.types.is_datetime64_any_dtype(rows[columns.time]):
        ahead = rows[columns.time] > pd.Timestamp.now("UTC").tz_localize(None) + pd.Timedelta(days=1)
        if ahead.any():
            violations.append(violation(rows, ahead, columns.id, str(columns.time), "is not in the future"))
    return violations


def one_class_by_mistake(target: pd.Series) -> bool:
    """Whether a batch has a single class though, by the rows held, chance would hardly ever do that."""
    if target.nunique() > 1:
        return False
    if not partitions.files():
        return True
    held = partitions.read([str(target.name)])[str(target.name)]
    return float((held == target.iloc[0]).mean()) ** len(target) < CHANCE
