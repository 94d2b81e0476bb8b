"""At its very limit a gate decides as its message says: a limit may be reached, zero is no difference."""

import pytest
from mlops_template.evaluation.gates import baseline_gate, champion_gate, latency_gate, size_gate
from mlops_template.evaluation.comparison import Difference
from mlops_template.settings.params import Gates
from mlops_template.training.metrics import CLASSIFICATION

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
