"""A model as a directory: written by `train`, read by everything after it.

It holds only what the inputs of training determine, so that the same inputs give the same bytes: no time,
no commit, no run id.
"""

import copyreg
import io
import json
import pickle
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from joblib.numpy_pickle import NumpyPickler
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from ..errors import ProjectError
from ..owner.dependencies import PACKAGE, imports_of
from ..render.json_file import write_json
from ..serving.model_code import INPUTS, ModelCode, read_code
from .card import CARD_FILE, load_card
from .records import as_records

PIPELINE_FILE = "model.joblib"
GOLDEN_FILE = "golden.json"

GOLDEN_ROWS = 10

TOLERANCES = {"float64": 1e-6, "float32": 1e-4}
"""Relative difference from the golden predictions, by their precision, that still counts as the same model."""


@dataclass(frozen=True)
class Model:
    """A fitted pipeline with its card, and the code that makes its inputs."""

    pipeline: Pipeline
    card: dict[str, Any]
    code: ModelCode

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the code has to be known before the pipeline is loaded."""
        content = io.BytesIO()
        joblib.dump(self.pipeline, content)
        return unpickled, (content.getvalue(), self.card, self.code)

    @property
    def classes(self) -> list[Any] | None:
        """The classes in the order of their probabilities, None for regression."""
        classes: list[Any] | None = self.card["classes"]
        return classes

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The model's inputs by kind, in the order in which it takes them."""
        kinds: dict[str, list[str]] = self.card["features"]
        return kinds

    @property
    def threshold(self) -> float | None:
        """Of two classes, the positive one is decided for above this probability; None where there are not two."""
        threshold: float | None = self.card["threshold"]
        return threshold

    @property
    def request(self) -> dict[str, str]:
        """The columns that a row needs, with their types in pandas: inputs, and what the derived ones come from."""
        request: dict[str, str] = self.card["request"]
        return request

    def inputs(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The pipeline's inputs, made by the model's own code from rows as the contract has them."""
        added = self.code.add_features(rows) if self.card["derived"] else rows
        ready: pd.DataFrame = self.code.inputs(added, self.kinds)
        return ready

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The predictions for rows as the contract has them, with the same index.

        One column `prediction` for regression, else one `probability_<class>` for each class.
        """
        return self.predict_inputs(self.inputs(rows))

    def predict_inputs(self, ready: pd.DataFrame) -> pd.DataFrame:
        """The same for what `inputs` gave."""
        if self.classes is None:
            return pd.DataFrame({"prediction": self.pipeline.predict(ready)}, index=ready.index)
        names = [f"probability_{name}" for name in self.classes]
        return pd.DataFrame(self.pipeline.predict_proba(ready), columns=names, index=ready.index)


def unpickled(pipeline: bytes, card: dict[str, Any], code: ModelCode) -> Model:
    """A model that comes from another process."""
    code.register()
    return Model(joblib.load(io.BytesIO(pipeline)), card, code)


def save_model(directory: Path, model: Model, golden: pd.DataFrame) -> None:
    """Write the model with its code, a few golden rows and their predictions."""
    directory.mkdir(parents=True, exist_ok=True)
    with same_bytes():
        joblib.dump(model.pipeline, directory / PIPELINE_FILE, compress=("zlib", 3))
    model.code.write(directory)
    write_json(directory / CARD_FILE, model.card)
    rows = as_records(golden[list(model.request)])
    predictions = model.predict(golden).to_dict(orient="records")
    write_json(directory / GOLDEN_FILE, {"rows": rows, "predictions": predictions})


@contextmanager
def same_bytes() -> Iterator[None]:
    """For the time being, joblib writes the same content as the same bytes in every process.

    By itself it writes a set in an order that differs from process to process, and a tensor of PyTorch in an older
    format that names it by its address in memory.
    """
    torch, dispatch = sys.modules.get("torch"), NumpyPickler.dispatch
    kinds, before = [torch.UntypedStorage, torch.TypedStorage] if torch else [], dict(dispatch)

    def save_set(pickler: Any, content: set[Any] | frozenset[Any]) -> None:
        try:
            ordered = sorted(content)
        except TypeError:
            before[type(content)](pickler, content)
        else:
            pickler.save_reduce(type(content), (ordered,), obj=content)

    def reduced(storage: Any) -> tuple[Any, ...]:
        written = io.BytesIO()
        sys.modules["torch"].save(storage, written)
        rebuild, _ = storage.__reduce__()  # reads both formats
        return rebuild, (written.getvalue(),)

    dispatch.update({set: save_set, frozenset: save_set})
    for kind in kinds:
        copyreg.pickle(kind, reduced)
    try:
        yield
    finally:
        dispatch.update(before)
        for kind in kinds:
            copyreg.dispatch_table.pop(kind)


def load_model(directory: Path) -> Model:
    """The model of a directory, once it has predicted its golden rows as it did when it was trained.

    Raises ProjectError when there is none, or when it does not load or predict here as it did.
    """
    card = load_card(directory)
    trained_with, here = card["versions"]["scikit-learn"], version("scikit-learn")
    try:
        code = read_code(directory).register()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            model = Model(joblib.load(directory / PIPELINE_FILE), card, code)
            if predicts_golden_rows(model, directory):
                return model
    except FileNotFoundError as error:
        raise ProjectError(f"{directory} is incomplete ({Path(error.filename).name} is missing): `pull`") from None
    except (EOFError, pickle.UnpicklingError, struct.error, zlib.error) as error:
        raise ProjectError(f"{directory / PIPELINE_FILE} is damaged ({error}): delete {directory} and `pull`") from None
    except ModuleNotFoundError as error:
        raise ProjectError(
            f"the model in {directory} needs {error.name}, which is not installed here: `uv sync`"
        ) from None
    except (ImportError, AttributeError, TypeError, ValueError, KeyError) as error:
        if trained_with == here:
            raise ProjectError(
                f"the model in {directory} does not load ({type(error).__name__}: {error}): delete {directory} and "
                "`pull`, or train again with `run`"
            ) from None
        raise ProjectError(
            f"the model in {directory} was trained with scikit-learn {trained_with} and does not load or predict "
            f"with {here} ({type(error).__name__}: {error}): {other_library(trained_with)}"
        ) from None
    if trained_with == here:
        raise ProjectError(
            f"the model in {directory} predicts its golden rows otherwise than when it was trained: a library it uses, "
            "or something outside its code that its features read, has changed; train again with `run`"
        )
    raise ProjectError(
        f"the model in {directory} was trained with scikit-learn {trained_with} and predicts otherwise "
        f"with {here}: {other_library(trained_with)}"
    )


def other_library(version: str) -> str:
    """The way out where a model needs another scikit-learn."""
    return f"install scikit-learn {version} (`uv add scikit-learn=={version}`) or train again with `run`"


def golden_rows(directory: Path, model: Model) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The golden rows of a model, as the contract has them, and its predictions when it was trained."""
    golden = json.loads((directory / GOLDEN_FILE).read_text(encoding="utf-8"))
    rows = [[row[name] for name in model.request] for row in golden["rows"]]
    return model.code.module(INPUTS).frame(rows, model.request), pd.DataFrame(golden["predictions"])


def predicts_golden_rows(model: Model, directory: Path) -> bool:
    """Whether the model still predicts its golden rows as it did when it was trained."""
    rows, expected = golden_rows(directory, model)
    predicted = model.predict(rows).to_numpy()
    tolerance = TOLERANCES.get(str(predicted.dtype), TOLERANCES["float64"])
    return bool(np.allclose(predicted, expected.to_numpy(), rtol=tolerance, atol=1e-9))


def versions(estimator: str, code: ModelCode) -> dict[str, str]:
    """The versions of what determines the model's bytes: Python, the estimator's library, what its code imports."""
    installed = {"python": ".".join(map(str, sys.version_info[:2]))}
    imported = {name for source in code.files.values() for name in imports_of(source, code.package, "")}
    always = {estimator, "sklearn", "numpy", "scipy", "pandas", "joblib"}
    modules = {name.partition(".")[0] for name in always | imported} - {PACKAGE, code.folder.name}
    names = packages_distributions()  # a module's name is not its library's, as with sklearn
    for library in sorted({library for module in modules for library in names.get(module, ())}):
        installed[library] = version(library)
    return installed


def window(times: pd.Series | None) -> dict[str, str | None]:
    """The first and the last moment of some rows."""
    if times is None:
        return {"first": None, "last": None}
    return {"first": times.min().isoformat(), "last": times.max().isoformat()}
