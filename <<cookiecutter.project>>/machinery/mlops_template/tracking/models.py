"""A model directory as an MLflow model: the same bytes, with a signature and an example of its input."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from .store import Store

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from ..training.artifact import Model


def _load_pyfunc(data_path: str) -> "Model":
    """What MLflow calls: `mlflow.pyfunc.load_model("models:/<project>@champion").predict(frame)` gives the
    predictions of `Model.predict`, wherever the project is installed."""
    from ..training.artifact import load_model

    return load_model(Path(data_path))


def log_model(store: Store, run_id: str, directory: Path, digest: str) -> str:
    """Log a model directory as an output of a run, and give its `models:/` URI.

    The pipeline is not loaded: a model of old code or libraries is logged like any other.
    """
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model as Description

    card = read(directory / "card.json")
    libraries = [f"{name}=={number}" for name, number in card["versions"].items() if name != "python"]
    kind = card["estimator"].rpartition(".")[2]
    logged = store.client.create_logged_model(store.experiment, "model", run_id, {"digest": digest}, model_type=kind)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=__name__,
            data_path=str(directory),
            mlflow_model=Description(run_id=run_id, model_id=logged.model_id),
            pip_requirements=libraries,
            signature=signature_of(directory),
            input_example=example(directory),
        )
        store.client.log_model_artifacts(logged.model_id, str(folder))
    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return f"models:/{logged.model_id}"


def read(file: Path) -> dict[str, Any]:
    """A JSON file of the model."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def example(directory: Path) -> pd.DataFrame:
    """The golden rows as a frame: numbers as float64, so that a missing one is no surprise."""
    card = read(directory / "card.json")
    frame = pd.DataFrame(read(directory / "golden.json")["rows"], columns=list(card["request"]))
    types = {name: "float64" for name in card["features"]["numeric"] if name in card["request"]}
    dates = {name: "datetime64[ns]" for name, dtype in card["request"].items() if dtype.startswith("datetime")}
    return frame.astype(types | dates | {name: "datetime64[ns]" for name in card["features"]["dates"] if name in frame})


def signature_of(directory: Path) -> "ModelSignature":
    """The columns that the model takes and gives, with their types; a category may be of any."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    card = read(directory / "card.json")
    any_type: Any = AnyType
    types: dict[str, Any] = dict.fromkeys(card["features"]["numeric"], DataType.double)
    types |= dict.fromkeys(card["features"]["dates"], DataType.datetime)
    types |= {name: DataType.datetime for name, dtype in card["request"].items() if dtype.startswith("datetime")}
    takes: Any = [ColSpec(types.get(name, any_type()), name) for name in card["request"]]
    gives: Any = [ColSpec(DataType.double, name) for name in read(directory / "golden.json")["predictions"][0]]
    return ModelSignature(Schema(takes), Schema(gives))
