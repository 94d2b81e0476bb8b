"""At its very limit a gate decides as its message says: a limit may be reached, zero is no difference."""

from typing import Any

import numpy as np
import pytest
from mlops_template.evaluation import gates as gates_module
from mlops_template.evaluation.compare import reasons
from mlops_template.evaluation.comparison import Difference, Gate
from mlops_template.evaluation.gates import (
    baseline_gate,
    champion_gate,
    enough_gate,
    latency_gate,
    metrics_gate,
    size_gate,
    worse_by_chance,
)
from mlops_template.settings.params import Gates
from mlops_template.training.metrics import CLASSIFICATION
from scipy import stats

AUC, LOSS = CLASSIFICATION["roc_auc"], CLASSIFICATION["log_loss"]


@pytest.mark.parametrize(
    ("low", "high", "more", "less"),
    [(0.0, 0.2, False, False), (0.01, 0.2, True, False), (-0.2, 0.0, False, False), (-0.2, -0.01, False, True)],
)
def test_the_baseline_is_beaten_by_the_whole_interval(low: float, high: float, more: bool, less: bool) -> None:
    """An end at zero is not beyond noise, whether more or less of the metric is better."""
    gain = Difference((low + high) / 2, low, high)
    assert baseline_gate(gain, AUC, "roc_auc").passed is more
    assert baseline_gate(gain, LOSS, "log_loss").passed is less


def test_a_margin_is_not_reached_and_better_is_more_than_zero() -> None:
    """The worse end of the interval lies strictly within the margin, or strictly above zero."""
    within = Gates(primary="roc_auc", margin=0.01, policy="not_worse")
    assert not champion_gate(Difference(0.0, -0.01, 0.01), AUC, within).passed
    assert champion_gate(Difference(0.0, -0.0099, 0.01), AUC, within).passed
    better = Gates(primary="roc_auc", margin=0.01, policy="better")
    assert not champion_gate(Difference(0.01, 0.0, 0.02), AUC, better).passed
    assert champion_gate(Difference(0.01, 0.001, 0.02), AUC, better).passed


def test_an_undefined_difference_passes_nothing() -> None:
    """Rows that do not define a metric show nothing, and the message says so."""
    undefined = Difference(None, None, None)
    for gate in (baseline_gate(undefined, AUC, "roc_auc"), champion_gate(undefined, AUC, Gates(primary="roc_auc"))):
        assert not gate.passed
        assert "undefined" in gate.detail


def test_latency_and_size_may_reach_their_limits() -> None:
    """And not exceed them."""
    gates = Gates(primary="roc_auc", max_latency_ms=10, max_size_mb=5)
    assert latency_gate(10.0, gates).passed and not latency_gate(10.01, gates).passed
    assert size_gate(5.0, gates).passed and not size_gate(5.01, gates).passed


def test_just_enough_rows_are_enough() -> None:
    """And one fewer are not."""
    assert enough_gate(50, 50).passed and not enough_gate(49, 50).passed


@pytest.mark.parametrize("blocks", [2, 7])
def test_a_slice_is_judged_by_a_quantile_of_students_t(blocks: int) -> None:
    """One-sided, with one degree of freedom less than blocks."""
    assert worse_by_chance(-0.3, 0.1, blocks) == pytest.approx(stats.t.sf(3.0, blocks - 1))
    assert worse_by_chance(0.3, 0.1, blocks) == pytest.approx(1 - stats.t.sf(3.0, blocks - 1))


@pytest.mark.parametrize(("distance", "p"), [(-0.1, 0.0), (0.0, 1.0), (0.1, 1.0)])
def test_a_difference_without_variation_is_what_it_is(distance: float, p: float) -> None:
    """Exactly at the margin it is not worse."""
    assert worse_by_chance(distance, 0.0, 7) == p


@pytest.mark.parametrize(("distance", "error"), [(np.nan, 0.1), (-0.3, np.nan), (-np.inf, 0.1)])
def test_what_is_undefined_is_not_called_worse(distance: float, error: float) -> None:
    assert worse_by_chance(distance, error, 7) == 1.0


def test_slices_together_are_wrong_in_one_of_twenty_comparisons() -> None:
    """As docs/gates.md of a project states; the simulations of test_policies take it from the code."""
    assert gates_module.LEVEL == 0.05


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({"first": "2026-01-01T00:00", "last": "2026-02-01T00:00"}, "0.7 on its own holdout from 2026-01-01 to 2026-02-01, so"),
        ({"first": "2026-01-01T00:00"}, "0.7 on its own holdout, so"),
        ({}, "0.7 on its own holdout, so"),
    ],
)
def test_a_champion_of_which_only_metrics_are_known_is_told_with_its_holdout(window: dict[str, str], said: str) -> None:
    metrics: dict[str, Any] = {"model": {"roc_auc": {"value": 0.7}}, "window": window}
    gate = metrics_gate(metrics, Gates(primary="roc_auc"))
    assert not gate.passed and not gate.absolute and said in gate.detail
    assert "is not known, so" in metrics_gate(None, Gates(primary="roc_auc")).detail


def test_the_reasons_are_the_broken_gates_else_what_speaks_for_it() -> None:
    """The champion's, where there was one to compare with; else the baseline's."""
    names = ("baseline", "champion", "slices", "size")
    passed = [Gate(name, True, False, f"{name} passed") for name in names]
    assert reasons([*passed, Gate("latency", False, True, "too slow")]) == ["too slow"]
    assert reasons(passed) == ["champion passed", "slices passed"]
    assert reasons([passed[0], passed[3]]) == ["baseline passed"]


def test_of_many_calls_the_median_is_the_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """In milliseconds, to two digits, of each model its own."""

    class Model:
        def __init__(self, *seconds: float) -> None:
            self.seconds = list(seconds) * gates_module.LATENCY_CALLS

        def predict(self, row: object) -> None:
            nonlocal now
            now += self.seconds.pop(0)

    now = 0.0
    monkeypatch.setattr(gates_module.time, "perf_counter", lambda: now)
    slow, fast = Model(0.0041236), Model(0.001)
    slow.seconds[0] = 9.0
    assert gates_module.latencies([slow, fast], None) == [4.12, 1.0]  # type: ignore[list-item, arg-type]
