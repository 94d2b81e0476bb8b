"""Whether ONNX Runtime serves a model: it does if it answers the held-out rows as the pipeline does.

The ONNX model answers a row many times as fast as scikit-learn, and needs no pickle.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..settings.operation import Parity
from ..training.artifact import Model
from ..training.pipeline import inputs
from .convert import Session, Unfit, answer, convert, feeds, load

MOST_ROWS = 100_000
"""Rows on which the two are compared: more tell no more."""

ODD_ROWS = 20
"""Rows for each column that are compared without a value there, or with one that was never seen."""

UNSEEN = "(never seen)"

NOISE = 1e-6
"""Two classes that are as probable as each other but for this are a tie."""


@dataclass(frozen=True)
class Measured:
    """How far the ONNX model's answers are from the pipeline's."""

    rows: int
    differing: int
    """Rows with an answer that differs by more than the tolerance."""
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
    """Up to which an answer is the same: of a probability, or of a prediction in the target's unit."""
    parity: Measured | None

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


def export(model: Model, rows: pd.DataFrame, budget: Parity, answers: pd.DataFrame | None = None) -> Export:
    """The model for ONNX Runtime if it converts and answers these rows as the pipeline does, else the pipeline.

    `rows` are as the contract has them; `answers` those of the pipeline, where they are known already.
    """
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int))
    rows = rows.iloc[chosen]
    expected = (model.predict(rows) if answers is None else answers.iloc[chosen]).to_numpy()
    tolerance = significant(budget.tolerance * (1.0 if model.classes else spread(expected)), 3)
    measured = None
    try:
        kinds = model.card["features"]
        content = convert(model.pipeline, kinds, classifies=bool(model.classes))
        session, ready = load(content), inputs(rows, kinds)
        measured = parity(expected, answer(session, feeds(ready, kinds)), tolerance)
        if not measured.within(budget):
            raise Unfit(f"ONNX Runtime answers otherwise: {measured.differing:,} of {measured.rows:,} rows differ")
        refuse_other_answers_to_odd_rows(model, session, ready, tolerance, budget)
    except Unfit as reason:
        return Export(None, str(reason), tolerance, measured)
    return Export(content, "ONNX Runtime answers as the pipeline does", tolerance, measured)


def parity(expected: NDArray[Any], answered: NDArray[Any], tolerance: float) -> Measured:
    """How far answers, one row each, are from the expected ones."""
    difference = np.abs(answered.astype("float64") - expected).max(axis=1)
    chosen = np.take_along_axis(expected, answered.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    flipped = chosen < expected.max(axis=1) - NOISE
    differing = int((difference > tolerance).sum())
    return Measured(len(expected), differing, int(flipped.sum()), significant(float(difference.max()), 2))


def refuse_other_answers_to_odd_rows(
    model: Model, session: Session, ready: pd.DataFrame, tolerance: float, budget: Parity
) -> None:
    """Raise Unfit where values that are missing or were never seen are answered otherwise than by the pipeline.

    The held-out rows may have none of them, production will.
    """
    kinds = model.card["features"]
    for kind, names in kinds.items():
        for name in names:
            odd = ready.head(ODD_ROWS).assign(**{name: UNSEEN if kind == "categorical" else np.nan})
            try:
                expected = answers_of(model, odd)
            except ValueError:
                continue  # the pipeline takes no such row, so none will be asked
            if not parity(expected, answer(session, feeds(odd, kinds)), tolerance).within(budget):
                what = "a value never seen" if kind == "categorical" else "no value"
                raise Unfit(f"ONNX Runtime answers otherwise where {name} has {what}")


def answers_of(model: Model, ready: pd.DataFrame) -> NDArray[Any]:
    """The pipeline's answers to its inputs, one row each."""
    if model.classes is None:
        found: NDArray[Any] = model.pipeline.predict(ready).reshape(len(ready), 1)
    else:
        found = model.pipeline.predict_proba(ready)
    return found


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
