"""Measures the monitoring beside NannyML, on the tables that NannyML ships.

uv run python benchmarks/monitoring.py: estimated performance, beside the truth. NannyML has an environment of its own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from mlops_template.monitor import estimate
from mlops_template.monitor.bins import bins_of
from mlops_template.training.metrics import CLASSIFICATION, REGRESSION
from mlops_template.training.scored import Scored

RIVALS = ["nannyml==0.13.1", "statsmodels", "setuptools<81", "pandas<3"]
TABLES = ["car loan", "california housing", "synthetic binary", "census employment", "multiclass", "car price"]
"""The last one is a regression."""


def scored_of(table: pd.DataFrame, target: str, score: str) -> Scored:
    """Rows of a table of NannyML."""
    if score == "y_pred":
        return Scored("regression", table[target].to_numpy("float64"), table[score].to_numpy("float64"))
    if score:
        return Scored("binary", table[target].to_numpy("int64"), table[score].to_numpy("float64"))
    names = sorted(name for name in table if name.startswith("y_pred_proba_"))
    classes = [name.removeprefix("y_pred_proba_") for name in names]
    truth = pd.Index(classes).get_indexer(table[target].astype(str))
    return Scored("multiclass", truth, table[names].to_numpy("float64"))


def errors(folder: Path, name: str) -> tuple[float, float, int]:
    """(our mean absolute error, theirs, chunks) of a table."""
    reference, analysis, found = (
        pd.read_parquet(folder / f"{name} {part}.parquet") for part in ("reference", "analysis", "estimates")
    )
    target, score = found["target"].iloc[0], found["score"].iloc[0]
    metric = REGRESSION["mae"] if score == "y_pred" else CLASSIFICATION["roc_auc"]
    no_feature = {target, score, "y_pred", "prediction", "id", "identifier", "timestamp", "period", "year"}
    features = [one for one in reference if one not in no_feature and not one.startswith("y_pred")]
    bins = {one: bins_of(reference[one]) for one in features}

    def numbers(table: pd.DataFrame) -> np.ndarray:
        return np.column_stack([bins[one].numbers(table[one]) for one in features])

    known, block = scored_of(reference, target, score), np.arange(len(reference)) * 60 // len(reference)
    estimator = estimate.learned(metric, known, numbers(reference), block)
    assert estimator is not None
    mine = []
    for begin, end, real in found[["begin", "end", "real"]].itertuples(index=False):
        part = analysis.iloc[int(begin) : int(end) + 1]
        value = estimator.estimate(scored_of(part, target, score), numbers(part)).value
        truth = metric.value(scored_of(part, target, score))
        assert abs(truth - real) < 0.002 * max(abs(real), 1), (name, truth, real)
        mine.append(abs(value - real))
    theirs = (found["estimate"] - found["real"]).abs()
    return float(np.mean(mine)), float(theirs.mean()), len(found)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        if len(sys.argv) < 2:
            subprocess.run(["uv", "venv", "-q", str(folder / "env")], check=True)
            python = str(folder / "env/bin/python")
            subprocess.run(["uv", "pip", "install", "-q", "--python", python, *RIVALS], check=True)
            subprocess.run([python, str(Path(__file__).parent / "rivals/nanny.py"), str(folder)], check=True)
        print("| table | chunks | error of this estimate | NannyML 0.13.1 | ratio |")
        print("|---|---|---|---|---|")
        for name in TABLES:
            mine, theirs, chunks = errors(folder, name)
            print(f"| {name} | {chunks} | {mine:.5f} | {theirs:.5f} | {mine / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
