"""The packaged model as a function from arrays to predictions: ONNX Runtime, or the scikit-learn pipeline.

The ONNX graph takes "numbers" (float32 [rows, numeric columns then dates as days since 1970], NaN where missing) and
"categories" (text [rows, categorical columns then texts], as `inputs.py` makes them), each only where there is such a
column, and gives "predictions": [rows, classes] probabilities, or [rows, 1] predictions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ProjectError
from .files import CARD_FILE, GOLDEN_FILE, ONNX_FILE, PIPELINE_FILE, RELEASE_FILE, SERVING_FILE, difference, read
from .model_code import INPUTS, ModelCode, read_code
from .rows import Batch, Decoder, Derivation, RequestRejected
from .schema import Schema, load_schema

NUMBERS, CATEGORIES, PREDICTIONS = "numbers", "categories", "predictions"

Predict = Callable[[NDArray[np.float64], NDArray[np.object_]], NDArray[Any]]
"""From numbers [rows, n] and categories [rows, m] to [rows, names]."""


@dataclass(frozen=True)
class Served:
    """A model that has been loaded, with what its package says of it."""

    schema: Schema
    predict: Predict
    names: list[str]
    """What each column of the predictions is."""
    golden_rows: Batch
    """Decoded once: each time it would cost more than the model."""
    card: dict[str, Any]
    code: ModelCode
    golden: dict[str, Any]
    serving: dict[str, Any]
    release: dict[str, Any]

    def decoder(self, max_rows: int) -> Decoder:
        """Turns bodies of so many rows into what `predict` takes."""
        return decoder(self.schema, self.card, self.code, max_rows)

    def fault(self) -> str | None:
        """What is wrong with the predictions for the golden rows, None when they are what they were in training."""
        predictions = self.predict(self.golden_rows.numbers, self.golden_rows.categories).tolist()
        return difference(
            [dict(zip(self.names, one, strict=True)) for one in predictions],
            self.golden["predictions"],
            self.serving["tolerance"],
        )


def load(directory: Path) -> Served:
    """The model of a package. Raises ProjectError when it is damaged or predicts its golden rows otherwise."""
    schema = load_schema(directory)
    card, golden = read(directory / CARD_FILE), read(directory / GOLDEN_FILE)
    serving, release = read(directory / SERVING_FILE), read(directory / RELEASE_FILE)
    code = read_code(directory).register()
    try:
        if serving["runtime"] == "onnx":
            predict = by_onnx(directory / ONNX_FILE, card)
        else:
            predict = by_pipeline(load_pipeline(directory / PIPELINE_FILE), card)
        rows = golden_batch(decoder(schema, card, code, max(1, len(golden["rows"]))), golden["rows"])
        served = Served(schema, predict, prediction_names(card), rows, card, code, golden, serving, release)
        fault = served.fault()
    except ProjectError:
        raise
    except ModuleNotFoundError as error:
        raise ProjectError(
            f"the model in {directory} needs {error.name}, which is not installed here: add its library to the group "
            "serving-sklearn of pyproject.toml, which an image has, and `uv sync`"
        ) from None
    except RequestRejected as rejected:
        raise ProjectError(f"the golden rows of the model in {directory} are refused: {rejected.detail}") from None
    except Exception as error:  # whatever a damaged file makes a library raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ProjectError(f"the model in {directory} does not run ({reason:.300}): package it again") from None
    if fault:
        raise ProjectError(f"the model in {directory} does not predict as it did in training: {fault}")
    return served


def decoder(schema: Schema, card: dict[str, Any], code: ModelCode, max_rows: int) -> Decoder:
    """The way from a request's body to the model's inputs, by the code that the model carries."""
    return Decoder(schema, max_rows, code, derivation(card, code) if card["derived"] else None)


def derivation(card: dict[str, Any], code: ModelCode) -> Derivation:
    """The way of a model with derived inputs: through a DataFrame and the owner's features."""
    import pandas as pd

    dtypes: dict[str, str] = card["request"]
    kinds: dict[str, list[str]] = card["features"]
    numbers, categories = kinds["numeric"] + kinds["dates"], kinds["categorical"] + kinds["text"]

    def derive(rows: list[tuple[Any, ...]], names: list[str]) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
        frame: pd.DataFrame = code.module(INPUTS).frame(rows, {name: dtypes[name] for name in names})
        ready: pd.DataFrame = code.inputs(code.add_features(frame[list(dtypes)]), kinds)
        return ready[numbers].to_numpy("float64"), ready[categories].to_numpy(dtype=object)

    return Derivation(derive, frozenset(name for name, dtype in dtypes.items() if dtype.startswith(("int", "bool"))))


