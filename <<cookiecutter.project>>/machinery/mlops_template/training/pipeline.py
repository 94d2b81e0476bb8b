"""Preprocessing and estimator as one scikit-learn pipeline, fitted on training rows only. Yours to change.

What the pipeline takes is made by `inputs` from rows as the contract has them, in training and in production
alike, so that there is one place where the two could differ.
"""

from importlib import import_module
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from ..errors import ProjectError
from ..settings.params import Columns, Task

MISSING = "(missing)"
"""The category that stands for an absent value."""

DAY = pd.Timedelta(days=1)


def inputs(frame: pd.DataFrame, kinds: dict[str, list[str]]) -> pd.DataFrame:
    """The model's inputs: float64 numbers (dates as days since 1970) and text categories.

    `kinds` lists the columns under "numeric", "categorical" and "dates", as `Columns.kinds` does.
    """
    ready: dict[str, Any] = {name: frame[name].astype("float64") for name in kinds["numeric"]}
    for name in kinds["categorical"]:
        ready[name] = as_texts(frame[name]).fillna(MISSING)
    for name in kinds["dates"]:
        ready[name] = (pd.to_datetime(frame[name]) - pd.Timestamp(0)) / DAY
    return pd.DataFrame(ready, index=frame.index)


def as_texts(column: pd.Series) -> pd.Series:
    """Values as text; whole numbers as integers are, though a missing one among them made them floats."""
    if not pd.api.types.is_float_dtype(column):
        return column.astype("str")
    places, values = pd.factorize(column.to_numpy("float64", na_value=float("nan")))
    texts = [str(int(value)) if value.is_integer() else str(value) for value in values.tolist()]
    return pd.Series(pd.array(texts, dtype="str").take(places, allow_fill=True), index=column.index)


def labels(frame: pd.DataFrame, columns: Columns, task: Task) -> NDArray[Any]:
    """The target: float64 for regression, classes as the contract has them for classification."""
    target = frame[columns.target]
    if task == "regression":
        return target.to_numpy(dtype="float64")
    return target.to_numpy(dtype=object if pd.api.types.is_string_dtype(target) else None)


def build(estimator: str, params: dict[str, Any], kinds: dict[str, list[str]], seed: int) -> Pipeline:
    """An unfitted pipeline around the estimator of that dotted path.

    Estimators that take missing values (trees, as a rule) get numbers as they are and categories as codes;
    the others get numbers imputed and scaled and categories one-hot encoded.
    Raises ProjectError when the path or a parameter is wrong.
    """
    model = make_estimator(estimator, params, seed)
    if get_tags(model).input_tags.allow_nan:
        numbers: Any = "passthrough"
        categories: Any = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    else:
        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        categories = OneHotEncoder(handle_unknown="ignore", min_frequency=10)
    columns = ColumnTransformer(
        [("numbers", numbers, kinds["numeric"] + kinds["dates"]), ("categories", categories, kinds["categorical"])]
    )
    return Pipeline([("columns", columns), ("model", model)])


def make_estimator(path: str, params: dict[str, Any], seed: int) -> BaseEstimator:
    """The estimator of that dotted path, seeded where it takes a seed."""
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ProjectError(
            f"model.candidates: {path} cannot be imported ({error}); give the full path of a class, such as "
            "sklearn.linear_model.Ridge, and add its library with `uv add`"
        ) from None
    try:
        model: BaseEstimator = kind(**params)
    except TypeError as error:
        raise ProjectError(f"model.candidates: {path}: {error}") from None
    if "random_state" in model.get_params() and "random_state" not in params:
        model.set_params(random_state=seed)
    return model
