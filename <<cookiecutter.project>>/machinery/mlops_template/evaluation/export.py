"""What serves a model: ONNX Runtime, if it predicts the held-out rows as the pipeline does, else the pipeline.

The ONNX model is many times as fast on a row as scikit-learn, and needs no pickle.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ProjectError
from ..serving.runtime import by_onnx, by_pipeline
from ..settings.params import Parity
from ..training.artifact import Model
from .convert import Session, Unfit, convert, feeds, load, predict
from .service_path import predictions_of_service

MAX_ROWS = 100_000
"""Rows on which the two are compared: more tell no more."""

MAX_SERVED_ROWS = 2_000
"""Rows that are sent to the service as JSON."""

ODD_ROWS = 20
"""Rows for each column that are compared without a value there, or with one that was never seen."""

MAX_ODD_CELLS = 2_000_000
"""Values of such rows that are predicted together."""

UNSEEN = "(never seen)"

NOISE = 1e-6
"""Two classes that are as probable as each other but for this are a tie."""


@dataclass(frozen=True)
class MeasuredParity:
    """How far the ONNX model's predictions are from the pipeline's."""

    rows: int
    differing: int
    """Rows with a prediction that differs by more than the tolerance."""
    flipped: int
    """Rows for which another class is the most probable."""
    largest: float
    """The largest difference, to two digits, which are the same on all machines."""

    def within(self, budget: Parity) -> bool:
        """Whether the shares of differing and of flipped rows are in the budget."""
        return self.differing <= budget.differing * self.rows and self.flipped <= budget.flipped * self.rows


@dataclass(frozen=True)
class Export:
    """What serves a model: its ONNX form, or the pipeline where `onnx` is None; and why."""

    onnx: bytes | None
    why: str
    tolerance: float
    """Up to which a prediction is the same: of a probability, or of a prediction in the target's unit."""
    parity: MeasuredParity | None

    @property
    def runtime(self) -> str:
        """`onnx` or `sklearn`."""
        return "sklearn" if self.onnx is None else "onnx"

    def __str__(self) -> str:
        return described(self.facts())

    def facts(self) -> dict[str, Any]:
        """All but the bytes, for JSON."""
        return {
            "runtime": self.runtime,
            "why": self.why,
            "tolerance": self.tolerance,
            "parity": asdict(self.parity) if self.parity else None,
        }


def export(model: Model, rows: pd.DataFrame, budget: Parity, predictions: pd.DataFrame | None = None) -> Export:
    """The model for ONNX Runtime if it converts and predicts these rows as the pipeline does, else the pipeline.

    `rows` are as the contract has them; `predictions` those of the pipeline, where they are known already.
    """
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).astype(int))
    rows = rows.iloc[chosen]
    expected = (model.predict(rows) if predictions is None else predictions.iloc[chosen]).to_numpy()
    tolerance = significant(budget.tolerance * (1.0 if model.classes else spread(expected)), 3)
    measured = None
    try:
        content = convert(model.pipeline, model.kinds, classifies=bool(model.classes))
        session, ready = load(content), model.inputs(rows)
        measured = parity(expected, predict(session, feeds(ready, model.kinds)), tolerance)
        if not measured.within(budget):
            raise Unfit(f"ONNX Runtime predicts otherwise: {measured.differing:,} of {measured.rows:,} rows differ")
        refuse_other_predictions_for_odd_rows(model, session, ready, tolerance, budget)
    except Unfit as reason:
        return Export(None, str(reason), tolerance, measured)
    return Export(content, "ONNX Runtime predicts as the pipeline does", tolerance, measured)


def refuse_other_service(model: Model, exported: Export, rows: pd.DataFrame, budget: Parity) -> None:
    """Raise ProjectError when the service, from a request's JSON on, predicts otherwise than the pipeline.

    It computes features batch by batch, as it will in production, so one that depends on other rows is found.
    """
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_SERVED_ROWS)).astype(int))]
    by = by_pipeline(model.pipeline, model.card) if exported.onnx is None else by_onnx(exported.onnx, model.card)
    kept, served = predictions_of_service(model, by, chosen)
    if not len(served):
        return
    measured = parity(model.predict(chosen).to_numpy()[kept], served, exported.tolerance)
    if not measured.within(budget):
        raise ProjectError(
            f"the service would predict {measured.differing:,} of {measured.rows:,} held-out rows otherwise than the "
            f"pipeline (by up to {measured.largest:g}): what add_features in features.py adds to a row must depend on "
            "that row alone, and on nothing outside the code"
        )


def parity(expected: NDArray[Any], predicted: NDArray[Any], tolerance: float) -> MeasuredParity:
    """How far predictions, one row each, are from the expected ones."""
    difference = np.abs(predicted.astype("float64") - expected).max(axis=1)
    chosen = np.take_along_axis(expected, predicted.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    flipped = chosen < expected.max(axis=1) - NOISE
    differing = int((difference > tolerance).sum())
    return MeasuredParity(len(expected), differing, int(flipped.sum()), significant(float(difference.max()), 2))


def refuse_other_predictions_for_odd_rows(
    model: Model, session: Session, ready: pd.DataFrame, tolerance: float, budget: Parity
) -> None:
    """Raise Unfit where values that are missing or were never seen get other predictions than by the pipeline.

    The held-out rows may have none of them, production will.
    """
    texts = {*model.kinds["categorical"], *model.kinds["text"]}
    names, some = [name for several in model.kinds.values() for name in several], ready.head(ODD_ROWS)
    together = max(1, MAX_ODD_CELLS // max(some.size, 1))
    for start in range(0, len(names), together):
        batch = names[start : start + together]
        odd = {name: some.assign(**{name: UNSEEN if name in texts else np.nan}) for name in batch}
        try:
            expected = model.predict_inputs(pd.concat(odd.values())).to_numpy()
        except ValueError:  # the pipeline does not take all of these rows, so those will not be sent
            odd = {name: rows for name, rows in odd.items() if takes(model, rows)}
            if not odd:
                continue
            expected = model.predict_inputs(pd.concat(odd.values())).to_numpy()
        predicted = predict(session, feeds(pd.concat(odd.values()), model.kinds))
        for name, place in zip(odd, range(0, len(expected), len(some)), strict=True):
            own = slice(place, place + len(some))
            if not parity(expected[own], predicted[own], tolerance).within(budget):
                what = "a value never seen" if name in texts else "no value"
                raise Unfit(f"ONNX Runtime predicts otherwise where {name} has {what}")


def takes(model: Model, ready: pd.DataFrame) -> bool:
    """Whether the pipeline predicts these rows."""
    try:
        model.predict_inputs(ready)
    except ValueError:
        return False
    return True


def spread(predictions: NDArray[Any]) -> float:
    """The standard deviation of predictions, by which their differences are judged; 1 where all are the same."""
    return float(np.std(predictions)) or 1.0


def significant(value: float, digits: int) -> float:
    """A figure of so many digits."""
    return float(f"{value:.{digits}g}")


def described(facts: dict[str, Any]) -> str:
    """In a line: what serves, and how far it is from the pipeline or why it is that."""
    if facts["runtime"] == "sklearn":
        return f"the scikit-learn pipeline, because {facts['why']}"
    measured = facts["parity"]
    flipped = f", {measured['flipped']:,} labels flip" if measured["flipped"] else ""
    return (
        f"ONNX Runtime; of {measured['rows']:,} rows {measured['differing']:,} differ by more than "
        f"{facts['tolerance']:g}, the largest by {measured['largest']:g}{flipped}"
    )
