"""Nothing of the holdout leaks into training."""

from pathlib import Path

import pandas as pd
import pytest
from mlops_template.data import partitions, split
from mlops_template.settings import paths
from mlops_template.settings.params import Params


@pytest.fixture
def sides(
    rows: pd.DataFrame, params: Params, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[pd.DataFrame]:
    """The training rows and the held-out ones, as the stage `split` divides the made-up rows."""
    settings = (tiny / paths.PARAMS).read_text(encoding="utf-8")
    (tmp_path / paths.PARAMS).write_text(settings, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    partitions.add(rows, params.columns.time)
    split.main()
    return [pd.read_parquet(path) for path in (paths.TRAIN, paths.HOLDOUT)]


def test_no_row_is_on_both_sides(sides: list[pd.DataFrame], params: Params) -> None:
    train, holdout = (set(side[params.columns.id]) for side in sides)
    assert train and holdout and not train & holdout


def test_no_training_row_is_newer_than_a_held_out_one(sides: list[pd.DataFrame], params: Params) -> None:
    time = params.columns.time
    if time:
        train, holdout = (side[time] for side in sides)
        assert train.max() < holdout.min()


def test_the_target_is_no_input(params: Params) -> None:
    assert params.columns.target not in params.columns.features
