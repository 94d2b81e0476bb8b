"""The rows held in order of time, however their partitions overlap: a few partitions are in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from . import partitions


@dataclass(frozen=True)
class Stretch:
    """Partitions that overlap in time, or one alone: later than all before, earlier than all after."""

    parts: list[Path]
    first: pd.Timestamp
    last: pd.Timestamp
    rows: int


@dataclass(frozen=True)
class Timeline:
    """All rows held that have a moment."""

    stretches: list[Stretch]
    time: str

    @classmethod
    def held(cls, time: str) -> "Timeline":
        """That of the rows held. Raises ProjectError where there is none."""
        stretches: list[Stretch] = []
        for stretch in sorted(stretches_of(partitions.held(), time), key=lambda one: one.first):
            if stretches and stretch.first <= stretches[-1].last:
                before = stretches.pop()
                parts, last = [*before.parts, *stretch.parts], max(before.last, stretch.last)
                stretch = Stretch(parts, before.first, last, before.rows + stretch.rows)
            stretches.append(stretch)
        return cls(stretches, time)

    @property
    def newest(self) -> pd.Timestamp:
        """The latest moment."""
        return self.stretches[-1].last

    def moments(self, stretch: Stretch) -> "pd.Series[pd.Timestamp]":
        """Those of a stretch, in order, of shape (stretch.rows,)."""
        return partitions.read([self.time], stretch.parts)[self.time].dropna().sort_values(ignore_index=True)

    def rows_until(self, end: pd.Timestamp) -> int:
        """How many rows are no later."""
        count = 0
        for stretch in self.stretches:
            if stretch.last <= end:
                count += stretch.rows
            elif stretch.first <= end:
                count += int((self.moments(stretch) <= end).sum())
        return count

    def moment(self, place: int) -> pd.Timestamp:
        """That of the row at a place, from 0 on."""
        for stretch in self.stretches:
            if place < stretch.rows:
                return pd.Timestamp(self.moments(stretch).iloc[place])
            place -= stretch.rows
        raise IndexError(place)


def stretches_of(parts: list[Path], time: str) -> Iterator[Stretch]:
    """Each partition that has a moment as a stretch of its own."""
    for part in parts:
        span = partitions.span(part, time)
        if span.first is not None and span.last is not None:
            yield Stretch([part], span.first, span.last, span.rows)
