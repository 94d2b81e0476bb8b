"""How often two equally good models are told apart by chance, and how large a difference is found with how many rows.

    uv run python benchmarks/levels.py [SIMULATIONS]

Each row of a table is so many simulated holdouts, judged as `compare` does: a paired bootstrap over days.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from mlops_template.evaluation.gates import difference
from mlops_template.evaluation.intervals import resamples
from mlops_template.training.metrics import metric_named
from mlops_template.training.scored import Scored
from scipy import stats
from threadpoolctl import threadpool_limits

DRAWS = 200


Holdout = tuple[Scored, Scored, np.ndarray]
"""What two models say of the same rows, and the block of each row."""


class Case(NamedTuple):
    """A kind of holdout: the metric, and two models of it that differ by a given amount of skill."""

    name: str
    metric: str
    make: Callable[[np.random.Generator, float], Holdout]


def binary(days: int, a_day: int, positives: int | None) -> Callable[..., Holdout]:
    """Scores normal in both classes, half of their noise that of the day; `positives` None: 40 % of the rows."""

    def make(random: np.random.Generator, gap: float) -> Holdout:
        rows = days * a_day
        truth = np.zeros(rows, dtype="int64")
        truth[random.choice(rows, positives or rows * 2 // 5, replace=False)] = 1
        apart = [np.sqrt(2) * stats.norm.ppf(auc) for auc in (0.7 + gap, 0.7)]

        def noise() -> np.ndarray:
            return (np.repeat(random.normal(size=days), a_day) + random.normal(size=rows)) / np.sqrt(2)

        centre = stats.norm.ppf(truth.mean())
        ours, theirs = (stats.norm.cdf(centre + d * (truth - 0.5) + noise()) for d in apart)
        return Scored("binary", truth, ours), Scored("binary", truth, theirs), np.repeat(np.arange(days), a_day)

    return make


def several(days: int, a_day: int, classes: int) -> Callable[..., Holdout]:
    """Classes of geometrically falling share, 0.7 of the one before."""

    def make(random: np.random.Generator, gap: float) -> Holdout:
        rows = days * a_day
        share = 0.7 ** np.arange(classes)
        truth = random.choice(classes, rows, p=share / share.sum())

        def predicted(skill: float) -> np.ndarray:
            scores = np.log(share) + skill * np.eye(classes)[truth] + random.normal(size=(rows, classes))
            return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

        ours, theirs = (Scored("multiclass", truth, predicted(1 + skill)) for skill in (gap, 0.0))
        return ours, theirs, np.repeat(np.arange(days), a_day)

    return make


def quantity(days: int, a_day: int, tail: str, unequal: bool = False) -> Callable[..., Holdout]:
    """Errors of which half the variance is that of the day; `tail`: normal, t (2 degrees of freedom) or lognormal."""
    draws: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
        "normal": lambda random, size: random.normal(size=size),
        "t": lambda random, size: random.standard_t(2, size=size),
        "lognormal": lambda random, size: np.exp(1.5 * random.normal(size=size)),
    }

    def make(random: np.random.Generator, gap: float) -> Holdout:
        sizes = np.full(days, a_day)
        if unequal:
            sizes = np.clip(a_day * random.pareto(1.2, size=days), 1, 50 * a_day).astype("int64")
        block = np.repeat(np.arange(days), sizes)

        def error() -> np.ndarray:
            return draws[tail](random, days)[block] + draws[tail](random, len(block))

        truth = np.zeros(len(block))
        theirs = Scored("regression", truth, error())
        return replace(theirs, prediction=(1 - gap) * error()), theirs, block

    return make


LEVELS = [
    *(Case(f"binary, {n} positives of 300 rows", "roc_auc", binary(60, 5, n)) for n in (3, 4, 5, 10, 20, 50)),
    *(Case(f"binary, {n} positives of 300 rows", "log_loss", binary(60, 5, n)) for n in (4, 5, 10, 20)),
    Case("binary, 10 positives of 300 rows", "average_precision", binary(60, 5, 10)),
    *(Case(f"binary, {days} days of 40 rows", "roc_auc", binary(days, 40, None)) for days in (3, 7, 28)),
    *(Case(f"{n} classes, 28 days of 40 rows", "log_loss", several(28, 40, n)) for n in (3, 20)),
    Case("20 classes, 28 days of 40 rows", "roc_auc", several(28, 40, 20)),
    *(
        Case(f"quantity, {tail} errors, 28 days", "mae", quantity(28, 20, tail))
        for tail in ("normal", "t", "lognormal")
    ),
    *(Case(f"quantity, lognormal errors, {days} days", "mae", quantity(days, 20, "lognormal")) for days in (3, 7)),
    *(
        Case(f"quantity, normal errors, {n} days of unequal size", "mae", quantity(n, 20, "normal", True))
        for n in (8, 28)
    ),
    Case("quantity, lognormal errors, 28 days", "rmse", quantity(28, 20, "lognormal")),
]

POWERS = [Case(f"binary, {days} days of 40 rows", "roc_auc", binary(days, 40, None)) for days in (7, 28, 90)] + [
    Case(f"binary, 28 days of 40 rows, {n} positives", "roc_auc", binary(28, 40, n)) for n in (20, 100)
]
GAPS = (0.01, 0.02, 0.05, 0.1)


def shown(case: Case, gap: float, simulations: int) -> float:
    """The share of simulated holdouts on which the challenger is better beyond noise."""
    passed = 0
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        ours, theirs, block = case.make(random, gap)
        metric = metric_named(case.metric, ours)
        delta = difference(metric, ours, theirs, block, resamples(block, DRAWS, seed))
        passed += delta.gain(metric.higher_is_better)[1] > 0
    return passed / simulations


def main() -> None:
    """Print both tables."""
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    error = 100 * np.sqrt(0.025 * 0.975 / simulations)
    with threadpool_limits(1):
        print(
            f"Of {simulations:,} pairs of equally good models each; the standard error of a level is {error:.1f} %.\n"
        )
        print("| holdout | metric | called better by chance |\n|---|---|---|")
        for case in LEVELS:
            print(f"| {case.name} | {case.metric} | {shown(case, 0.0, simulations):.1%} |", flush=True)
        print("\n| holdout | metric | " + " | ".join(f"better by {gap:g}" for gap in GAPS) + " |")
        print("|---|---|" + "---|" * len(GAPS))
        for case in POWERS:
            found = " | ".join(f"{shown(case, gap, simulations // 4):.0%}" for gap in GAPS)
            print(f"| {case.name} | {case.metric} | {found} |", flush=True)


if __name__ == "__main__":
    main()
