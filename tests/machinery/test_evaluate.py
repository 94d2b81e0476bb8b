"""What an evaluation writes: the baseline's predictions, the curves, and differences in words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation import evaluate
from mlops_template.evaluation.comparison import POWER, Difference
from mlops_template.evaluation.doubts import overconfidence
from mlops_template.evaluation.evaluate import BINS, CURVE_POINTS, baseline, curves, reliability
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.training.scored import Scored
from mlops_template.training.split_rows import every_nth

from .test_model import SETTINGS


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Settings of a project in which 6 of 8 rows to train on are of class "no"."""
    monkeypatch.chdir(tmp_path)
    paths.TRAIN.parent.mkdir(parents=True)
    target = Params.model_validate(SETTINGS).columns.target
    pd.DataFrame({target: ["no"] * 6 + ["yes"] * 2, "amount": range(8)}).to_parquet(paths.TRAIN)
    return Params.model_validate(SETTINGS)


def test_the_baseline_gives_each_class_its_share_of_the_training_rows(params: Params) -> None:
    rows = pd.DataFrame(index=[7, 9])
    expected = pd.DataFrame({"probability_no": 0.75, "probability_yes": 0.25}, index=[7, 9])
    pd.testing.assert_frame_equal(baseline(rows, ["no", "yes"], params), expected)


def test_the_baseline_of_a_regression_is_the_mean(params: Params) -> None:
    amount = params.model_copy(update={"columns": params.columns.model_copy(update={"target": "amount"})})
    assert baseline(pd.DataFrame(index=[1]), None, amount)["prediction"].tolist() == [3.5]


def test_probabilities_are_held_against_how_often_it_happened() -> None:
    """In bins of equal width, of which only those with rows are told; 1 is in the last."""
    probability = np.array([0.0, 0.04, 0.33, 0.33, 0.96, 1.0])
    told = reliability(Scored("binary", np.array([0, 1, 0, 1, 1, 1]), probability))
    assert told["rows"].tolist() == [2, 2, 2]
    assert told["x"].tolist() == pytest.approx([0.02, 0.33, 0.98])
    assert told["y"].tolist() == [0.5, 0.5, 1.0]
    each = Scored("binary", np.zeros(BINS, dtype="int64"), (np.arange(BINS) + 0.5) / BINS)
    assert reliability(each)["rows"].tolist() == [1] * BINS


def test_curves_run_from_corner_to_corner() -> None:
    """Thinned, and with their ends; of a single class there are none."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 5000)
    scored = Scored("binary", truth, np.clip(truth * 0.3 + random.random(5000) * 0.7, 0, 1))
    drawn = curves(scored)
    assert set(drawn) == {"calibration", "roc", "precision_recall"}
    assert drawn["roc"].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
    assert len(drawn["roc"]) <= CURVE_POINTS
    assert set(curves(Scored("binary", truth * 0, scored.prediction))) == {"calibration"}


def test_errors_of_a_regression_are_told_by_percentiles() -> None:
    truth = np.arange(200.0)
    drawn = curves(Scored("regression", truth, truth + np.linspace(-1, 3, 200)))
    errors = drawn["error_quantiles"]
    assert errors["x"].tolist() == pytest.approx(np.arange(101) / 100)
    assert errors["y"].iloc[[0, 50, 100]].tolist() == pytest.approx([-1, 1, 3])
    assert (drawn["predicted_and_actual"]["x"] - drawn["predicted_and_actual"]["y"]).iloc[[0, -1]].tolist() == (
        pytest.approx([-0.8, 2.8], abs=0.2)
    )


@pytest.mark.parametrize(
    ("difference", "words", "sign", "findable"),
    [
        (Difference(0.1, 0.05, 0.15), "+0.1000 [+0.0500, +0.1500]", "▲", 0.05 * POWER),
        (Difference(-0.1, -0.15, -0.05), "-0.1000 [-0.1500, -0.0500]", "▼", 0.05 * POWER),
        (Difference(0.1, 0.0, 0.2), "+0.1000 [+0.0000, +0.2000]", "", 0.1 * POWER),
        (Difference(0.1, None, 0.2), "+0.1000", "", None),
        (Difference(0.1, 0.0, None), "+0.1000", "", None),
        (Difference(None, None, None), "undefined", "", None),
    ],
)
def test_a_difference_is_told_as_far_as_it_is_defined(
    difference: Difference, words: str, sign: str, findable: float | None
) -> None:
    assert (str(difference), difference.sign(higher_is_better=True)) == (words, sign)
    assert difference.findable == (None if findable is None else pytest.approx(findable))
    assert difference.sign(higher_is_better=False) == {"▲": "▼", "▼": "▲", "": ""}[sign]


@pytest.mark.parametrize(("low", "doubted"), [(0.69, False), (0.6901, True), (None, False)])
def test_a_model_is_doubted_that_is_worse_than_guessing_beyond_noise(low: float | None, doubted: bool) -> None:
    """By the lower end of its log loss; as bad as guessing is no reason."""
    measured = {"log_loss": {"value": 0.8, "low": low}}
    assert bool(overconfidence(measured, {"log_loss": {"value": 0.69}})) is doubted
    assert overconfidence(measured, {}) is None


@pytest.mark.parametrize("rows", [1, 99, 100, 101, 250, 1001])
def test_of_many_training_rows_every_nth_is_read(rows: int, tmp_path: Path) -> None:
    frame = pd.DataFrame({"place": range(rows), "word": pd.Series(["x", None] * rows, dtype="str").head(rows)})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=37, index=False)
    step = -(-rows // 100)
    expected = frame.iloc[::step].reset_index(drop=True)
    pd.testing.assert_frame_equal(every_nth(tmp_path / "rows.parquet", 100), expected)
