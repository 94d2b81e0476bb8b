"""How MLflow loads a logged model: `mlflow.pyfunc.load_model("models:/<project>@champion").predict(frame)`."""

from pathlib import Path

from ..model.artifact import Model, load_model


def _load_pyfunc(data_path: str) -> Model:
    """The model of a logged directory; the name is what MLflow looks for."""
    return load_model(Path(data_path))
