"""The gates let a better model through and stop the others, each with its reason."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation.compare import compare
from mlops_template.evaluation.comparison import Comparison, load_comparison, recorded_comparison, save_comparison
from mlops_template.evaluation.gates import holm
from mlops_template.evaluation.matchup import MIN_ROWS
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.training import train

from .test_model import SETTINGS, prepare, table


def a_model(folder: Path, monkeypatch: pytest.MonkeyPatch, gates: dict | None = None, **rows: pd.DataFrame) -> Params:
    """A project with a challenger, and the working directory in it."""
    gates = {"primary": "roc_auc", "margin": 0.05, "slice_margin": 0.1, "max_latency_ms": 10_000, **(gates or {})}
    params = prepare(folder, {**SETTINGS, "gates": gates}, **rows)
    monkeypatch.chdir(folder)
    train.main()
    return params


def against(champion: Path, params: Params) -> Comparison:
    """The challenger of this project against that of another."""
    return compare(params, "challenger.dir", "champion.dir", champion / paths.CHALLENGER)


def gate(comparison: Comparison, name: str) -> bool:
    """Whether the gate of that name was passed."""
    return next(found.passed for found in comparison.gates if found.gate == name)


def mistaught(rows: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The rows with the chosen training targets turned round; the holdout is left alone."""
    return rows.assign(bought=rows["bought"].where(~chosen | (rows.index >= 450), 1 - rows["bought"]))


def test_the_first_model_must_beat_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = a_model(tmp_path, monkeypatch)
    comparison = compare(params, "challenger.dir", None, None)
    assert comparison.verdict == "promote"
    assert comparison.metrics["roc_auc"].champion == 0.5


def test_a_model_that_knows_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    params = a_model(tmp_path, monkeypatch, rows=mistaught(rows, rows["id"].notna()))
    comparison = compare(params, "challenger.dir", None, None)
    assert comparison.verdict == "fail"
    assert not gate(comparison, "baseline")


