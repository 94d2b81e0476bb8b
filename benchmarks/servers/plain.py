"""FastAPI as most people would write it: a pydantic model for the row, pandas, the joblib pipeline.

MODEL=models/champion uvicorn plain:app
"""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import ConfigDict, create_model

MODEL = Path(os.environ["MODEL"])
features = json.loads((MODEL / "card.json").read_text())["features"]
pipeline = joblib.load(MODEL / "model.joblib")
fields: dict[str, Any] = dict.fromkeys(features["numeric"], (float | None, None))
fields |= dict.fromkeys(features["categorical"], (str, ...))
Row = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)
app = FastAPI()


def answer(rows: list[Any]) -> list[dict[str, float]]:
    """The pipeline's probabilities."""
    frame = pd.DataFrame([row.model_dump() for row in rows])
    frame[features["numeric"]] = frame[features["numeric"]].astype("float64")
    return pd.DataFrame(pipeline.predict_proba(frame), columns=["no", "yes"]).to_dict(orient="records")


@app.get("/health")
def health() -> str:
    return "alive"


@app.post("/predict")
def predict(row: Row) -> dict[str, float]:  # type: ignore[valid-type]
    return answer([row])[0]


@app.post("/batch")
def batch(rows: list[Row]) -> list[dict[str, float]]:  # type: ignore[valid-type]
    return answer(rows)
