"""How good the first model is that `adopt` and `run` make of a table, beside a logistic regression and FLAML.

    uv run --with vega-datasets --with "flaml[automl]" python benchmarks/first_model.py [calibration]

Every table ships with a Python package. All models are fitted on the rows that the project trains on and scored on its
holdout: the primary metric that `adopt` chose, and log loss (classes) or RMSE. FLAML has as long as is said below.
With `calibration` instead: the log loss of the model, and of the same calibrated on out-of-fold predictions.
"""

import contextlib
import io
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlops_template.data import sample, split, validate
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.starter.adopt import adopt
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from mlops_template.training.metrics import metric_named
from mlops_template.training.scored import Scored, as_scored
from ruamel.yaml import YAML
from sklearn import datasets
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from machinery.conftest import CONTRACT, SETTINGS
from machinery.project import write_package

FLAML_SECONDS = 5
NUMBERS = ("diabetes", "cars, miles per gallon")
"""Tables whose target is a number."""
SPLITS = 4
"""Of each table, for calibration."""


def tables() -> dict[str, tuple[pd.DataFrame, str]]:
    """Name → (rows, target)."""
    from vega_datasets import local_data as vega

    found = {}
    for name in ("breast_cancer", "wine", "iris", "digits", "diabetes"):
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        found[name] = (loaded.frame, "target")
    cars = vega.cars().drop(columns="Name")
    found["cars, miles per gallon"] = (cars.dropna(subset="Miles_per_Gallon"), "Miles_per_Gallon")
    found["cars, origin"] = (cars, "Origin")
    weather = vega.seattle_weather()
    found["weather of Seattle"] = (weather.drop(columns="date"), "weather")
    flights = sample.year("late").iloc[::300]
    found["flights"] = (flights.drop(columns=["flight_id", "departure"]), "late")
    noise = np.random.default_rng(0).normal(size=(1000, 8))
    coin = np.random.default_rng(1).integers(0, 2, 1000)
    found["noise"] = (pd.DataFrame(noise).set_axis([f"x{n}" for n in range(8)], axis="columns").assign(y=coin), "y")
    return found


def scored(params: Params, held: pd.DataFrame, predictions: pd.DataFrame, classes: list[Any] | None) -> Scored:
    """Predictions of the holdout, as the metrics take them."""
    return as_scored(held[params.columns.target], predictions, classes, params.columns.positive)


def predictions_of(model: Any, rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """As the project's own models give them."""
    if task == "classification":
        names = [f"probability_{name}" for name in model.classes_]
        return pd.DataFrame(model.predict_proba(rows), columns=names)
    return pd.DataFrame({"prediction": model.predict(rows)})


def plain(params: Params, train_rows: pd.DataFrame) -> Any:
    """What many begin with: scaled numbers, one-hot categories, and a linear model with its defaults."""
    columns = params.columns
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    transform = ColumnTransformer(
        [("n", numbers, columns.numeric), ("c", OneHotEncoder(handle_unknown="ignore"), columns.categorical)]
    )
    linear = LogisticRegression(max_iter=2000) if params.task == "classification" else Ridge()
    rows = train_rows[[*columns.numeric, *columns.categorical]]
    return make_pipeline(transform, linear).fit(rows, train_rows[columns.target])


def flaml(params: Params, train_rows: pd.DataFrame) -> Any:
    """FLAML with a budget of `FLAML_SECONDS`."""
    from flaml import AutoML

    columns = params.columns
    model = AutoML()
    rows = train_rows[[*columns.numeric, *columns.categorical]]
    settings = {"task": params.task, "time_budget": FLAML_SECONDS, "seed": 0, "verbose": 0, "n_jobs": 2}
    model.fit(rows, train_rows[columns.target].to_numpy(), **settings)
    return model


@contextlib.contextmanager
def trained(rows: pd.DataFrame, target: str, seed: int = 0) -> Iterator[float]:
    """In a project of the table, with its model, split by a seed: the seconds that training took."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        write_package(Path(folder))
        YAML().dump(SETTINGS, Path("params.yaml"))
        YAML().dump({"columns": CONTRACT}, Path("contract.yaml"))
        rows.sample(frac=1, random_state=seed).to_csv("table.csv", index=False)
        adopt("table.csv", target)
        validate.main()
        split.main()
        begun = time.perf_counter()
        train.main()
        yield time.perf_counter() - begun


def calibration(name: str, rows: pd.DataFrame, target: str) -> str:
    """A line of the table of calibration: means over the splits."""
    losses = []
    for seed in range(SPLITS):
        with trained(rows, target, seed):
            model = load_model(paths.CHALLENGER)
            train_rows, held = (pd.read_parquet(path) for path in (paths.TRAIN, paths.HOLDOUT))
        models = [model.pipeline]
        for method in ("sigmoid", "isotonic"):
            calibrated = CalibratedClassifierCV(clone(model.pipeline), method=method, cv=5, ensemble=False)
            models.append(calibrated.fit(model.inputs(train_rows), train_rows[target]))
        inputs = model.inputs(held)
        losses.append([log_loss(held[target], one.predict_proba(inputs), labels=one.classes_) for one in models])
    as_is, *others = np.transpose(losses)
    cells = [f"{one.mean():.3f} (better in {(one < as_is).sum()} of {SPLITS})" for one in others]
    return " | ".join([f"| {name}", f"{as_is.mean():.3f}", *cells]) + " |"


def measure(name: str, rows: pd.DataFrame, target: str) -> str:
    """A line of the table."""
    with trained(rows, target) as seconds:
        params, model = load_params(), load_model(paths.CHALLENGER)
        train_rows, held = (pd.read_parquet(path) for path in (paths.TRAIN, paths.HOLDOUT))
        others: list[Callable[[Params, pd.DataFrame], Any]] = [plain, flaml]
        found = [model.predict(held)]
        features = [*params.columns.numeric, *params.columns.categorical]
        found += [predictions_of(other(params, train_rows), held[features], params.task) for other in others]
        target_rows = train_rows[params.columns.target]
        shares = {f"probability_{one}": float((target_rows == one).mean()) for one in model.classes or []}
        found.append(pd.DataFrame(shares or {"prediction": target_rows.mean()}, index=held.index))
        cells = []
        for metric in (params.gates.primary, "log_loss" if params.task == "classification" else "rmse"):
            values = [scored(params, held, one, model.classes) for one in found]
            cells.append(" / ".join(f"{metric_named(metric, one).value(one):.3f}" for one in values))
            cells[-1] = f"{metric} {cells[-1]}"
        chosen = model.card["estimator"].rpartition(".")[2]
    return f"| {name} ({len(train_rows)} + {len(held)} rows) | {chosen}, {seconds:.0f} s | {cells[0]} | {cells[1]} |"


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    if sys.argv[1:] == ["calibration"]:
        print("| table | log loss | sigmoid | isotonic |\n|---|---|---|---|")
        for name, (rows, target) in tables().items():
            if name not in NUMBERS:
                print(calibration(name, rows, target), flush=True)
        return
    print(f"Each: this project / a linear model / FLAML with {FLAML_SECONDS} s / knowing only the training target.\n")
    print("| table | chosen | primary metric | log loss or RMSE |\n|---|---|---|---|")
    for name, (rows, target) in tables().items():
        print(measure(name, rows, target), flush=True)


if __name__ == "__main__":
    main()
