"""A BentoML service around the joblib pipeline: MODEL=models/champion bentoml serve bento:Flights."""

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import joblib
import pandas as pd

MODEL = Path(os.environ["MODEL"])


@bentoml.service(workers=1)
class Flights:
    """One process."""

    def __init__(self) -> None:
        self.numeric = json.loads((MODEL / "card.json").read_text())["features"]["numeric"]
        self.pipeline = joblib.load(MODEL / "model.joblib")

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        frame = pd.DataFrame(rows)
        frame[self.numeric] = frame[self.numeric].astype("float64")
        return self.pipeline.predict_proba(frame).tolist()
