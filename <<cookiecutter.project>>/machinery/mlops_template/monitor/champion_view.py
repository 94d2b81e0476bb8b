"""The champion as monitoring sees it: features, predictions and outcomes of rows in the form that figures take."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.contract import Contract
from ..evaluation.evaluate import sliceable
from ..prediction_log.policy import id_text
from ..serving.runtime import prediction_names
from ..settings.params import Params
from ..training.artifact import load_model
from ..training.metrics import own_metrics
from ..training.scored import Array, Scored, as_scored
from ..training.statistics import log_loss
from .bins import Bins
from .logged_rows import Logged

MAX_LOSS = float(-np.log(1e-6))
"""In nats, of a row: one prediction that was sure and wrong is not to outweigh a day."""


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of some rows, and what is known of their outcomes.

    Attributes
    ----------
    scored : Scored
        n_rows rows; the truth of those whose outcome is not known is arbitrary.
    known : array of shape (n_rows,)
        Whether the outcome is.
    loss : array of shape (n_rows,)
        As `losses` has it, NaN where the outcome is not known.
    features : array of shape (n_rows, n_columns)
        As numbers, as far as an estimate of the metric takes them.
    slices : DataFrame of shape (n_rows, n_slices), or None
        The columns of `evaluate.slices`, of rows that may be in the latest window.
    """

    scored: Scored
    known: Array
    loss: Array
    features: Array
    slices: pd.DataFrame | None = None

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.known)


class MonitoredModel:
    """A model, and which columns of the log it is judged by."""

    def __init__(self, params: Params, contract: Contract, directory: Path) -> None:
        self.params = params
        self.model = load_model(directory)
        left_out = set(params.predictions.leave_out)
        self.columns = [name for name in self.model.request if name in contract.columns and name not in left_out]
        """Of a request, as they are stored."""
        self.derives = bool(self.model.card["derived"]) and len(self.columns) == len(self.model.request)
        """Whether the derived columns can be computed from what is stored."""
        features = [name for names in self.model.kinds.values() for name in names]
        self.features = [name for name in features if name in self.columns or self.derives]
        self.names = prediction_names(self.model.card)
        """What the log holds of a row, in order, as far as models are judged by it."""
        self.by_rows = params.gates.primary in own_metrics()
        """Whether the primary metric is the owner's, which may look at any column."""

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The features of rows, derived ones included."""
        taken = rows[[name for name in self.model.request if name in rows]]
        added: pd.DataFrame = self.model.code.add_features(taken) if self.derives else taken
        return added[self.features]

    def numbers(self, table: pd.DataFrame, bins: dict[str, Bins]) -> Array:
        """The features as an estimate takes them: of a classification, none."""
        if self.model.classes is not None:
            return np.empty((len(table), 0))
        return np.column_stack([one.numbers(table[name]) for name, one in bins.items()])

    def without_complement(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Of two classes, the probability of the positive one alone: the other says the same."""
        if self.model.card["positive"] is not None and len(predictions.columns) == 2:
            return predictions[[f"probability_{self.model.card['positive']}"]]
        return predictions

    def scored(self, predictions: pd.DataFrame, truth: pd.Series, rows: pd.DataFrame | None) -> Scored:
        """Rows whose outcome is known."""
        positive, threshold = self.model.card["positive"], self.model.threshold
        return as_scored(truth, predictions, self.model.classes, positive, threshold, rows)

    def slices(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """The columns of `evaluate.slices`, as far as what is stored gives them; None where it gives none."""
        names = self.params.evaluate.slices
        if not all(name in rows for name in names):
            try:
                rows = sliceable(rows, self.params)
            except Exception:  # of the owner's add_features, which may ask for columns that no request has
                names = [name for name in names if name in rows]
        return rows[names].astype("str").astype("category") if names else None

    def logged(self, part: Logged, bins: dict[str, Bins], recent: bool = False) -> ScoredRows:
        """Rows of the log; those that are `recent` have their slices."""
        truth = self.truths(part.outcomes)
        known = truth.notna().to_numpy()
        rows = part.features if self.by_rows else None
        arbitrary: Any = 0.0 if self.model.classes is None else self.model.classes[0]
        filled = truth.where(known, arbitrary) if not known.all() else truth
        scored = self.scored(part.predictions, filled.infer_objects(), rows)
        features = self.numbers(self.table(part.features), bins)
        slices = self.slices(part.features) if recent else None
        return ScoredRows(scored, known, np.where(known, losses(scored), np.nan), features, slices)

    def truths(self, outcomes: pd.Series) -> pd.Series:
        """Outcomes as the model has them: one of its classes, or a number; missing where nothing is known."""
        if self.model.classes is None:
            return pd.to_numeric(outcomes, errors="coerce")
        names = {id_text(name): name for name in self.model.classes}
        places, texts = pd.factorize(outcomes)
        values = [names.get(id_text(json.loads(text))) for text in texts]
        return pd.Series([*values, None], dtype=object).iloc[places].set_axis(outcomes.index)


def losses(scored: Scored) -> Array:
    """Of each row, of shape (n_rows,): the log loss of the true class, or the absolute error."""
    if scored.kind == "regression":
        return np.asarray(np.abs(scored.truth - scored.prediction))
    return np.minimum(log_loss(scored), MAX_LOSS)


def together(parts: list[Scored]) -> Scored:
    """One after the other."""
    tables = [part.rows for part in parts if part.rows is not None]
    rows = pd.concat(tables, ignore_index=True) if tables else None
    truth, prediction = (np.concatenate([getattr(part, name) for part in parts]) for name in ("truth", "prediction"))
    return Scored(parts[0].kind, truth, prediction, parts[0].threshold, rows)
