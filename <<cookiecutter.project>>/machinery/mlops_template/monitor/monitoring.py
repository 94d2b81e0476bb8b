"""What is known of a champion in production, as it is shown and acted on."""

from dataclasses import dataclass, field
from datetime import datetime

from ..integrations.revisions import Champion
from .traffic import ServiceLevel


@dataclass(frozen=True)
class Value:
    """A metric with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Window:
    """A stretch of production."""

    begin: datetime
    end: datetime
    """Exclusive."""
    rows: int
    known: int
    """Rows whose outcome was told."""
    real: Value | None
    """The primary metric of those."""
    estimated: Value | None
    """The primary metric of all rows, as the predictions let one expect it."""
    service: ServiceLevel


@dataclass(frozen=True)
class Drifted:
    """A column in the latest window."""

    column: str
    importance: float
    distance: float
    """Total variation distance from the nearest stretch of the reference: 0 is alike, 1 has nothing in common."""
    usual: float
    """What it is for as many days of the reference, in the middle."""
    missing: float
    new: float
    """Shares of the rows."""
    distances: list[float | None]
    """In each window, the latest last; None without rows."""
    psi: float = 0.0
    """The population stability index of the latest window against the whole reference; no alarm stands on it."""

    @property
    def rank(self) -> float:
        """What matters most comes first: what is unusual, by how much the model stands on it."""
        return max(self.distance - self.usual, 0.0) * (self.importance + 0.01)


@dataclass(frozen=True)
class Sliced:
    """A part of the rows of the latest window with outcomes enough."""

    name: str
    rows: int
    """With outcomes."""
    real: Value
    promoted: Value | None
    """The primary metric of that part of the rows that the champion was promoted on; None where these are too few."""


@dataclass(frozen=True)
class Version:
    """A model that predicted in the latest window, among others."""

    name: str
    rows: int
    known: int
    """Rows whose outcome was told."""
    real: Value | None
    """The primary metric of those."""


@dataclass(frozen=True)
class Problem:
    """An alarm in words: what changed, since when."""

    since: datetime
    figures: list[str]
    over: datetime | None
    of_performance: bool = False
    """Whether the predictions have become worse, and not only the rows others."""


@dataclass(frozen=True)
class Monitoring:
    """All that is known of the champion in production."""

    champion: Champion
    metric: str
    promoted: Value | None
    """The primary metric on the rows that it was promoted on."""
    reference_days: int
    judged_days: int
    """Days that are over and have rows enough."""
    windows: list[Window]
    """The latest last."""
    drifted: list[Drifted]
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)
    slices: list[Sliced] = field(default_factory=list)
    """What became worst, first."""
    versions: list[Version] = field(default_factory=list)
    """Where several models predicted in the latest window; the one with most rows first."""

    @property
    def open(self) -> list[Problem]:
        """The problems that last."""
        return [problem for problem in self.problems if problem.over is None]
