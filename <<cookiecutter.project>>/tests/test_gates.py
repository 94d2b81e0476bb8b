"""The gates, as params.yaml sets them, keep a bad model from being promoted."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.evaluation.compare import compare
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.training import train


@pytest.fixture
def elsewhere(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny project to train another challenger in; returns the first one, as champion."""
    shutil.copytree(tiny, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tiny / paths.CHALLENGER


def test_a_model_that_has_learned_nothing_is_not_promoted(elsewhere: Path, params: Params) -> None:
    """Its targets were in another order."""
    rows, target = pd.read_parquet(paths.TRAIN), params.columns.target
    shuffled = rows[target].sample(frac=1, random_state=0).to_numpy()
    rows.assign(**{target: shuffled}).to_parquet(paths.TRAIN, index=False)
    train.main()
    assert compare(params, "challenger", "champion", elsewhere).verdict != "promote"


def test_a_model_that_trained_on_held_out_rows_is_not_promoted(elsewhere: Path, params: Params) -> None:
    both = pd.concat([pd.read_parquet(paths.TRAIN), pd.read_parquet(paths.HOLDOUT)])
    both.to_parquet(paths.TRAIN, index=False)
    train.main()
    comparison = compare(params, "challenger", "champion", elsewhere)
    assert comparison.verdict == "fail"
    assert "challenger unseen" in {gate.gate for gate in comparison.gates if not gate.passed}
