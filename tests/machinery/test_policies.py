"""The policies let through what they are to stop no more often than they say, though the rows of a day are alike."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation.gates import LEVEL, champion_gate, difference, slice_differences
from mlops_template.evaluation.intervals import CHANCE, blocks, resamples
from mlops_template.settings.params import Gates, Params
from mlops_template.training.metrics import metric_named
from mlops_template.training.scored import Scored
from scipy import stats
from threadpoolctl import threadpool_limits

SEEDS = 200
A_DAY = 40
MARGIN = 0.05

Task = Literal["regression", "binary"]


def at_most(share: float) -> int:
    """How many of the seeds, when each has that chance; more come about once in a hundred times."""
    return int(stats.binom.ppf(0.99, SEEDS, share))


def answers(task: Task, gap: float, days: int, random: np.random.Generator) -> tuple[Scored, Scored]:
    """A challenger whose metric over all days there could be is worse than the champion's by exactly `gap`.

    Half of the variance of each answer's noise is that of its day. The mean absolute error of normal noise is
    sqrt(2 / pi) of its scale; scores that are normal in both classes, d apart, have an AUC of Phi(d / sqrt(2)).
    """
    rows = days * A_DAY

    def noise() -> np.ndarray:
        of_the_day = np.repeat(random.normal(size=days), A_DAY)
        return (of_the_day + random.normal(size=rows)) / np.sqrt(2)

    if task == "regression":
        truth = random.normal(size=rows)
        scales = 1 + gap / np.sqrt(2 / np.pi), 1.0
        ours, theirs = (Scored(task, truth, truth + scale * noise()) for scale in scales)
    else:
        truth = (random.random(rows) < 0.4).astype("int64")
        apart = [np.sqrt(2) * stats.norm.ppf(auc) for auc in (0.75 - gap, 0.75)]
        ours, theirs = (Scored(task, truth, stats.norm.cdf(d * truth + noise())) for d in apart)
    return ours, theirs


def promoted(task: Task, gates: Gates, gap: float, days: int = 28, draws: int = 100, by_row: bool = False) -> int:
    """How many of the seeds let the challenger through; `by_row` resamples rows as if days were alike."""
    times = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=days), A_DAY))
    block = np.arange(len(times)) if by_row else blocks(pd.Series(range(len(times))), times)
    weights, passed = resamples(block, draws), 0
    with threadpool_limits(1):  # or the tests beside this one and its matrix products wait for each other
        for seed in range(SEEDS):
            ours, theirs = answers(task, gap, days, np.random.default_rng(seed))
            metric = metric_named(gates.primary, ours)
            passed += champion_gate(difference(metric, ours, theirs, block, weights), metric, gates).passed
    return passed


@pytest.mark.parametrize("days", [3, 28])
@pytest.mark.parametrize("policy", ["better", "not_worse"])
def test_a_policy_lets_through_what_it_is_to_stop_no_more_often_than_stated(
    policy: Literal["better", "not_worse"], days: int
) -> None:
    """Under `better` that is an equally good model, under `not_worse` one that is worse by the whole margin."""
    gates = Gates(primary="mae", policy=policy, margin=MARGIN)
    assert promoted("regression", gates, 0.0 if policy == "better" else MARGIN, days) <= at_most(CHANCE)


def test_so_it_is_with_a_metric_of_ranks() -> None:
    gates = Gates(primary="roc_auc", policy="not_worse", margin=MARGIN)
    assert promoted("binary", gates, MARGIN) <= at_most(CHANCE)


def test_rows_taken_for_independent_would_let_through_many() -> None:
    """The same rows, each a block of its own: what the test above is there to find."""
    assert promoted("regression", Gates(primary="mae", policy="better"), 0.0, days=7, by_row=True) > 2 * at_most(CHANCE)


def test_a_challenger_that_is_better_by_enough_is_let_through() -> None:
    """A policy that stops all would never let a wrong one through either."""
    assert promoted("regression", Gates(primary="mae", policy="better"), -0.6) > 0.9 * SEEDS
    assert promoted("regression", Gates(primary="mae", policy="not_worse", margin=0.6), 0.0) > 0.9 * SEEDS


def of_noise(positives: int, rival: Literal["guess", "noise"], days: int = 60) -> int:
    """How many models of noise pass `better` against a constant guess or another one, with few rows of a class."""
    gates, rows, passed = Gates(primary="roc_auc", policy="better"), days * 5, 0
    block = np.repeat(np.arange(days), 5)
    with threadpool_limits(1):
        for seed in range(SEEDS):
            random = np.random.default_rng(seed)
            truth = np.zeros(rows, dtype="int64")
            truth[random.choice(rows, positives, replace=False)] = 1
            ours = Scored("binary", truth, random.random(rows))
            theirs = replace(ours, prediction=random.random(rows) if rival == "noise" else np.full(rows, 0.5))
            metric = metric_named("roc_auc", ours)
            delta = difference(metric, ours, theirs, block, resamples(block, 100, seed))
            passed += champion_gate(delta, metric, gates).passed
    return passed


@pytest.mark.parametrize("rival", ["guess", "noise"])
@pytest.mark.parametrize("positives", [1, 2, 3, 4, 5, 10])
def test_noise_is_not_let_through_where_a_class_is_rare(positives: int, rival: Literal["guess", "noise"]) -> None:
    assert of_noise(positives, rival) <= at_most(CHANCE)


def settings(margin: float, primary: str = "mae") -> Params:
    """A project whose rows are cut into slices by region."""
    return Params.model_validate(
        {
            "task": "regression" if primary == "mae" else "classification",
            "data": {"source": "sample"},
            "columns": {"id": "id", "time": "time", "target": "y", "numeric": ["x"]},
            "split": {"holdout": 0.2},
            "model": {"candidates": [{"estimator": "sklearn.dummy.DummyRegressor"}]},
            "evaluate": {"slices": ["region"], "min_slice_rows": 20},
            "gates": {"primary": primary, "slice_margin": margin},
        }
    )


def test_no_slice_is_called_worse_more_often_than_stated_over_all_slices_together() -> None:
    """All five are worse by exactly the margin that is granted."""
    params, days = settings(MARGIN), 28
    rows = pd.DataFrame({"region": np.tile(np.arange(5), days * A_DAY // 5)})
    block = np.repeat(np.arange(days), A_DAY)
    weights, called = resamples(block, 200), 0
    for seed in range(SEEDS):
        both = answers("regression", MARGIN, days, np.random.default_rng(seed))
        found = slice_differences(rows, params, *both, metric_named("mae", both[0]), block, weights)
        assert len(found) == 5
        called += any(one.worse for one in found)
    assert called <= at_most(LEVEL)


def sliced(region: np.ndarray, ours: Scored, theirs: Scored, block: np.ndarray, primary: str) -> dict[str, bool]:
    """Which regions the challenger is called worse on."""
    rows, weights = pd.DataFrame({"region": region}), resamples(block, 200)
    metric = metric_named(primary, ours)
    found = slice_differences(rows, settings(0.0, primary), ours, theirs, metric, block, weights)
    return {one.slice.removeprefix("region = "): one.worse for one in found}


def test_a_slice_that_defines_no_difference_does_not_count_against_the_challenger() -> None:
    """In the south nobody is of the positive class, so no curve is defined; in the north the challenger is worse."""
    random, block = np.random.default_rng(0), np.repeat(np.arange(20), A_DAY)
    region = np.tile(["north", "south"], 10 * A_DAY)
    truth = np.where(region == "north", random.random(len(block)) < 0.5, False).astype("int64")
    theirs = Scored("binary", truth, np.clip(0.3 + 0.4 * truth + random.normal(0, 0.2, len(truth)), 0, 1))
    ours = Scored("binary", truth, random.random(len(truth)))
    assert sliced(region, ours, theirs, block, "roc_auc") == {"north": True, "south": False}


def test_a_slice_of_a_single_day_does_not_count_against_the_challenger() -> None:
    """Nobody knows how days differ there; on the others the same error is found."""
    block = np.repeat(np.arange(20), A_DAY)
    region = np.where(block == 7, "one day", "the others")
    error = np.random.default_rng(0).normal(size=len(block))
    truth = np.zeros(len(block))
    ours, theirs = Scored("regression", truth, 2 * error), Scored("regression", truth, error)
    assert sliced(region, ours, theirs, block, "mae") == {"one day": False, "the others": True}
