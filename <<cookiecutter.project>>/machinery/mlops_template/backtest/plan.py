"""What is to be trained when, and on which rows: row numbers only, of the history in order of time.

Here it is decided what would have been known at a moment: rows older than it by the label delay. Nothing else
of the backtest decides on rows to train on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ..data.split import holdout
from ..errors import ProjectError
from ..settings.params import Params
from .history import History

NEVER, ALL = "never", "all"
CADENCES = {
    "hourly": pd.DateOffset(hours=1),
    "daily": pd.DateOffset(days=1),
    "weekly": pd.DateOffset(weeks=1),
    "monthly": pd.DateOffset(months=1),
    "quarterly": pd.DateOffset(months=3),
    "yearly": pd.DateOffset(years=1),
}

MORE = "bring more data: `ingest`, or `--all` for all that the source has"

MAX_BY_DEFAULT = 45
"""Retrainings of a cadence that nobody asked for by name."""

MOST = 1000
"""Retrainings of one cadence; more of them are taken for a slip of the pen."""


@dataclass(frozen=True)
class Policy:
    """How often the model is retrained, and on how much of the past."""

    cadence: str
    window: str

    def __str__(self) -> str:
        if self.cadence == NEVER:
            return NEVER
        often = self.cadence if self.cadence in CADENCES else f"every {written(self.cadence)}"
        return f"{often} on all data" if self.window == ALL else f"{often} on the last {written(self.window)}"


@dataclass(frozen=True)
class Retraining:
    """At `moment`: trained on rows [start, stop), compared on [stop, known), serving from row `serves` on."""

    moment: pd.Timestamp
    start: int
    stop: int
    known: int
    serves: int


@dataclass(frozen=True)
class Plan:
    """The first model, which every policy begins with, and what each policy retrains after it."""

    start: pd.Timestamp
    first: Retraining
    policies: dict[Policy, list[Retraining]]

    @property
    def ends(self) -> dict[tuple[int, int], int]:
        """For each training (start, stop): the row up to which predictions are sure to be needed."""
        needed: dict[tuple[int, int], int] = {}
        for retrainings in self.policies.values():
            last = Retraining(self.start, 0, 0, 0, -1)
            for this, after in pairwise([self.first, *retrainings, last]):
                key = this.start, this.stop
                needed[key] = max(needed.get(key, 0), np.iinfo(np.int64).max if after is last else after.serves)
        return needed


def plan(history: History, params: Params, cadences: list[str], windows: list[str], begin: str | None) -> Plan:
    """Every policy's retrainings. Without cadences, windows or a beginning, those that suit the history.

    Raises ProjectError when there is too little history for what was asked, or rows to train on are missing.
    """
    times = history.times
    first_day, last = pd.Timestamp(times[0]), pd.Timestamp(times[-1])
    start = default_start(first_day, last, params) if begin is None else day(begin)
    if not first_day < start <= last:
        raise ProjectError(
            f"the backtest would begin at {start:%Y-%m-%d}, but the rows are of {first_day:%Y-%m-%d} to "
            f"{last:%Y-%m-%d}: choose a day between with --from, or {MORE}"
        )
    chosen = list(dict.fromkeys(cadences)) or default_cadences(start, last)
    stretches = list(dict.fromkeys(windows)) or [ALL, f"{max((start - first_day).round('D').days, 1)} days"]
    asked = [Policy(cadence, window) for cadence in chosen if cadence != NEVER for window in stretches]
    first = retraining(history, params, start, ALL)
    policies: dict[Policy, list[Retraining]] = {Policy(NEVER, ALL): []}
    for policy in asked:
        retrainings_of_policy = [
            retraining(history, params, moment, policy.window) for moment in moments(policy.cadence, start, last)
        ]
        # As in production: nothing new, nothing to retrain.
        policies[policy] = [
            this for before, this in pairwise([first, *retrainings_of_policy]) if this.known > before.known
        ]
        if not policies[policy]:
            raise ProjectError(
                f"{policy}: no retraining fits between {start:%Y-%m-%d} and {last:%Y-%m-%d}: ask for a shorter "
                f"--cadence, begin earlier with --from, or {MORE}"
            )
    refuse_useless(history, "the first model", [first])
    for policy, retrainings in policies.items():
        refuse_useless(history, str(policy), retrainings)
    return Plan(start, first, policies)


def retraining(history: History, params: Params, moment: pd.Timestamp, window: str) -> Retraining:
    """What would be trained at a moment from what is known then, split as the pipeline does."""
    count = int(history.before(moment - pd.Timedelta(params.data.label_delay)))
    stop = start = 0
    if count:
        rows = pd.DataFrame({str(params.columns.time): history.times[:count]})
        stop = count - int(holdout(rows, params).sum())
    if window != ALL and 0 < stop < len(history.times):
        start = history.before(pd.Timestamp(history.times[stop]) - stretch(window, "--window"))
    return Retraining(moment, start, stop, count, history.before(moment))


def moments(cadence: str, start: pd.Timestamp, last: pd.Timestamp) -> list[pd.Timestamp]:
    """When the model is retrained, after the first time at `start`."""
    step = CADENCES[cadence] if cadence in CADENCES else stretch(cadence, "--cadence")
    planned: list[pd.Timestamp] = []
    while (moment := start + step * (len(planned) + 1)) <= last:
        planned.append(moment)
        if len(planned) > MOST:
            raise ProjectError(f"--cadence {cadence}: more than {MOST:,} retrainings: ask for a longer one")
    return planned


def day(text: str) -> pd.Timestamp:
    """A day, or a moment. Raises ProjectError when it is none."""
    try:
        return pd.Timestamp(text)
    except ValueError:
        raise ProjectError(f"--from {text!r} is no day such as 2013-04-01") from None


def stretch(text: str, option: str) -> pd.Timedelta:
    """A stretch of time such as `90 days` or `90d`. Raises ProjectError when it is none."""
    try:
        length = pd.Timedelta(text)
    except ValueError:
        length = pd.Timedelta(0)
    if not length > pd.Timedelta(0):
        names = f"{NEVER}, {', '.join(CADENCES)}" if option == "--cadence" else ALL
        raise ProjectError(f"{option} {text!r} is neither one of {names} nor a stretch of time such as '30 days'")
    return length


def written(text: str) -> str:
    """A stretch of time in words."""
    length = pd.Timedelta(text)
    if length % pd.Timedelta(days=1):
        return str(length)
    return "day" if length.days == 1 else f"{length.days} days"


def default_start(first: pd.Timestamp, last: pd.Timestamp, params: Params) -> pd.Timestamp:
    """A quarter of the history or twice the holdout, whichever is more; the first of a month that is near."""
    size = params.split.holdout
    least = 2 * pd.Timedelta(size) if isinstance(size, str) else pd.Timedelta(0)
    wanted = first + max((last - first) / 4, least + pd.Timedelta(params.data.label_delay))
    month = (wanted + pd.Timedelta(days=15)).normalize().replace(day=1)
    return month if abs(month - wanted) < (last - first) / 20 else wanted.floor("h")


def default_cadences(start: pd.Timestamp, last: pd.Timestamp) -> list[str]:
    """The two finest that give a handful of retrainings but not too many."""
    counts = {name: (last - start) / ((start + step) - start) for name, step in CADENCES.items()}
    suited = [name for name, count in counts.items() if 2 <= count <= MAX_BY_DEFAULT]
    if not suited:
        raise ProjectError(
            f"only {start:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} are left to score, too few periods: begin "
            f"earlier with --from, or {MORE}"
        )
    return [NEVER, *suited[1::-1]]


def refuse_useless(history: History, who: str, retrainings: Iterable[Retraining]) -> None:
    """Raise ProjectError when a training would have no rows or a single class."""
    for this in retrainings:
        lacks = None
        if this.stop <= this.start:
            lacks = "no rows to train on"
        elif history.classes and len(np.unique(history.truth[this.start : this.stop])) < 2:
            lacks = "rows of one class only to train on"
        if lacks:
            raise ProjectError(
                f"{who}, {this.moment:%Y-%m-%d}: there are {lacks}: begin later "
                "with --from, or choose a longer --window"
            )


def periods(start: pd.Timestamp, last: pd.Timestamp, least: int = 6) -> list[pd.Timestamp]:
    """The beginnings of the periods in which results are shown: the coarsest that are `least` or more."""
    suited = [name for name, step in CADENCES.items() if (last - start) / ((start + step) - start) > least - 1]
    name = suited[-1] if suited else next(iter(CADENCES))
    return [start, *moments(name, start, last)]
