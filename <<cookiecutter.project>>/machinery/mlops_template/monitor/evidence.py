"""What production itself says about retraining: by the outcomes that are known, else by what predictions let expect."""

import os
from datetime import UTC, datetime, timedelta

from ..champion.decision import Signal
from ..errors import ProjectError
from ..settings.params import Params
from .exported import imported
from .monitor import monitor
from .monitoring import Monitoring, Window
from .show import date, shown

REASON = "live"


def evidence(params: Params, log: str, now: datetime | None = None) -> Signal | None:
    """The evidence of the log of predictions at `log`, else of the last export, None where there is neither.

    A log that cannot be read is told, and keeps no retraining from being decided.
    """
    try:
        if log:
            return judged(monitor(params, log), params.retrain.triggers.decay)
        if os.environ.get("MONITORING") != "exported":
            return None
        exported = imported()
    except ProjectError as error:
        return Signal(REASON, False, f"not measured: {error}")
    unfit = exported.late(now or datetime.now(UTC)) or exported.superseded()
    if unfit:
        return Signal(REASON, False, f"not measured: {unfit}")
    return judged(exported.monitoring, params.retrain.triggers.decay)


def judged(monitoring: Monitoring, wanted: bool) -> Signal:
    """A reason where the predictions have become worse by more than chance, and decay is one at all."""
    worse = [problem for problem in monitoring.open if problem.of_performance]
    figure = performance(monitoring)
    if worse:
        figure += f"; worse by more than chance since {date(min(problem.since for problem in worse))}"
    elif monitoring.judged_days:
        figure += "; no worse than by chance"
    return Signal(REASON, wanted and bool(worse), figure)


def performance(monitoring: Monitoring) -> str:
    """The primary metric of the latest window in which it is known, or estimated where it is known in none."""
    promoted = f"{shown(monitoring.promoted)} when promoted"
    for window in reversed(monitoring.windows):
        if window.real and window.real.value is not None:
            outcomes = f"{window.known:,} outcomes of {stretch(window)}"
            return f"{monitoring.metric} {shown(window.real)} by {outcomes}, {promoted}"
    for window in reversed(monitoring.windows):
        if window.estimated and window.estimated.value is not None:
            rows = f"{window.rows:,} predictions of {stretch(window)}, no outcome known"
            return f"{monitoring.metric} about {shown(window.estimated)}, estimated from {rows}, {promoted}"
    return f"not measured: no window of production has rows enough, {monitoring.metric} {promoted}"


def stretch(window: Window) -> str:
    """Its first and its last day."""
    return f"{date(window.begin)} to {date(window.end - timedelta(microseconds=1))}"
