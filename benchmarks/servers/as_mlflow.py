"""The champion as an MLflow model: python as_mlflow.py models/champion FOLDER."""

import json
import sys
from pathlib import Path

import joblib
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

model, folder = Path(sys.argv[1]), Path(sys.argv[2])
pipeline = joblib.load(model / "model.joblib")
features = json.loads((model / "card.json").read_text())["features"]
rows = pd.DataFrame(json.loads((model / "golden.json").read_text())["rows"])
rows[features["numeric"]] = rows[features["numeric"]].astype("float64")
mlflow.sklearn.save_model(
    pipeline,
    folder,
    serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"],
    signature=infer_signature(rows, pipeline.predict_proba(rows)),
    pyfunc_predict_fn="predict_proba",
)
