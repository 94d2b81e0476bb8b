"""A batch against the contract, part by part: what breaks a rule anywhere refuses the whole."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..errors import ProjectError
from ..settings import paths
from ..settings.params import Params
from . import partitions
from .contract import EXAMPLES, Contract, Violation, check, violation
from .refusal import write_refusal
from .sources import GENERATED_ID, HeldRows
from .uniqueness import not_unique

CHANCE = 1e-6
"""A batch less probable than this is taken for a fault of the feed."""


class BatchRejected(ProjectError):
    """A batch broke the contract; nothing of it was taken."""


class Inspection:
    """What was found wrong with a batch so far.

    Attributes
    ----------
    rows : how many were looked at
    found : every rule that they break, by column and rule
    """

    def __init__(self, params: Params, contract: Contract, held: HeldRows) -> None:
        self.params, self.contract, self.held = params, contract, held
        self.rows = 0
        self.found: dict[tuple[str, str], Violation] = {}
        self.one_class: Violation | None = None
        self.classes: set[object] = set()

    def look_at(self, rows: pd.DataFrame) -> None:
        """Check some rows of the batch, which are as `conform` leaves them."""
        id_column = self.params.columns.id
        for one in check(rows, self.contract, id_column):
            self.note(one)
        for column, broken, rule in self.beyond_the_contract(rows):
            if broken.any():
                self.note(violation(rows, broken, id_column, column, rule))
        self.look_at_classes(rows)
        self.rows += len(rows)

    def note(self, one: Violation) -> None:
        """Add what breaks a rule to what broke it before."""
        before = self.found.get((one.column, one.rule))
        if before:
            together = [*before.examples, *one.examples][:EXAMPLES]
            one = replace(one, rows=before.rows + one.rows, examples=together)
        self.found[one.column, one.rule] = one

    def beyond_the_contract(self, rows: pd.DataFrame) -> list[tuple[str, "pd.Series[bool]", str]]:
        """What no rule of the contract tells: ids held already or repeated, no target, moments that have not come."""
        columns = self.params.columns
        found: list[tuple[str, pd.Series[bool], str]] = []
        if columns.id in rows:
            ids = rows[columns.id]
            found.append((columns.id, pd.Series(self.held.has(ids), index=rows.index), "is held already"))
            if not self.contract.columns[columns.id].unique:
                found.append((columns.id, ids.duplicated(keep=False) & ids.notna(), "is unique"))
        if columns.target in rows and self.contract.columns[columns.target].nullable:
            found.append((columns.target, rows[columns.target].isna(), "is not null"))
        if columns.time in rows and pd.api.types.is_datetime64_any_dtype(rows[columns.time]):
            tomorrow = pd.Timestamp.now("UTC").tz_localize(None) + pd.Timedelta(days=1)
            found.append((str(columns.time), rows[columns.time] > tomorrow, "is not in the future"))
        return found

    def look_at_classes(self, rows: pd.DataFrame) -> None:
        """Keep the classes of the target, as long as there is one only."""
        columns = self.params.columns
        if self.params.task != "classification" or columns.target not in rows or len(self.classes) > 1:
            return
        target = rows[columns.target]
        self.classes |= set(target.dropna().unique()[:2])
        if self.one_class is None:
            self.one_class = violation(rows, target.notna(), columns.id, columns.target, "has two classes or more")

    def end(self, parts: Sequence[Path] = ()) -> None:
        """Raise BatchRejected, after writing `reports/refused.md`, when any rule is broken.

        `parts`: the files in which the rows lie, where they are more than were looked at in one go.
        """
        if len(parts) > 1 and not self.found:
            self.look_for_repeated(parts)
        target = self.params.columns.target
        if self.one_class and len(self.classes) == 1 and (target, "is not null") not in self.found:
            (value,) = self.classes
            if one_class_by_mistake(target, value, self.rows):
                self.note(replace(self.one_class, rows=self.rows))
        if not self.found:
            return
        violations = list(self.found.values())
        title = f"A batch of {self.rows:,} rows was refused"
        write_refusal(title, "Nothing of it was taken. Fix the source, or the rule, and `ingest` again.", violations)
        first = violations[0]
        more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
        raise BatchRejected(
            f"the batch of {self.rows:,} rows was refused: {first.column} {first.rule} ({first.rows:,} rows){more}; "
            f"see {paths.REFUSED.as_posix()}, then fix the source or contract.yaml"
        )

    def look_for_repeated(self, parts: Sequence[Path]) -> None:
        """What is to be unique, over all parts; ids made from content are numbered when they are laid down."""
        rules = self.contract.columns
        unique = [name for name, rule in rules.items() if rule.unique or name == self.params.columns.id]
        for name in unique:
            if name != GENERATED_ID:
                for one in not_unique(parts, name, "is unique"):
                    self.note(one)


def one_class_by_mistake(target: str, value: object, rows: int) -> bool:
    """Whether so many rows have a single class though, by the rows held, chance would hardly ever do that."""
    parts = partitions.files()
    if not parts:
        return True
    alike = held = 0
    for part in parts:
        values = partitions.read([target], [part])[target]
        alike, held = alike + int((values == value).sum()), held + len(values)
    return float(alike / held) ** rows < CHANCE
