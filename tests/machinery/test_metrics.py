"""The metrics are scikit-learn's; their intervals respect that rows of one day belong together."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from mlops_template.evaluation.intervals import blocks, interval, interval_of_difference, resamples, standard_error
from scipy import stats
from mlops_template.training.metrics import CLASSIFICATION, REGRESSION, metrics_for
from mlops_template.training.scored import Scored, as_scored

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 2, 3000)
PROBABILITY = np.clip(0.35 * TRUTH + RANDOM.uniform(0, 0.65, 3000).round(3), 0, 1)
BINARY = Scored("binary", TRUTH, PROBABILITY)
CLASSES = RANDOM.integers(0, 3, 3000)
SHARES = RANDOM.dirichlet(np.ones(3), 3000) * 0.7 + 0.3 * np.eye(3)[CLASSES]
MULTICLASS = Scored("multiclass", CLASSES, SHARES)
ACTUAL = RANDOM.normal(1000, 3, 3000)
PREDICTED = ACTUAL + RANDOM.normal(0, 1, 3000)
CONTINUOUS = Scored("regression", ACTUAL, PREDICTED)

EXPECTED = [
    ("roc_auc", BINARY, reference.roc_auc_score(TRUTH, PROBABILITY)),
    ("average_precision", BINARY, reference.average_precision_score(TRUTH, PROBABILITY)),
    ("log_loss", BINARY, reference.log_loss(TRUTH, PROBABILITY)),
    ("brier", BINARY, reference.brier_score_loss(TRUTH, PROBABILITY)),
    ("accuracy", BINARY, reference.accuracy_score(TRUTH, PROBABILITY > 0.5)),
    ("f1", BINARY, reference.f1_score(TRUTH, PROBABILITY > 0.5)),
    ("roc_auc", MULTICLASS, reference.roc_auc_score(CLASSES, SHARES, multi_class="ovr")),
    ("average_precision", MULTICLASS, reference.average_precision_score(np.eye(3)[CLASSES], SHARES)),
    ("log_loss", MULTICLASS, reference.log_loss(CLASSES, SHARES)),
    ("accuracy", MULTICLASS, reference.accuracy_score(CLASSES, SHARES.argmax(axis=1))),
    ("f1", MULTICLASS, reference.f1_score(CLASSES, SHARES.argmax(axis=1), average="macro")),
    ("mae", CONTINUOUS, reference.mean_absolute_error(ACTUAL, PREDICTED)),
    ("rmse", CONTINUOUS, reference.root_mean_squared_error(ACTUAL, PREDICTED)),
    ("r2", CONTINUOUS, reference.r2_score(ACTUAL, PREDICTED)),
    ("mape", CONTINUOUS, reference.mean_absolute_percentage_error(ACTUAL, PREDICTED)),
]


@pytest.mark.parametrize(("name", "scored", "expected"), EXPECTED, ids=lambda value: getattr(value, "kind", None))
def test_a_metric_is_that_of_scikit_learn(name: str, scored: Scored, expected: float) -> None:
    assert metrics_for(scored)[name].value(scored) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("name", "scored", "expected"), EXPECTED, ids=lambda value: getattr(value, "kind", None))
def test_a_resample_that_draws_each_block_once_is_the_metric(name: str, scored: Scored, expected: float) -> None:
    block = np.arange(len(scored.truth)) % 30
    once = metrics_for(scored)[name].resampled(scored, block, np.ones((1, 30)))
    assert once[0] == pytest.approx(expected, abs=5e-4)


def test_a_resample_that_draws_a_block_twice_is_the_metric_of_the_repeated_rows() -> None:
    block = np.arange(3000) // 1500
    twice = np.concatenate([np.arange(1500), np.arange(1500)])
    for name, metric in CLASSIFICATION.items():
        found = metric.resampled(BINARY, block, np.array([[2.0, 0.0]]))[0]
        assert found == pytest.approx(metric.value(BINARY[twice]), abs=1e-3), name
    for name, metric in REGRESSION.items():
        found = metric.resampled(CONTINUOUS, block, np.array([[2.0, 0.0]]))[0]
        assert found == pytest.approx(metric.value(CONTINUOUS[twice]), abs=1e-3), name


def test_a_percentage_of_error_is_left_out_where_the_target_can_be_zero() -> None:
    assert "mape" not in metrics_for(Scored("regression", np.array([0.0, 1.0]), np.array([0.5, 1.0])))


def test_what_a_single_class_leaves_undefined_is_not_a_number() -> None:
    assert np.isnan(CLASSIFICATION["roc_auc"].value(Scored("binary", np.ones(5, int), np.linspace(0, 1, 5))))


def test_a_class_the_model_never_saw_counts_against_it() -> None:
    answers = pd.DataFrame([[0.8, 0.1, 0.1]] * 2, columns=["probability_a", "probability_b", "probability_c"])
    scored = as_scored(pd.Series(["a", "new"]), answers, ["a", "b", "c"], None)
    assert CLASSIFICATION["accuracy"].value(scored) == 0.5
    assert CLASSIFICATION["log_loss"].value(scored) > 10


def test_rows_of_a_day_share_a_block() -> None:
    times = pd.Series(pd.date_range("2024-01-01", periods=480, freq="h"))
    block = blocks(pd.Series(range(480)), times)
    assert len(np.unique(block)) == 20
    assert pd.Series(block).groupby(times.dt.date).nunique().eq(1).all()


def test_a_short_window_is_cut_into_stretches() -> None:
    times = pd.Series(pd.date_range("2024-01-01", periods=300, freq="min"))
    assert len(np.unique(blocks(pd.Series(range(300)), times))) == 20


@pytest.mark.parametrize("number_of_days", [12, 60])
def test_nineteen_of_twenty_intervals_hold_the_truth(number_of_days: int) -> None:
    """Days have moods: the interval must not take their rows for independent."""
    random = np.random.default_rng(1)
    times = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=number_of_days), 40))
    block = blocks(pd.Series(range(len(times))), times)
    hits = 0
    for seed in range(200):
        error = 5 + np.repeat(random.normal(0, 1, number_of_days), 40) + random.normal(0, 1, len(times))
        scored = Scored("regression", np.zeros(len(error)), error)
        draws = REGRESSION["mae"].resampled(scored, block, resamples(block, 300, seed))
        low, high = interval(draws, number_of_days)
        hits += low <= 5 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_few_blocks_widen_the_interval_as_students_t_asks() -> None:
    """Hesterberg (2015), section 5.3: 5 blocks move the percentiles from 2.5 % to 0.095 %, 400 hardly at all."""
    draws = np.random.default_rng(0).normal(size=200_000)
    few, many = interval(draws, 5), interval(draws, 400)
    assert many == pytest.approx((-1.97, 1.97), abs=0.03)
    tail = stats.norm.cdf(np.sqrt(5 / 4) * stats.t.ppf(0.025, 4))
    assert few == pytest.approx((stats.norm.ppf(tail), -stats.norm.ppf(tail)), abs=0.1)
    assert few[1] > 1.5 * many[1]


def test_an_interval_of_a_difference_is_students_t_around_it() -> None:
    draws = np.random.default_rng(0).normal(size=200_000)
    low, high = interval_of_difference(1.0, draws, 5)
    reach = stats.t.ppf(0.975, 4) * np.sqrt(5 / 4)
    assert (low, high) == pytest.approx((1 - reach, 1 + reach), abs=0.02)


def test_undefined_draws_have_no_interval() -> None:
    """One block tells nothing of how blocks differ, and half of the draws are not enough."""
    draws = np.random.default_rng(0).normal(size=100)
    assert np.isnan(interval(draws, 1)).all() and np.isnan(standard_error(draws, 1))
    draws[:51] = np.nan
    assert np.isnan(interval(draws, 9)).all() and np.isnan(interval_of_difference(0.0, draws, 9)).all()
