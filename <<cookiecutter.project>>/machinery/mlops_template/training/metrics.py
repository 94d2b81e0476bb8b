"""The metrics by name: the built-in ones and the owner's.

Each built-in value is that of the scikit-learn function of the same name; the tests hold it to that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from ..errors import ProjectError
from ..owner.dependencies import SOURCE
from ..owner.modules import own_code
from ..serving.model_code import ModelCode
from .scored import Array, Kind, Scored
from .statistics import (
    Metric,
    area_under_precision_recall,
    area_under_roc,
    calibration,
    confusion,
    expected_calibration_error,
    f1,
    log_loss,
    mean_of,
    moments,
    r2,
    ranks,
    rmse,
    squared_distance,
)

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "OwnMetric",
    "Scored",
    "higher_is_better",
    "metric_named",
    "metrics_code",
    "metrics_for",
    "number",
    "own_metrics",
]
"""`Scored` among them, for the owner's metrics.py."""

CLASSIFICATION = {
    "roc_auc": Metric(ranks, area_under_roc, True, exact=roc_auc_score, by_class=True),
    "average_precision": Metric(ranks, area_under_precision_recall, True, exact=average_precision_score, by_class=True),
    "log_loss": Metric(*mean_of(log_loss), False),
    "brier": Metric(*mean_of(squared_distance), False),
    "accuracy": Metric(*mean_of(lambda scored: (scored.decision == scored.truth).astype("float64")), True),
    "f1": Metric(confusion, f1, True, by_class=True),
    "calibration_error": Metric(calibration, expected_calibration_error, False),
}

REGRESSION = {
    "mae": Metric(*mean_of(lambda scored: np.abs(scored.prediction - scored.truth)), False),
    "rmse": Metric(moments, rmse, False),
    "r2": Metric(moments, r2, True),
    "mape": Metric(*mean_of(lambda scored: np.abs((scored.prediction - scored.truth) / scored.truth)), False),
}


@dataclass(frozen=True)
class OwnMetric:
    """A metric of the owner's, from `METRICS` in metrics.py.

    Parameters
    ----------
    name : str
        As in params.yaml and in the report.
    function : callable
        Takes a `Scored`. Returns an array of shape (n_rows,), of which the metric is the mean; that makes bootstrap
        intervals cheap. With `per_row=False` it returns the metric as one number, and is called for each resample.
    higher_is_better : bool
    kinds : list of {"binary", "multiclass", "regression"}
        The tasks that it is for.
    per_row : bool, default True
    """

    name: str
    function: Callable[[Scored], Any]
    higher_is_better: bool
    kinds: list[Kind]
    per_row: bool = True

    def metric(self, fault: Callable[[Exception], str]) -> Metric:
        """As the built-in ones are; what the owner's code raises becomes a ProjectError by `fault`."""

        def call(scored: Scored) -> Any:
            try:
                return self.function(scored)
            except Exception as error:
                raise ProjectError(fault(error)) from error

        def per_row(scored: Scored) -> Array:
            values = np.asarray(call(scored), dtype="float64")
            if values.shape != scored.truth.shape:
                raise ProjectError(
                    f"metrics.py: {self.name} returned an array of shape {values.shape} for {len(scored.truth)} rows: "
                    "return a number for each, or set per_row=False"
                )
            return values

        if self.per_row:
            return Metric(*mean_of(per_row), self.higher_is_better)
        nothing = mean_of(per_row)
        return Metric(*nothing, self.higher_is_better, whole=lambda scored: float(call(scored)))


def metrics_code() -> ModelCode:
    """The owner's metrics.py as it is now; nothing where there is no project here."""
    return own_code("metrics") if SOURCE.is_dir() else ModelCode({})


def own_metrics(code: ModelCode | None = None) -> dict[str, OwnMetric]:
    """The owner's metrics by name, as metrics.py has them now; `code` where that is not in this directory.

    Raises ProjectError when the module is broken, or a name is that of a built-in one.
    """
    code = code or metrics_code()
    if "metrics" not in code.files:
        return {}
    listed = getattr(code.module("metrics"), "METRICS", None)
    file = code.folder / "metrics.py"
    if not isinstance(listed, list) or not all(isinstance(metric, OwnMetric) for metric in listed):
        raise ProjectError(f"{file}: METRICS is no list of OwnMetric: define it, or delete the file")
    names = [metric.name for metric in listed]
    taken = [name for name in names if name in CLASSIFICATION | REGRESSION or names.count(name) > 1]
    if taken:
        raise ProjectError(f"{file}: {taken[0]} is the name of another metric: choose a new one")
    return {metric.name: metric for metric in listed}


def metrics_for(scored: Scored, code: ModelCode | None = None) -> dict[str, Metric]:
    """The metrics that these rows define, the owner's among them. A percentage of error needs a target without 0."""
    builtin = REGRESSION if scored.kind == "regression" else CLASSIFICATION
    if scored.kind == "regression" and not (scored.truth != 0).all():
        builtin = {name: metric for name, metric in REGRESSION.items() if name != "mape"}
    code = code or metrics_code()

    def fault(error: Exception) -> str:
        return code.fault(error, "metrics.py")

    own = {name: metric.metric(fault) for name, metric in own_metrics(code).items() if scored.kind in metric.kinds}
    return builtin | own


def metric_named(name: str, scored: Scored, code: ModelCode | None = None, setting: str = "gates.primary") -> Metric:
    """The metric of that name. Raises ProjectError, which names the setting, when these rows do not define it."""
    defined = metrics_for(scored, code)
    if name not in defined:
        raise ProjectError(f"{setting}: {name!r} is not defined for this target; choose one of {', '.join(defined)}")
    return defined[name]


def higher_is_better(name: str) -> bool:
    """Whether more of a metric is better; True for one that there is no more."""
    defined = CLASSIFICATION | REGRESSION | own_metrics()
    return defined[name].higher_is_better if name in defined else True


def number(value: float) -> float | None:
    """A figure for JSON: six decimals, None where it is undefined."""
    return round(float(value), 6) if math.isfinite(value) else None
