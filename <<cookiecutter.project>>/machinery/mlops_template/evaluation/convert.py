"""A fitted pipeline as an ONNX model, and that model's predictions.

What it takes and gives is described in `serving/runtime.py`.
"""

import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from ..serving.runtime import CATEGORIES, NUMBERS, PREDICTIONS, session_of
from . import converters

MAX_NODES = 2_000_000
"""Nodes of all trees up to which a model is converted: so many take 1.6 GB and 16 seconds."""

CONVERSION_TIMEOUT = 60
"""That a conversion may take: some converters would take days."""

BATCH = 10_000

Feeds = dict[str, NDArray[Any]]
Session = Any  # onnxruntime.InferenceSession, which is imported where it is needed only


class Unfit(Exception):
    """Why a model is not served by ONNX Runtime, in one line."""


def convert(pipeline: Pipeline, kinds: dict[str, list[str]], classifies: bool) -> bytes:
    """The pipeline as an ONNX model, the same bytes for the same pipeline. Raises Unfit when that cannot be done."""
    nodes = sum(tree_nodes(part) for part in parts_of(pipeline))
    if nodes > MAX_NODES:
        raise Unfit(f"its trees have {nodes:,} nodes, too many to convert in a reasonable time")
    package = converters.boosting_package(parts_of(pipeline))
    numeric, categorical = kinds["numeric"] + kinds["dates"], kinds["categorical"] + kinds["text"]
    single = [f"category_{number}" for number in range(len(categorical))]
    # A column each, since encoders of categories are converted only from such.
    taken = numeric + categorical
    frame = [name for names in kinds.values() for name in names]
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
        from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

        types = [(NUMBERS, FloatTensorType([None, len(numeric)]))] if numeric else []
        types += [(name, StringTensorType([None, 1])) for name in single]
        with columns_by_place(pipeline, frame, taken), time_limit(CONVERSION_TIMEOUT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = convert_sklearn(
                pipeline,
                name="model",
                initial_types=types,
                final_types=[*([("label", None)] if classifies else []), (PREDICTIONS, None)],
                options={id(pipeline): {"zipmap": False}} if classifies else None,
                target_opset=converters.register(package),
                custom_conversion_functions={OneHotEncoder: converters.convert_one_hot},
            )
        model = select_model_inputs_outputs(whole, PREDICTIONS)
        send_missing_values(model, pipeline)
        return join_categories(model, single)
    except Exception as error:  # a converter may stumble over anything that it does not know
        raise Unfit(f"it cannot be converted to ONNX ({why(error)}){converters.advice(package)}") from None


def join_categories(model: Any, single: list[str]) -> bytes:
    """The ONNX model with one input for all categorical columns in place of one for each."""
    from onnx import TensorProto, helper

    graph = model.graph
    if single:
        kept = [value for value in graph.input if value.name not in single]
        del graph.input[:]
        together = helper.make_tensor_value_info(CATEGORIES, TensorProto.STRING, [None, len(single)])
        graph.input.extend([*kept, together])
        graph.initializer.append(
            helper.make_tensor("category_widths", TensorProto.INT64, [len(single)], [1] * len(single))
        )
        graph.node.insert(0, helper.make_node("Split", [CATEGORIES, "category_widths"], single, "categories", axis=1))
    versions = sorted(model.opset_import, key=lambda one: one.domain)  # skl2onnx has them in another order each time
    del model.opset_import[:]
    model.opset_import.extend(versions)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def send_missing_values(model: Any, pipeline: Pipeline) -> None:
    """Tell a forest's ONNX form which way its trees send missing values, as skl2onnx does for boosting alone."""
    trees = [part.tree_ for part in parts_of(pipeline) if hasattr(part, "tree_")]
    ways = [int(left) for tree in trees for left in tree.missing_go_to_left * (tree.children_left >= 0)]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_missing_value_tracks_true" and len(attribute.ints) == len(ways):
                attribute.ints[:] = ways


@contextmanager
def columns_by_place(pipeline: Pipeline, frame: list[str], taken: list[str]) -> Iterator[None]:
    """For the time being, columns of `frame` are chosen by their place in `taken`: an ONNX model knows no names."""
    selectors = [part for part in parts_of(pipeline) if takes(part, frame)]
    before = [part.transformers_ for part in selectors]
    places = pd.Series([taken.index(name) for name in frame], index=frame)
    try:
        for part in selectors:
            part.transformers_ = [(name, step, chosen(places, columns)) for name, step, columns in part.transformers_]
        yield
    finally:
        for part, transformers in zip(selectors, before, strict=True):
            part.transformers_ = transformers


def takes(part: Any, frame: list[str]) -> bool:
    """Whether it chooses columns from the pipeline's inputs."""
    return isinstance(part, ColumnTransformer) and list(getattr(part, "feature_names_in_", ())) == frame


def chosen(places: Any, columns: Any) -> list[int]:
    """The places of columns that are given in one of the ways that scikit-learn knows: names, numbers, mask, slice."""
    several = [columns] if isinstance(columns, str | int) else columns
    if isinstance(several, slice):
        named = any(isinstance(end, str) for end in (several.start, several.stop))
    else:
        named = len(several) > 0 and isinstance(several[0], str)
    selected = places.loc[several] if named else places.iloc[several]
    return [int(place) for place in selected]


def parts_of(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """A fitted pipeline and everything within, its estimators among them."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        inner = list(thing.values())
    elif isinstance(thing, list | tuple) or (isinstance(thing, np.ndarray) and thing.dtype == object):
        inner = list(np.ravel(thing)) if isinstance(thing, np.ndarray) else list(thing)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type | ModuleType | FunctionType):
        yield thing
        inner = list(vars(thing).values())
    else:
        return
    for part in inner:
        yield from parts_of(part, seen)


def tree_nodes(part: Any) -> int:
    """The nodes of an estimator that is a tree, or a tree of gradient boosting; else none."""
    nodes = getattr(part, "nodes", None)
    return len(nodes) if nodes is not None else int(getattr(getattr(part, "tree_", None), "node_count", 0))


def load(content: bytes, threads: int = 1) -> Session:
    """An ONNX model, ready to predict. Raises Unfit when it is none that ONNX Runtime runs."""
    try:
        return session_of(content, threads)
    except ImportError:
        raise Unfit("onnxruntime is not installed: there is none for this kind of machine") from None
    except Exception as error:  # of onnxruntime's own kinds, which have nothing else in common
        raise Unfit(f"ONNX Runtime does not load it ({one_line(error)})") from None


def predict(session: Session, feeds: Feeds) -> NDArray[Any]:
    """The predictions of an ONNX model, one row each. Raises Unfit when there are none."""
    rows = len(next(iter(feeds.values())))
    parts = []
    try:
        for start in range(0, rows, BATCH):
            batch = {name: values[start : start + BATCH] for name, values in feeds.items()}
            parts += session.run([PREDICTIONS], batch)
    except Exception as error:  # as above
        raise Unfit(f"ONNX Runtime does not run it ({one_line(error)})") from None
    predictions = np.concatenate(parts)
    if not np.isfinite(predictions).all():
        raise Unfit("ONNX Runtime predicts no number for some rows")
    return predictions


def feeds(ready: pd.DataFrame, kinds: dict[str, list[str]]) -> Feeds:
    """A pipeline's inputs as those of its ONNX model."""
    numeric, texts = kinds["numeric"] + kinds["dates"], kinds["categorical"] + kinds["text"]
    arrays: Feeds = {NUMBERS: ready[numeric].to_numpy(dtype="float32")} if numeric else {}
    return arrays | ({CATEGORIES: ready[texts].to_numpy(dtype=object)} if texts else {})


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer. Not on Windows and in other threads, which have no alarm."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def why(error: Exception) -> str:
    """Why a conversion failed: mostly, since there is no converter for a class, which skl2onnx says at length."""
    unknown = re.match(r"Unable to find .* for type '<class '([\w.]+)'>'", str(error))
    return f"there is no converter for {unknown[1].rpartition('.')[2]}" if unknown else one_line(error)


def one_line(error: Exception) -> str:
    """What an error says, as far as its first line goes and is readable."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
