"""The performance of stretches of production, real and estimated, and how the columns were distributed in them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ..data.drift import index_of
from ..evaluation.evaluate import with_interval
from ..evaluation.intervals import resamples
from ..settings.params import Params
from ..training.scored import Array, Scored
from .baseline import Baseline, sliced
from .champion_view import ScoredRows, together
from .figures import MIN_ROWS, nearest, usual_distance
from .judge import Tally
from .monitoring import Drifted, Sliced, Value, Window
from .traffic import service_of

MAX_WINDOWS = 26
"""That are told, the latest ones."""

DAY = timedelta(days=1)


def edges_of(days: int, length: int) -> list[tuple[int, int]]:
    """(first day, last day exclusive) of the windows, the latest last; the first of all may be shorter."""
    first = days % length
    edges = [*([0] if first else []), *range(first, days + 1, length)]
    return list(pairwise(edges))[-MAX_WINDOWS:]


def windows_of(
    engine: sa.Engine,
    digest: str,
    days: list[datetime],
    scored: list[list[ScoredRows]],
    edges: list[tuple[int, int]],
    baseline: Baseline,
    n_bootstrap: int,
) -> Iterator[Window]:
    """The windows with these edges; `scored` has the parts of each day, for the model of that digest."""
    for low, high in edges:
        parts = [(place, one) for place in range(low, high) for one in scored[place]]
        begin, end = days[low], days[high - 1] + DAY
        service = service_of(engine, digest, begin, end)
        if not parts:
            yield Window(begin, end, 0, 0, None, None, service)
            continue
        rows, known = together([one.scored for _, one in parts]), np.concatenate([one.known for _, one in parts])
        block = np.concatenate([np.full(one.rows, place) for place, one in parts])
        features = np.concatenate([one.features for _, one in parts])
        estimator = baseline.estimator if len(known) >= MIN_ROWS else None
        yield Window(
            begin,
            end,
            len(known),
            int(known.sum()),
            real(baseline, rows[known], block[known], n_bootstrap),
            estimator.estimate(rows, features) if estimator else None,
            service,
        )


def real(baseline: Baseline, scored: Scored, block: Array, n_bootstrap: int) -> Value | None:
    """The metric of rows with outcomes; None where they are too few."""
    if len(scored.truth) < MIN_ROWS:
        return None
    block = np.unique(block, return_inverse=True)[1]
    return Value(**with_interval(baseline.metric, scored, block, resamples(block, n_bootstrap)))


def slices_of(
    params: Params, scored: list[list[ScoredRows]], edges: list[tuple[int, int]], baseline: Baseline
) -> list[Sliced]:
    """The slices of the latest window whose rows have outcomes enough, what became worst first."""
    for low, high in reversed(edges):
        parts = [(place, one) for place in range(low, high) for one in scored[place] if one.slices is not None]
        if sum(one.known.sum() for _, one in parts) < MIN_ROWS:
            continue
        rows = together([one.scored[one.known] for _, one in parts])
        block = np.concatenate([np.full(one.known.sum(), place) for place, one in parts])
        slices = pd.concat([one.slices[one.known] for _, one in parts if one.slices is not None], ignore_index=True)
        by_day = np.unique(block, return_inverse=True)[1]
        by_slice = sliced(params, baseline.metric, rows, by_day, slices)
        listed = [Sliced(name, count, real, baseline.slices.get(name)) for name, (count, real) in by_slice.items()]
        return sorted(listed, key=lambda one: -worse_by(baseline, one))
    return []


def worse_by(baseline: Baseline, one: Sliced) -> float:
    """By how much a slice became worse; what cannot be told comes last."""
    if one.promoted is None or one.promoted.value is None or one.real.value is None:
        return float("-inf")
    lost = one.promoted.value - one.real.value
    return lost if baseline.metric.higher_is_better else -lost


def drifted(baseline: Baseline, counted: Tally, edges: list[tuple[int, int]], length: int) -> list[Drifted]:
    """The columns in the latest window of so many days, what matters most first."""
    reference, moved = baseline.reference, []
    for name, usual in reference.counts.items():
        by_window = np.array([counted.counts[name][low:high].sum(axis=0) for low, high in edges])
        totals = by_window.sum(axis=1)
        distances = nearest(by_window / np.maximum(totals, 1)[:, None], reference.pools.of(usual))
        latest, total = by_window[-1], max(totals[-1], 1)
        moved.append(
            Drifted(
                column=name,
                importance=reference.importance.get(name, 0.0),
                distance=float(distances[-1]),
                usual=float(np.nan_to_num(usual_distance(usual, reference.pools, length))),
                missing=float(latest[-1] / total),
                new=float(latest[-2] / total),
                psi=index_of(usual.sum(axis=0), latest)[0],
                distances=[float(one) if rows else None for one, rows in zip(distances, totals, strict=True)],
            )
        )
    return sorted(moved, key=lambda one: -one.rank)
