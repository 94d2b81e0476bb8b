"""What carries a model is told, and that it is too good to be true."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation import evaluate, importance
from mlops_template.evaluation.carried import load_carried, suspicion
from mlops_template.settings import paths
from mlops_template.training import train

from .test_model import SETTINGS, prepare, table


def evaluated(folder: Path, monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Train and evaluate; the metrics of the model."""
    prepare(folder, SETTINGS, rows=rows)
    monkeypatch.chdir(folder)
    train.main()
    evaluate.main()
    measured: dict[str, dict[str, float]] = json.loads(paths.METRICS.read_text(encoding="utf-8"))["model"]
    return measured


def test_a_column_that_matters_loses_much_and_one_of_noise_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, carried = evaluated(tmp_path, monkeypatch, table()), load_carried()
    assert set(carried) == {"price", "stück zahl", "shop", "member", "birthday"}
    assert list(carried)[0] == "price"
    assert carried["price"]["low"] > 0.1
    assert carried["member"]["low"] <= 0 <= carried["member"]["high"]
    assert list(carried) == sorted(carried, key=lambda name: -carried[name]["value"])
    assert suspicion(measured, carried) is None


def test_a_column_made_of_the_target_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table()
    rows["price"] = rows["bought"] * 10 + np.random.default_rng(1).random(len(rows))
    evaluated(tmp_path, monkeypatch, rows)
    assert (
        "warning: roc_auc 0.9998 on the holdout is too good to be true. It rests on price. "
        "Is all of it known when a prediction is made, and nothing of it made of the target?"
    ) in capsys.readouterr().out


def test_a_very_wide_table_is_not_shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "COLUMNS", 4)
    evaluated(tmp_path, monkeypatch, table())
    assert load_carried() == {}
