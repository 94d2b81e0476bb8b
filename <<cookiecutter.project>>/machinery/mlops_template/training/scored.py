"""Rows with their truth and a model's predictions, in the form that every metric takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Scored:
    """Rows with their truth and a model's predictions.

    Attributes
    ----------
    kind : {"binary", "multiclass", "regression"}
    truth : array of shape (n_rows,)
        binary: 1 for the positive class, else 0. multiclass: the index of the class, -1 for one that the model does not
        know. regression: in the target's unit.
    prediction : array of shape (n_rows,) or (n_rows, n_classes)
        binary: the probability of the positive class. multiclass: that of each class. regression: in the target's unit.
    threshold : float or array of shape (n_rows,)
        Above this probability a binary decision is for the positive class.
    rows : DataFrame of shape (n_rows, n_columns) or None
        The rows with all columns of the data; None where only predictions are kept.
    """

    kind: Kind
    truth: Array
    prediction: Array
    threshold: float | Array = 0.5
    rows: pd.DataFrame | None = None

    def __getitem__(self, rows: Array) -> "Scored":
        table = None if self.rows is None else self.rows[rows] if rows.dtype == bool else self.rows.iloc[rows]
        threshold = self.threshold[rows] if isinstance(self.threshold, np.ndarray) else self.threshold
        return Scored(self.kind, self.truth[rows], self.prediction[rows], threshold, table)

    @property
    def decision(self) -> Array:
        """The class decided for, of shape (n_rows,): 0 or 1 by the threshold, or the index of the most probable."""
        if self.kind == "binary":
            return (self.prediction > self.threshold).astype("int64")
        return np.asarray(self.prediction.argmax(axis=1))

    def one_against_rest(self) -> Iterator[tuple[Array, Array]]:
        """(is it this class, its probability): once for a binary task, else for each class."""
        if self.kind == "binary":
            yield self.truth == 1, self.prediction
        else:
            for index in range(self.prediction.shape[1]):
                yield self.truth == index, self.prediction[:, index]

    def confidence(self) -> tuple[Array, Array]:
        """(does it happen, the probability given): of the positive, or of the most probable class."""
        if self.kind == "binary":
            return self.truth == 1, self.prediction
        return self.truth == self.prediction.argmax(axis=1), self.prediction.max(axis=1)


def as_scored(
    truth: pd.Series,
    predictions: pd.DataFrame,
    classes: list[Any] | None,
    positive: Any,
    threshold: float | None = None,
    rows: pd.DataFrame | None = None,
) -> Scored:
    """Truth and predictions, as `Model.predict` gives them, in the form that metrics take.

    `classes` are those the model knows, None for regression; `positive` and `threshold` matter where there are two.
    """
    if classes is None:
        predicted = predictions["prediction"].to_numpy("float64")
        return Scored("regression", truth.to_numpy("float64"), predicted, rows=rows)
    if len(classes) == 2:
        probability = predictions[f"probability_{positive}"].to_numpy("float64")
        happened = (truth == positive).to_numpy("int64")
        return Scored("binary", happened, probability, 0.5 if threshold is None else threshold, rows)
    indices = pd.Index(classes).get_indexer(pd.Index(truth))
    return Scored("multiclass", indices, predictions.to_numpy("float64"), rows=rows)
