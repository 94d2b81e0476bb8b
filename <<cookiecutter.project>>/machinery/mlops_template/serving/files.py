"""The files of a packaged model, and whether its predictions are those of training."""

import json
from pathlib import Path
from typing import Any

from ..errors import ProjectError

ONNX_FILE = "model.onnx"
PIPELINE_FILE = "model.joblib"
SCHEMA_FILE = "schema.json"
CARD_FILE = "card.json"
GOLDEN_FILE = "golden.json"
SERVING_FILE = "serving.json"
RELEASE_FILE = "release.json"
TRYING = {"Content-Type": "application/json", "Prediction-Log": "off"}
"""The headers of a request that only tries the service: its rows are nobody's, and monitoring is not to see them."""

SHADOW = "shadow"
"""The folder of a package that holds the package of another model, which predicts the same requests unseen."""


def read(path: Path) -> dict[str, Any]:
    """A JSON file of a package. Raises ProjectError when it is not there or damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProjectError(f"{path} cannot be read ({error.strerror}): make it with `deploy package`") from None
    except ValueError as error:
        raise ProjectError(f"{path} is damaged ({error}): make it with `deploy package`") from None
    return content


def difference(predictions: list[dict[str, Any]], expected: list[dict[str, float]], tolerance: float) -> str | None:
    """The first prediction that is off by more than the tolerance, None where none is."""
    if len(predictions) != len(expected):
        return f"{len(predictions)} predictions for {len(expected)} rows"
    for row, (predicted, golden) in enumerate(zip(predictions, expected, strict=True)):
        for name, value in golden.items():
            if name not in predicted:
                return f"row {row} has no {name}"
            if not abs(predicted[name] - value) <= tolerance:
                return f"row {row} has {name} {predicted[name]:.6g} instead of {value:.6g}"
    return None
