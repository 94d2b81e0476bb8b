"""A small project in a temporary directory, and six hundred real flights to fill it with.

The tests have settings of their own, so that they hold whatever `params.yaml` is about by now.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from << cookiecutter.__package >>.data.contract import load_contract
from << cookiecutter.__package >>.data.ingest import Ingested, ingest
from << cookiecutter.__package >>.params import load_params

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "files", "files": {"paths": ["incoming/*"]}},
    "columns": {
        "id": "flight_id",
        "time": "departure",
        "target": "late",
        "positive": 1,
        "numeric": ["distance", "departure_minute", "wind_gust"],
        "categorical": ["carrier", "origin"],
    },
    "split": {"holdout": "28 days"},
    "model": {"candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"}]},
    "gates": {"primary": "roc_auc"},
}

CONTRACT: dict[str, Any] = {
    "flight_id": {"type": "string", "unique": True},
    "departure": {"type": "datetime"},
    "carrier": {"type": "string"},
    "origin": {"type": "string", "allowed": ["EWR", "JFK", "LGA"]},
    "distance": {"type": "integer", "min": 0, "max": 6000},
    "departure_minute": {"type": "integer", "min": 0, "max": 1439},
    "wind_gust": {"type": "number", "min": 0, "max": 300, "nullable": True},
    "late": {"type": "integer", "allowed": [0, 1]},
    "arrival_delay": {"type": "number"},
}

Change = Callable[..., None]
Deliver = Callable[..., Path]
Take = Callable[[], Ingested]


@pytest.fixture(params=["classification", "regression"])
def task(request: pytest.FixtureRequest) -> str:
    """Both tasks, for tests that ask for it."""
    return str(request.param)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a project about flights, whose fresh files come into `incoming`, without data."""
    monkeypatch.chdir(tmp_path)
    YAML().dump(SETTINGS, tmp_path / "params.yaml")
    YAML().dump({"columns": CONTRACT}, tmp_path / "contract.yaml")
    return tmp_path


@pytest.fixture
def change(project: Path) -> Change:
    """`change(split={"holdout": 0.2}, task="regression")` merges settings into `params.yaml`."""
    settings = deepcopy(SETTINGS)

    def merge(**sections: Any) -> None:
        for name, content in sections.items():
            settings[name] = {**settings[name], **content} if isinstance(content, dict) else content
        YAML().dump(settings, project / "params.yaml")

    return merge


@pytest.fixture
def flights() -> pd.DataFrame:
    """Every 130th flight that left New York from January to March of 2013."""
    table = pd.read_csv(Path(__file__).parent / "data" / "flights.csv", parse_dates=["departure"])
    return table[list(CONTRACT)]


@pytest.fixture
def deliver(project: Path) -> Deliver:
    """`deliver(rows, "a.csv")` writes a file where the project's source looks for fresh ones."""

    def write(rows: pd.DataFrame, name: str = "a.csv") -> Path:
        path = project / "incoming" / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".parquet":
            rows.to_parquet(path, index=False)
        else:
            rows.to_csv(path, index=False)
        return path

    return write


@pytest.fixture
def take(project: Path) -> Take:
    """`ingest` with the settings as they are now."""
    return lambda: ingest(load_params(), load_contract())