def golden_batch(decode: Decoder, rows: list[dict[str, Any]]) -> Batch:
    """The golden rows as the model takes them. Raises RequestRejected, also where there are none."""
    if not rows:
        raise RequestRejected(422, f"there is no row in {GOLDEN_FILE}")
    return decode(json.dumps(rows).encode())


def prediction_names(card: dict[str, Any]) -> list[str]:
    """What each prediction is called, as in golden.json and wherever predictions are written."""
    if card["classes"] is None:
        return ["prediction"]
    return [f"probability_{name}" for name in card["classes"]]


def decide(card: dict[str, Any]) -> Callable[[NDArray[Any]], list[Any]] | None:
    """From predictions [rows, classes] to the class decided for in each row; None for regression.

    Of two classes the positive one is decided for where its probability is above the model's threshold.
    """
    classes = card["classes"]
    if classes is None:
        return None
    if card["threshold"] is None:
        return lambda predictions: [classes[place] for place in predictions.argmax(axis=1).tolist()]
    place, threshold = classes.index(card["positive"]), card["threshold"]
    other, positive = classes[1 - place], classes[place]
    return lambda predictions: [positive if above else other for above in (predictions[:, place] > threshold).tolist()]


def answers(predictions: NDArray[Any], decided: Callable[[NDArray[Any]], list[Any]] | None) -> list[list[Any]]:
    """What is answered for each row: its predictions and, of a classification, the class decided for."""
    values: list[list[Any]] = predictions.tolist()
    if decided:
        for row, decision in zip(values, decided(predictions), strict=True):
            row.append(decision)
    return values


def by_onnx(model: Path | bytes, card: dict[str, Any]) -> Predict:
    """The graph on one thread: a service has as many processes as it is given cores."""
    session, kinds = session_of(model), card["features"]
    takes_numbers = bool(kinds["numeric"] or kinds["dates"])
    takes_categories = bool(kinds["categorical"] or kinds["text"])

    def predict(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[Any]:
        feeds: dict[str, NDArray[Any]] = {}
        if takes_numbers:
            feeds[NUMBERS] = numbers.astype(np.float32)
        if takes_categories:
            feeds[CATEGORIES] = categories
        predictions: NDArray[Any] = session.run([PREDICTIONS], feeds)[0]
        return predictions

    return predict


def session_of(model: Path | bytes, threads: int = 1) -> Any:
    """A session of ONNX Runtime, whose errors have nothing in common."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits takes no core
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load_pipeline(path: Path) -> Any:
    """The fitted pipeline. A pickle runs code: it is loaded where the package says so and nowhere else."""
    import joblib

    return joblib.load(path)


def by_pipeline(pipeline: Any, card: dict[str, Any]) -> Predict:
    """The scikit-learn pipeline itself."""
    import pandas as pd

    kinds: dict[str, list[str]] = card["features"]
    predict_rows = pipeline.predict if card["classes"] is None else pipeline.predict_proba
    number_names, category_names = kinds["numeric"] + kinds["dates"], kinds["categorical"] + kinds["text"]
    order = [name for names in kinds.values() for name in names]

    def predict(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[Any]:
        columns: dict[str, Any] = {name: numbers[:, place] for place, name in enumerate(number_names)}
        columns |= {name: pd.Series(categories[:, place], dtype="str") for place, name in enumerate(category_names)}
        predictions: NDArray[Any] = predict_rows(pd.DataFrame(columns)[order])
        return predictions.reshape(len(predictions), -1)

    return predict
