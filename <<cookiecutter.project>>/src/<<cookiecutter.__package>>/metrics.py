"""Metrics of your own, beside the built-in ones (roc_auc, log_loss, mae and so on). Yours to change."""

import numpy as np
from mlops_template.training.metrics import OwnMetric, Scored
from numpy.typing import NDArray

FALSE_POSITIVE, FALSE_NEGATIVE = 1.0, 3.0
"""What a wrong decision costs: to be warned for nothing, and not to be warned."""

NEAR = 15.0
"""In the target's unit: how far off a prediction may be."""


def cost(scored: Scored) -> NDArray[np.float64]:
    """Return the cost of each row, of which the metric is the mean; a decision follows from `model.threshold`.

    Parameters
    ----------
    scored : Scored
        Its arrays have shape (n_rows,): `truth` and `decision` (1: the positive class), `prediction` (the probability
        of that class). `rows` is the DataFrame with all columns of the data, such as an amount that is at stake.
    """
    false_positive = (scored.decision == 1) & (scored.truth == 0)
    false_negative = (scored.decision == 0) & (scored.truth == 1)
    return np.asarray(FALSE_POSITIVE * false_positive + FALSE_NEGATIVE * false_negative)


def near(scored: Scored) -> NDArray[np.float64]:
    """Return 1 for each row whose prediction is near the truth, else 0: the metric is their share."""
    return np.asarray(np.abs(scored.prediction - scored.truth) <= NEAR, dtype="float64")


METRICS = [
    OwnMetric("cost", cost, higher_is_better=False, kinds=["binary"]),
    OwnMetric("near", near, higher_is_better=True, kinds=["regression"]),
]
"""Each gets intervals, slices, gates and a line in the report, and can be `gates.primary` in params.yaml."""