def test_too_few_of_a_class_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the model makes of one row."""
    rows = table()
    last = rows.index >= 450
    rows["bought"] = rows["bought"].where(~last, 0)
    rows.loc[rows.index[last][rows["price"][last].fillna(0).argmax()], "bought"] = 1
    params = a_model(tmp_path, monkeypatch, rows=rows)
    alone = compare(params, "challenger.dir", None, None)
    assert alone.verdict == "keep"
    assert alone.reasons == [
        "too few of the class 1 to judge roc_auc: 1 of the held-out rows, in 1 of 7 blocks of time, and 3 are needed: "
        "hold out more (`split.holdout`), or wait for more"
    ]
    assert against(tmp_path, params).verdict == "keep"


def test_a_worse_model_is_kept_back_and_a_better_one_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    worse = mistaught(rows, pd.Series(np.arange(len(rows)) % 5 > 2))
    weak = a_model(tmp_path / "weak", monkeypatch, {"policy": "better"}, rows=worse)
    good = a_model(tmp_path / "good", monkeypatch, {"policy": "better"})
    comparison = against(tmp_path / "weak", good)
    assert comparison.verdict == "promote"
    assert (comparison.metrics["roc_auc"].difference.low or 0) > 0
    for pair in comparison.metrics.values():
        assert pair.challenger is not None and pair.champion is not None
        assert pair.difference.value == pytest.approx(pair.challenger - pair.champion, abs=1e-4)
    monkeypatch.chdir(tmp_path / "weak")
    assert against(tmp_path / "good", weak).verdict in ("keep", "fail")
    assert not gate(against(tmp_path / "good", weak), "champion")


def test_an_equal_model_passes_not_worse_but_not_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    equal = a_model(tmp_path / "a", monkeypatch)
    assert against(tmp_path / "a", equal).verdict == "promote"
    strict = a_model(tmp_path / "b", monkeypatch, {"policy": "better"})
    assert against(tmp_path / "a", strict).verdict == "keep"


def test_a_slice_does_not_pay_for_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    a_model(tmp_path / "champion", monkeypatch)
    wrong = mistaught(rows, rows["shop"].eq("north").fillna(False))
    params = a_model(tmp_path / "challenger", monkeypatch, {"margin": 1.0}, rows=wrong)
    comparison = against(tmp_path / "champion", params)
    assert gate(comparison, "champion")
    assert not gate(comparison, "slices")
    assert comparison.verdict == "keep"
    assert "shop = north" in comparison.reasons[0]


def test_a_challenger_that_saw_the_holdout_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = a_model(tmp_path, monkeypatch)
    table().iloc[440:].to_parquet(paths.HOLDOUT, index=False)
    comparison = compare(params, "challenger.dir", None, None)
    assert comparison.verdict == "fail"
    assert comparison.reasons == ["the challenger has trained on 10 of the 160 held-out rows"]


def test_a_champion_that_saw_part_of_the_holdout_is_met_on_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table()
    params = a_model(tmp_path / "champion", monkeypatch)
    params = a_model(tmp_path / "challenger", monkeypatch)
    rows.iloc[400:].to_parquet(paths.HOLDOUT, index=False)
    rows.iloc[:400].to_parquet(paths.TRAIN, index=False)
    train.main()
    comparison = against(tmp_path / "champion", params)
    assert comparison.rows == 150
    assert "50 of the 200" in next(found.detail for found in comparison.gates if found.gate == "champion unseen")
    rows.iloc[400:450].to_parquet(paths.HOLDOUT, index=False)
    comparison = against(tmp_path / "champion", params)
    assert comparison.verdict == "keep"
    assert comparison.reasons == ["0 held-out rows that neither has seen, 20 are needed"]


def test_models_with_other_features_meet_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_model(tmp_path / "champion", monkeypatch)
    fewer = {**SETTINGS["columns"], "numeric": ["price"], "dates": []}
    params = prepare(tmp_path / "challenger", {**SETTINGS, "columns": fewer})
    monkeypatch.chdir(tmp_path / "challenger")
    train.main()
    assert against(tmp_path / "champion", params).rows == 150


@pytest.mark.parametrize(
    ("gates", "broken"),
    [
        ({"limits": {"brier": 0.0001}}, "brier limit"),
        ({"max_size_mb": 1e-4}, "size"),
        ({"max_latency_ms": 1e-4}, "latency"),
    ],
)
def test_a_broken_limit_fails(gates: dict, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare(a_model(tmp_path, monkeypatch, gates), "challenger.dir", None, None)
    assert comparison.verdict == "fail"
    assert not gate(comparison, broken)


def test_the_record_of_the_same_encounter_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = a_model(tmp_path, monkeypatch)
    first = compare(params, "challenger.dir", None, None)
    text = paths.COMPARISON.read_bytes()
    assert compare(params, "challenger.dir", None, None) == first == load_comparison()
    assert paths.COMPARISON.read_bytes() == text


def test_only_the_record_of_this_very_comparison_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = a_model(tmp_path, monkeypatch)
    assert recorded_comparison("challenger.dir", None, params) is None
    first = compare(params, "challenger.dir", None, None)
    assert recorded_comparison("challenger.dir", None, params) == first
    assert recorded_comparison("another.dir", None, params) is None
    assert recorded_comparison("challenger.dir", "champion.dir", params) is None
    stricter = params.model_copy(update={"gates": params.gates.model_copy(update={"margin": 0.04})})
    assert recorded_comparison("challenger.dir", None, stricter) is None
    save_comparison(replace(first, champion_source="stored predictions"))
    assert recorded_comparison("challenger.dir", None, params) is None, "the model may load by now"
    save_comparison(first)
    holdout = paths.HOLDOUT.read_bytes()
    table().iloc[450:500].to_parquet(paths.HOLDOUT, index=False)
    assert recorded_comparison("challenger.dir", None, params) is None
    paths.HOLDOUT.write_bytes(holdout)
    assert recorded_comparison("challenger.dir", None, params) == first
    paths.HOLDOUT.unlink()
    assert recorded_comparison("challenger.dir", None, params) is None


@pytest.mark.parametrize(("rows", "judged"), [(MIN_ROWS, True), (MIN_ROWS - 1, False)])
def test_the_fewest_rows_that_are_judged_and_timed(
    rows: int, judged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = a_model(tmp_path, monkeypatch)
    table().iloc[450 : 450 + rows].to_parquet(paths.HOLDOUT, index=False)
    comparison = compare(params, "challenger.dir", None, None)
    assert bool(comparison.metrics) is judged
    assert comparison.cost is not None and (comparison.cost.latency_ms is not None) is judged


def test_a_comparison_without_a_record_leaves_the_last_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = a_model(tmp_path, monkeypatch)
    compare(params, "challenger.dir", None, None)
    text = paths.COMPARISON.read_bytes()
    other = compare(params, "challenger.dir", "champion.dir", paths.CHALLENGER, record=False)
    assert other.champion == "champion.dir" and other.metrics["roc_auc"].difference.value == 0
    assert paths.COMPARISON.read_bytes() == text


def test_both_models_are_weighed_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = a_model(tmp_path, monkeypatch)
    comparison = against(tmp_path, params)
    for cost in (comparison.cost, comparison.champion_cost):
        assert cost and cost.latency_ms and cost.size_mb == pytest.approx(size(paths.CHALLENGER), abs=1e-3)
    assert compare(params, "challenger.dir", None, None).champion_cost is None


def size(directory: Path) -> float:
    """The files of a directory in MB."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6


def test_holm_adjusts_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
