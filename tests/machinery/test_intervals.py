"""The intervals are the published formulas, up to the limits of what they are defined for."""

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation.intervals import MIN_DAYS as MIN_DAYS_OF_BLOCKS
from mlops_template.evaluation.intervals import (
    CHANCE,
    MAX_BLOCKS,
    any_time,
    blocks,
    interval,
    interval_of_difference,
    once,
    standard_error,
    support,
)
from mlops_template.monitor.live import MIN_DAYS
from mlops_template.training.metrics import CLASSIFICATION, REGRESSION
from mlops_template.training.scored import Scored
from scipy import stats

DRAWS = np.random.default_rng(0).gamma(2.0, size=1000)
"""Skewed, so that the two ends of an interval differ."""


@pytest.mark.parametrize("blocks", [2, 4, 28])
def test_few_blocks_widen_an_interval_as_published(blocks: int) -> None:
    """Hesterberg (2015), section 5.3."""
    tail = stats.norm.cdf(np.sqrt(blocks / (blocks - 1)) * stats.t.ppf(CHANCE, blocks - 1))
    assert interval(DRAWS, blocks) == pytest.approx(np.quantile(DRAWS, [tail, 1 - tail]))
    error = DRAWS.std() * np.sqrt(blocks / (blocks - 1))
    assert standard_error(DRAWS, blocks) == pytest.approx(error)
    reach = stats.t.ppf(1 - CHANCE, blocks - 1) * error
    assert interval_of_difference(5.0, DRAWS, blocks) == pytest.approx((5.0 - reach, 5.0 + reach))


def test_one_block_has_no_interval() -> None:
    assert np.isnan([*interval(DRAWS, 1), standard_error(DRAWS, 1), *interval_of_difference(5.0, DRAWS, 1)]).all()


@pytest.mark.parametrize(("undefined", "known"), [(500, True), (501, False)])
def test_half_of_the_draws_must_be_defined(undefined: int, known: bool) -> None:
    draws = DRAWS.copy()
    draws[:undefined] = np.nan
    for ends in (interval(draws, 4), [standard_error(draws, 4)], interval_of_difference(5.0, draws, 4)):
        assert np.isfinite(ends).all() == known


@pytest.mark.parametrize(
    ("days", "rows", "number"),
    [(MIN_DAYS_OF_BLOCKS, 3, MIN_DAYS_OF_BLOCKS), (MIN_DAYS_OF_BLOCKS - 1, 40, 20), (MAX_BLOCKS + 1, 1, MAX_BLOCKS), (2, 4, 8)],
)
def test_blocks_are_days_or_where_they_are_too_few_or_many_stretches_of_equal_count(
    days: int, rows: int, number: int
) -> None:
    """In order of time, whatever that of the rows; of fewer rows than stretches each is one."""
    moments = pd.Series(np.repeat(pd.date_range("2026-01-01", periods=days), rows)).sample(frac=1, random_state=0)
    block = blocks(pd.Series(range(len(moments))), moments)
    assert np.unique(block).tolist() == list(range(number))
    counts = np.bincount(block)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(block[np.argsort(moments.to_numpy(), kind="stable")]) >= 0).all()


def test_the_blocks_that_hold_the_rarest_class_decide() -> None:
    """Of 60 blocks a resample lacks 3 with a chance of 4.6 %, 4 with one of 1.6 %: four are needed."""
    block = np.repeat(np.arange(60), 5)
    for held, deciding in ((1, 0), (3, 0), (4, 4), (30, 30)):
        truth = np.isin(np.arange(300), np.arange(held) * 5).astype("int64")
        binary = Scored("binary", truth, np.full(300, 0.5))
        found = support(CLASSIFICATION["log_loss"], binary, block)
        assert (found.blocks, found.rarest, found.rows, found.needed, found.deciding) == (held, 1, held, 4, deciding)
        several = Scored("multiclass", truth, np.full((300, 3), 1 / 3))
        assert support(CLASSIFICATION["f1"], several, block).deciding == deciding
        assert support(CLASSIFICATION["log_loss"], several, block).deciding == 60
    assert support(REGRESSION["mae"], Scored("regression", truth, truth), block).deciding == 60


@pytest.mark.parametrize("rare", [0, 1])
def test_either_class_may_be_the_rarest_and_one_never_seen_is_none(rare: int) -> None:
    """Such a class, of which there is a single row, has the number -1."""
    block, truth = np.repeat(np.arange(60), 5), np.full(300, 1 - rare)
    truth[np.arange(7) * 5] = rare
    found = support(CLASSIFICATION["roc_auc"], Scored("binary", truth, np.full(300, 0.5)), block)
    assert (found.rarest, found.blocks, found.rows) == (rare, 7, 7)
    truth[299] = -1
    found = support(CLASSIFICATION["f1"], Scored("multiclass", truth, np.full((300, 2), 0.5)), block)
    assert (found.rarest, found.blocks, found.rows) == (rare, 7, 7)


def test_a_class_in_each_of_few_blocks_is_enough() -> None:
    """No resample lacks it."""
    block, truth = np.repeat(np.arange(3), 10), np.tile([0, 1], 15)
    assert support(CLASSIFICATION["roc_auc"], Scored("binary", truth, np.full(30, 0.5)), block).deciding == 3
    assert support(CLASSIFICATION["roc_auc"], Scored("binary", truth * 0, np.full(30, 0.5)), block).deciding == 0


@pytest.mark.parametrize("tails", [np.inf, 5], ids=["normal", "t of 5 degrees"])
def test_an_interval_for_any_time_leaves_the_truth_out_at_none_of_a_years_looks(tails: float) -> None:
    """In 95 of 100 years; one for a single look is wrong at some look in most of them."""
    days, years = 365, 2000
    random = np.random.default_rng(0)
    drawn = random.standard_normal((years, days)) if np.isinf(tails) else random.standard_t(tails, (years, days))
    number = np.arange(1, days + 1)
    mean = drawn.cumsum(axis=1) / number
    error = np.sqrt((np.square(drawn).cumsum(axis=1) / number - np.square(mean)) / np.maximum(number - 1, 1))
    looked = slice(MIN_DAYS - 1, days)
    wrong = {
        reach: (np.abs(mean) > np.array([reach(n) for n in number]) * error)[:, looked].any(axis=1).mean()
        for reach in (any_time, once)
    }
    assert wrong[any_time] <= 0.05
    assert wrong[once] > 0.2


@pytest.mark.parametrize("days", [7, 28, 365])
def test_an_interval_for_any_time_is_as_published(days: int) -> None:
    """Waudby-Smith et al. (2024), theorem 2.2, in its parameter rho, with the tail of Student's t for the normal's."""
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 28)
    of_mean = np.sqrt(2 * (days * rho**2 + 1) / (days**2 * rho**2) * np.log(np.sqrt(days * rho**2 + 1) / 0.05))
    assert any_time(days) == pytest.approx(stats.t.isf(stats.norm.sf(of_mean * np.sqrt(days)), days - 1))


def test_an_interval_for_any_time_costs_half_as_much_again() -> None:
    assert any_time(28) / once(28) == pytest.approx(1.6, abs=0.1)
