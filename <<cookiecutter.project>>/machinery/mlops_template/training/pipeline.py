"""The pipeline of a setting: the owner's, around the estimator of a dotted path."""

from importlib import import_module
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from ..errors import ProjectError
from ..owner.modules import own_code, own_estimators
from ..serving.model_code import ModelCode
from ..settings.params import Columns, Params, Task

PIPELINE = "pipeline"

THREADED: dict[str, dict[str, Any]] = {"lightgbm": {"deterministic": True}, "xgboost": {}}
"""Packages whose estimators take all cores, and are written with their number, unless they are told one; and what else
makes them the same to the byte on every machine."""


def training_code(params: Params) -> ModelCode:
    """What the models that are trained now carry: features, pipeline, and estimators of the owner's own."""
    modules = own_estimators(candidate.estimator for candidate in params.model.candidates)
    own = [module.partition(".")[2] for module in modules]
    return own_code("features", "pipeline", *own)


def labels(frame: pd.DataFrame, columns: Columns, task: Task) -> NDArray[Any]:
    """The target: float64 for regression, classes as the contract has them for classification."""
    target = frame[columns.target]
    if task == "regression":
        return target.to_numpy(dtype="float64")
    return target.to_numpy(dtype=object if pd.api.types.is_string_dtype(target) else None)


def build(
    code: ModelCode, estimator: str, params: dict[str, Any], kinds: dict[str, list[str]], seed: int, threads: int = 1
) -> Pipeline:
    """The owner's unfitted pipeline around the estimator of that dotted path.

    Raises ProjectError when the path or a parameter is wrong, or the owner's code fails.
    """
    model = make_estimator(code, estimator, params, seed, threads)
    pipeline = code.call(PIPELINE, "make_pipeline", model, kinds, seed)
    if not isinstance(pipeline, Pipeline):
        raise ProjectError(
            f"{code.folder / PIPELINE}.py: make_pipeline returned a {type(pipeline).__name__}: return a scikit-learn "
            "Pipeline"
        )
    return pipeline


def fit_pipeline(
    pipeline: Pipeline, name: str, params: dict[str, Any], ready: pd.DataFrame, target: NDArray[Any], task: Task
) -> None:
    """Fit what `build` made of the estimator of that name and its parameters.

    Raises ProjectError when it does not take these inputs, or gives no probabilities of classes.
    """
    fit_steps(pipeline, name, params, ready, target)
    if task == "classification" and not hasattr(pipeline, "predict_proba"):
        raise ProjectError(
            f"model.candidates: {name} gives no probabilities: wrap it in sklearn.calibration's "
            "CalibratedClassifierCV in make_pipeline of pipeline.py"
        )


def fit_steps(steps: Pipeline, name: str, params: dict[str, Any], ready: pd.DataFrame, target: NDArray[Any]) -> None:
    """Fit some steps of the pipeline around that estimator. Raises ProjectError when they do not take these inputs."""
    try:
        steps.fit(ready, target)
    except (TypeError, ValueError) as error:  # scikit-learn raises the first for sparse inputs
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if "sparse" in reason.lower():
            reason += "; sparse_threshold=0 in pipeline.py gives it dense inputs"
        raise ProjectError(f"model.candidates: {name} with {params}: {reason}") from None


def make_estimator(code: ModelCode, path: str, params: dict[str, Any], seed: int, threads: int) -> BaseEstimator:
    """The estimator of that dotted path, seeded where it takes a seed. One of the owner's own comes from the code."""
    module, _, name = path.rpartition(".")
    package, _, own = module.partition(".")
    try:
        owned = package == code.folder.name and own in code.files
        kind = getattr(code.module(own) if owned else import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ProjectError(
            f"model.candidates: {path} cannot be imported ({error}); give the full path of a class, such as "
            "sklearn.linear_model.Ridge, and add its library with `uv add`"
        ) from None
    try:
        model: BaseEstimator = kind(**reproducible(package, params, threads))
    except TypeError as error:
        raise ProjectError(f"model.candidates: {path}: {error}") from None
    if not isinstance(model, BaseEstimator):
        raise ProjectError(
            f"model.candidates: {path} is no scikit-learn estimator: derive its class from sklearn.base's "
            "ClassifierMixin or RegressorMixin, and after that from BaseEstimator"
        )
    if "random_state" in model.get_params() and "random_state" not in params:
        model.set_params(random_state=seed)
    return model


def reproducible(package: str, params: dict[str, Any], threads: int) -> dict[str, Any]:
    """The parameters of an estimator, with those that make it the same on every machine where they do not say it."""
    if package not in THREADED:
        return params
    added = {"n_jobs": threads, **THREADED[package]}
    if package == "lightgbm" and "force_col_wise" not in params:  # else it measures which of the two is faster here
        added["force_row_wise"] = True
    return added | params
