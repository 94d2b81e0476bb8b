"""Where things lie, relative to the project's directory, in which every command and stage runs."""

from pathlib import Path

from ..errors import ProjectError

PARAMS = Path("params.yaml")
CONTRACT = Path("contract.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")

RAW = Path("data/raw")
RAW_POINTER = Path("data/raw.dvc")
TRAIN = Path("data/split/train.parquet")
HOLDOUT = Path("data/split/holdout.parquet")

CHALLENGER = Path("models/challenger")
CHAMPION = Path("models/champion")
CHAMPION_POINTER = Path("models/champion.dvc")

REPORTS = Path("reports")
REFUSED = REPORTS / "refused.md"
VALIDATION = REPORTS / "validation.json"
METRICS = REPORTS / "metrics.json"
SLICES = REPORTS / "slices.json"
IMPORTANCE = REPORTS / "importance.json"
ALTERNATIVES = REPORTS / "alternatives.json"
PLOTS = REPORTS / "plots"
PREDICTIONS = REPORTS / "predictions.parquet"
COMPARISON = REPORTS / "comparison.json"
MODEL_CARD = REPORTS / "model_card.md"
DECISION = REPORTS / "decision.json"
SERVING = REPORTS / "serving.json"
BACKTEST_PAGE = REPORTS / "backtest.html"

PACKAGE = Path("build/model")

STAGES = Path(".dvc/tmp/stages.json")
TRACKED = Path(".dvc/tmp/tracked.json")
TRACKING_SCHEMA = Path(".dvc/tmp/mlflow_schema.json")
BACKTEST = Path(".dvc/tmp/backtest")
STORAGE = Path(".storage")
TRACKING_DATABASE = Path("mlflow.db")
TRACKING_ARTIFACTS = Path("mlartifacts")


def project_root(start: Path) -> Path:
    """The directory that holds `params.yaml` and `dvc.yaml`, at or above `start`.

    Raises ProjectError when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / PARAMS).is_file() and (folder / PIPELINE).is_file():
            return folder
    raise ProjectError(f"{start} is not inside a project: change to the directory that holds {PARAMS}")
