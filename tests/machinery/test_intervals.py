"""The intervals are the published formulas, up to the limits of what they are defined for."""

import numpy as np
import pytest
from mlops_template.evaluation.intervals import CHANCE, interval, interval_of_difference, standard_error
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
    assert np.isfinite([*interval(draws, 4), standard_error(draws, 4)]).all() == known
