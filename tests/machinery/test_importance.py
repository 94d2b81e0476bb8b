"""The importance of the columns is told, and what speaks against a model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation import evaluate, importance
from mlops_template.evaluation.doubts import doubts, load_importance
from mlops_template.settings import paths
from mlops_template.training import train

from .test_model import SETTINGS, prepare, table


def evaluated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame, rounds: int = 10, primary: str = "roc_auc"
) -> dict[str, Any]:
    """Train so many rounds and evaluate; the metrics."""
    boosting = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": rounds}}
    gates, model = {"primary": primary}, {"threads": 1, "candidates": [boosting]}
    prepare(folder, {**SETTINGS, "model": model, "gates": gates}, rows=rows)
    monkeypatch.chdir(folder)
    train.main()
    evaluate.main()
    measured: dict[str, Any] = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    return measured


def test_a_column_that_matters_loses_much_and_one_of_noise_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, losses = evaluated(tmp_path, monkeypatch, table()), load_importance()
    assert set(losses) == {"price", "stück zahl", "shop", "member", "birthday"}
    assert list(losses)[0] == "price"
    assert losses["price"]["low"] > 0.1
    assert losses["member"]["low"] <= 0 <= losses["member"]["high"]
    assert list(losses) == sorted(losses, key=lambda name: -losses[name]["value"])
    assert doubts(measured, losses, {}) == []


def test_a_loss_is_positive_where_less_of_the_metric_is_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the metric's own unit."""
    evaluated(tmp_path, monkeypatch, table(), primary="log_loss")
    losses = load_importance()
    assert list(losses)[0] == "price" and losses["price"]["low"] > 0.02


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
    assert load_importance() == {}


def test_a_model_that_is_surer_of_itself_than_it_may_be_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boosting learns noise by heart."""
    rows = table()
    rows["bought"] = np.random.default_rng(1).integers(0, 2, len(rows))
    evaluated(tmp_path, monkeypatch, rows, rounds=150)
    assert "is worse than that of guessing, 0.69" in capsys.readouterr().out
