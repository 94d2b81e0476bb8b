"""A project in a notebook: its rows, and what a change would do to the model, by the functions of the pipeline.

The rows that the verdict is held on stay untouched: whoever looks at them while trying things chooses what fits them.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.contract import Contract, load_contract
from ..data.split import holdout
from ..errors import ProjectError
from ..evaluation import evaluate
from ..evaluation.gates import difference
from ..evaluation.intervals import blocks, resamples
from ..settings import paths
from ..settings.params import Params, load_params
from ..storage import storage
from ..training.artifact import Model
from ..training.features import describe_inputs, with_features
from ..training.metrics import metric_named, metrics_code, metrics_for
from ..training.pipeline import labels, training_code
from ..training.scored import Array, Scored, as_scored
from ..training.search import SearchResult, Setting, settings_of
from ..training.threshold import threshold_of
from ..training.train import describe, describe_classes, fit, refuse_empty

HASH_KEY = "exploring-so-far"
"""Of 16 characters. Rows to train on are what the pipeline's own hash left: by the same one, none would be chosen."""


class Exploration:
    """The project that a notebook lies in.

    Whatever is read of it, `params.yaml`, `contract.yaml` and the owner's modules, is read anew at each call.
    """

    def __init__(self) -> None:
        """Make the project's directory the current one. Raises ProjectError where a notebook is in none."""
        os.chdir(paths.project_root(Path.cwd()))

    @property
    def params(self) -> Params:
        """`params.yaml`."""
        return load_params()

    @property
    def contract(self) -> Contract:
        """`contract.yaml`."""
        return load_contract()

    def rows(self) -> pd.DataFrame:
        """The rows that the pipeline trains on, without derived columns: those held out are not among them.

        Raises ProjectError where they are neither here nor in the storage.
        """
        if not paths.TRAIN.is_file():
            storage.pull(paths.TRAIN)
        return pd.read_parquet(paths.TRAIN)

    def columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A line for each column of some rows.

        Its type by the contract, what the model takes it as, the share of missing values, how many different ones there
        are, and the least and the greatest.
        """
        rules, kinds = self.contract.columns, self.params.columns.kinds
        role = {name: kind for kind, names in kinds.items() for name in names}
        role |= {self.params.columns.target: "target", self.params.columns.id: "id"}
        if self.params.columns.time:
            role.setdefault(self.params.columns.time, "time")
        told = {
            name: {
                "type": rules[name].type if name in rules else "derived",
                "used as": role.get(str(name), ""),
                "missing": values.isna().mean(),
                "different": values.nunique(),
                "least": values.dropna().min(),
                "greatest": values.dropna().max(),
            }
            for name, values in rows.items()
        }
        return pd.DataFrame.from_dict(told, orient="index")

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with the columns that `add_features` derives."""
        return with_features(rows, training_code(self.params), self.params.columns)

    def split(self, rows: pd.DataFrame, later: float | str = 0.2) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(rows to fit on, rows to judge by): the latest ones by time, or a share of the ids where there is none.

        `later` is a share, or a stretch of time such as "14 days", as `split.holdout` in params.yaml.
        """
        params = self.params
        if params.columns.time is None:
            if isinstance(later, str):
                raise ProjectError(f"`later` is {later}, but the rows have no time: give a share, such as 0.2")
            hashed = pd.util.hash_array(rows[params.columns.id].to_numpy(dtype=object), hash_key=HASH_KEY)
            chosen = pd.Series(hashed / 2.0**64 < later, index=rows.index)
        else:
            asked = params.model_copy(update={"split": params.split.model_copy(update={"holdout": later})})
            chosen = holdout(rows, asked)
        return rows[~chosen].reset_index(drop=True), rows[chosen].reset_index(drop=True)

    def fit(self, rows: pd.DataFrame, estimator: str | None = None, **params: Any) -> Model:
        """A model as the pipeline makes it, of the first candidate of params.yaml or of another estimator.

        Parameters
        ----------
        rows : DataFrame
            As `rows` gives them.
        estimator : str, optional
            The dotted path of its class, as under `model.candidates`.
        **params
            Of the estimator.
        """
        settings = self.params
        code, columns = training_code(settings), settings.columns
        train = with_features(rows, code, columns)
        refuse_empty(train, columns)
        first = settings_of(settings.model.candidates[:1], 1, settings.model.seed)[0]
        setting = Setting(estimator, params) if estimator else Setting(first.estimator, {**first.params, **params})
        pipeline = fit(
            setting, code.inputs(train, columns.kinds), labels(train, columns, settings.task), settings, code
        )
        card = describe(train, [SearchResult(setting, [], None, True)], settings, code)
        card |= describe_inputs(rows, train, code, columns) | describe_classes(pipeline, settings)
        return Model(
            pipeline, {**card, "threshold": threshold_of(setting, train, settings, code, metrics_code())}, code
        )

    def measure(self, model: Model, rows: pd.DataFrame) -> pd.DataFrame:
        """Each metric of a model on rows that it was not fitted on, with its 95 % interval."""
        scored, (block, weights) = self._scored(model, rows), self._resamples(rows)
        told = {
            name: evaluate.with_interval(metric, scored, block, weights) for name, metric in metrics_for(scored).items()
        }
        return pd.DataFrame.from_dict(told, orient="index")

    def difference(self, model: Model, other: Model, rows: pd.DataFrame) -> pd.DataFrame:
        """Each metric of two models on the same rows, and the difference with its 95 % interval."""
        ours, theirs, (block, weights) = self._scored(model, rows), self._scored(other, rows), self._resamples(rows)
        told = {}
        for name, metric in metrics_for(ours).items():
            between = difference(metric, ours, theirs, block, weights)
            ends = {"difference": between.value, "low": between.low, "high": between.high}
            told[name] = {"this": metric.value(ours), "other": metric.value(theirs), **ends}
        return pd.DataFrame.from_dict(told, orient="index")

    def slices(self, model: Model, rows: pd.DataFrame) -> pd.DataFrame:
        """The primary metric for each value of the columns in `evaluate.slices`, the worst first."""
        params, scored, (block, weights) = self.params, self._scored(model, rows), self._resamples(rows)
        metric = metric_named(params.gates.primary, scored)
        sliceable = evaluate.sliceable(rows, params)
        found = evaluate.slices(sliceable, params, scored, metric, block, weights)
        told = {
            f"{column} = {name}": {"rows": one["rows"], **one[params.gates.primary]}
            for column, by_name in found.items()
            for name, one in by_name.items()
        }
        table = pd.DataFrame.from_dict(told, orient="index", columns=["rows", "value", "low", "high"])
        return table.sort_values("value", ascending=metric.higher_is_better)

    def worst(self, model: Model, rows: pd.DataFrame, count: int = 10) -> pd.DataFrame:
        """The rows that the model is most wrong about, with what it predicts."""
        predictions = model.predict(rows)
        order = np.argsort(-error_of(self._scored(model, rows, predictions)), kind="stable")[:count]
        return rows.iloc[order].join(predictions)

    def _scored(self, model: Model, rows: pd.DataFrame, predictions: pd.DataFrame | None = None) -> Scored:
        truth, positive = rows[self.params.columns.target], model.card["positive"]
        predictions = model.predict(rows) if predictions is None else predictions
        return as_scored(truth, predictions, model.classes, positive, model.threshold, rows)

    def _resamples(self, rows: pd.DataFrame) -> tuple[Array, Array]:
        params = self.params
        block = blocks(rows[params.columns.id], rows[params.columns.time] if params.columns.time else None)
        return block, resamples(block, params.evaluate.n_bootstrap)


def error_of(scored: Scored) -> Array:
    """Of each row: how far the number is off, or how little the true class was believed in."""
    if scored.kind != "multiclass":
        return np.asarray(np.abs(scored.truth - scored.prediction))
    return np.asarray(1 - scored.prediction[np.arange(len(scored.truth)), scored.truth])
