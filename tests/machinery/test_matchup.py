"""A champion that cannot be scored is compared by what is kept of its evaluation, and nothing hides that."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from mlops_template.data.row_ids import row_hashes
from mlops_template.errors import ProjectError
from mlops_template.evaluation import evaluate
from mlops_template.evaluation.compare import compare
from mlops_template.evaluation.comparison import Comparison, load_comparison
from mlops_template.evaluation.comparison import Evaluation
from mlops_template.evaluation.matchup import MIN_ROWS, Matchup
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.render.json_file import write_json
from mlops_template.training import artifact, train, trained_rows
from mlops_template.training.card import CARD_FILE, load_card
from mlops_template.training.trained_rows import TRAINED_ROWS_FILE
from sklearn.dummy import DummyClassifier

from .test_compare import a_model, gate
from .test_model import SETTINGS, prepare, table
from .test_report import REGRESSION

CHAMPION = Path("scratch/fetched")
PIPELINE = CHAMPION / artifact.PIPELINE_FILE


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose challenger is as good as the champion beside it, and the champion's evaluation."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        a_model(folder, patch, {"limits": {"roc_auc": 0.6}})
        evaluate.main()
        shutil.copytree(paths.CHALLENGER, CHAMPION)
    return folder


@pytest.fixture
def params(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A copy of it, in which to work."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load_params()


def kept() -> Evaluation:
    """The evaluation that the champion left."""
    return Evaluation(paths.PREDICTIONS, json.loads(paths.METRICS.read_text(encoding="utf-8")))


def met(params: Params, kept: Callable[[], Evaluation] = kept) -> Comparison:
    """The challenger against the champion."""
    return compare(params, "challenger.dir", "champion.dir", CHAMPION, kept=kept)


def truncated() -> None:
    PIPELINE.write_bytes(PIPELINE.read_bytes()[:-50])


def overwritten() -> None:
    PIPELINE.write_bytes(b"<html>404</html>")


def of_a_module_that_is_gone() -> None:
    module = ModuleType("their_estimators")
    module.Theirs = type("Theirs", (DummyClassifier,), {"__module__": "their_estimators"})  # type: ignore[attr-defined]
    sys.modules["their_estimators"] = module
    joblib.dump(module.Theirs(), PIPELINE)
    del sys.modules["their_estimators"]


def of_another_scikit_learn() -> None:
    """One under which it answered otherwise."""
    card = load_card(CHAMPION)
    card["versions"]["scikit-learn"] = "0.1"
    write_json(CHAMPION / CARD_FILE, card)
    golden = json.loads((CHAMPION / artifact.GOLDEN_FILE).read_text(encoding="utf-8"))
    golden["predictions"].reverse()
    write_json(CHAMPION / artifact.GOLDEN_FILE, golden)


def not_fitted() -> None:
    """It loads, and raises when it is asked."""
    joblib.dump(DummyClassifier(), PIPELINE)


def of_a_column_that_is_gone() -> None:
    card = load_card(CHAMPION)
    card["request"]["weight"] = "float64"
    golden = json.loads((CHAMPION / artifact.GOLDEN_FILE).read_text(encoding="utf-8"))
    for row in golden["rows"]:
        row["weight"] = 1.0
    write_json(CHAMPION / artifact.GOLDEN_FILE, golden)
    write_json(CHAMPION / CARD_FILE, card)


FAULTS = [
    truncated,
    overwritten,
    of_a_module_that_is_gone,
    of_another_scikit_learn,
    not_fitted,
    of_a_column_that_is_gone,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_champion_that_no_longer_answers_is_met_by_its_stored_predictions(
    fault: Callable[[], None], params: Params
) -> None:
    """The figures are those of the model itself, and the record says by what it was met and why."""
    whole = compare(params, "challenger.dir", "champion.dir", CHAMPION, record=False)
    assert whole.champion_source == "model" and whole.metrics["roc_auc"].difference.value == 0
    fault()
    comparison = met(params)
    assert (comparison.champion_source, comparison.verdict, comparison.rows) == ("stored predictions", "promote", 150)
    assert comparison.metrics == whole.metrics and comparison.slices == whole.slices
    assert comparison.champion == "champion.dir" and comparison.champion_cost
    assert comparison.champion_cost.latency_ms is None
    note = comparison.reasons[0]
    assert note.startswith("compared with the champion's stored predictions, on 150 of 150 held-out rows, since the model")
    assert "\n" not in note and CHAMPION.as_posix() not in note
    assert load_comparison() == comparison


def test_the_reason_names_what_keeps_it_from_answering(params: Params) -> None:
    for fault, told in (
        (of_a_column_that_is_gone, "the data no longer has weight, which the champion takes"),
        (of_a_module_that_is_gone, "needs their_estimators, which is not installed here"),
        (of_another_scikit_learn, "predicts otherwise"),
    ):
        fault()
        assert told in met(params).reasons[0]
        paths.COMPARISON.unlink()
        shutil.rmtree(CHAMPION)
        shutil.copytree(paths.CHALLENGER, CHAMPION)


def test_only_rows_that_neither_was_trained_on_are_met(params: Params) -> None:
    """The champion was trained on 30 of the rows that it answered, by its own list."""
    truncated()
    rows = table()
    trained_on = row_hashes(rows["id"].iloc[:480])
    np.save(CHAMPION / TRAINED_ROWS_FILE, trained_on)
    comparison = met(params)
    assert (comparison.champion_source, comparison.rows) == ("stored predictions", 120)
    assert "30 of the 150" in next(found.detail for found in comparison.gates if found.gate == "champion unseen")


def no_predictions() -> Evaluation:
    return replace(kept(), predictions=None)


def too_few() -> Evaluation:
    stored = pd.read_parquet(paths.PREDICTIONS)
    stored["id"] = [name if place < 19 else f"old {name}" for place, name in enumerate(stored["id"])]
    stored.to_parquet("old.parquet", index=False)
    return replace(kept(), predictions=Path("old.parquet"))


@pytest.mark.parametrize(("rows", "source"), [(MIN_ROWS, "stored predictions"), (MIN_ROWS - 1, "metrics only")])
def test_so_many_stored_predictions_are_enough_and_no_fewer(rows: int, source: str, params: Params) -> None:
    truncated()
    pd.read_parquet(paths.PREDICTIONS).head(rows).to_parquet(paths.PREDICTIONS, index=False)
    assert met(params).champion_source == source


@pytest.mark.parametrize(
    ("kind", "classes", "positive", "names"),
    [
        ("binary", ["no", "yes"], "yes", ["no", "yes"]),
        ("binary", ["bad", "good"], "bad", ["good", "bad"]),
        ("multiclass", ["a", "b", "c"], None, ["a", "b", "c"]),
    ],
)
def test_classes_have_their_names_whichever_is_positive(
    kind: str, classes: list[str], positive: str | None, names: list[str]
) -> None:
    """Of two classes the positive one is 1."""
    matchup = SimpleNamespace(
        challenger=SimpleNamespace(classes=classes, card={"positive": positive}), ours=SimpleNamespace(kind=kind)
    )
    assert [Matchup.class_named(matchup, index) for index in range(len(names))] == names  # type: ignore[arg-type]


def damaged_predictions() -> Evaluation:
    Path("damaged.parquet").write_bytes(b"PAR1")
    return replace(kept(), predictions=Path("damaged.parquet"))


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (no_predictions, "its predictions are not stored"),
        (too_few, "its predictions share 19 rows with the holdout, not 20"),
        (damaged_predictions, "its stored predictions do not serve"),
    ],
)
def test_without_predictions_only_metrics_are_known_and_the_champion_stays(
    kept: Callable[[], Evaluation], told: str, params: Params
) -> None:
    truncated()
    comparison = met(params, kept)
    assert (comparison.champion_source, comparison.verdict, comparison.slices) == ("metrics only", "keep", [])
    assert comparison.reasons[0].startswith("only the champion's metrics are known") and told in comparison.reasons[0]
    assert "nothing shows the challenger to be not worse" in comparison.reasons[1]
    assert "promote --force --why" in comparison.reasons[1]
    pair = comparison.metrics["roc_auc"]
    assert pair.champion == pair.challenger and pair.difference.value is None
    assert gate(comparison, "baseline") and gate(comparison, "roc_auc limit")


def test_what_it_was_trained_on_must_be_known(params: Params) -> None:
    """Without its list nobody can say which of its predictions are of rows that it had not seen."""
    truncated()
    (CHAMPION / TRAINED_ROWS_FILE).unlink()
    assert met(params).champion_source == "metrics only"


def test_a_champion_of_which_nothing_is_kept_is_still_no_reason_to_stop(params: Params) -> None:
    shutil.rmtree(CHAMPION)
    CHAMPION.mkdir()
    comparison = met(params, Evaluation)
    assert (comparison.champion_source, comparison.verdict) == ("metrics only", "keep")
    assert comparison.metrics["roc_auc"].champion is None
    assert "the champion's roc_auc is not known" in comparison.reasons[1]


def test_a_useless_challenger_fails_whatever_became_of_the_champion(params: Params) -> None:
    truncated()
    rows = pd.read_parquet(paths.HOLDOUT)
    rows.assign(bought=1 - rows["bought"]).to_parquet(paths.HOLDOUT, index=False)
    assert met(params, no_predictions).verdict == "fail"


def test_the_challengers_own_errors_are_not_taken_for_the_champions(params: Params) -> None:
    (paths.CHALLENGER / artifact.PIPELINE_FILE).write_bytes(PIPELINE.read_bytes()[:-50])
    with pytest.raises(ProjectError, match="models/challenger"):
        met(params)


def test_a_record_stands_until_the_champion_is_met_by_more(params: Params) -> None:
    """Once the library is fixed, to compare again brings the real comparison."""
    model = PIPELINE.read_bytes()
    truncated()
    least = met(params, no_predictions)
    assert met(params, no_predictions) == least
    better = met(params)
    assert better.champion_source == "stored predictions"
    assert met(params, no_predictions) == better
    PIPELINE.write_bytes(model)
    best = met(params)
    assert best.champion_source == "model"
    truncated()
    assert met(params) == best == load_comparison()


def test_what_is_asked_of_the_challenger_alone_is_asked_on_all_that_it_has_not_seen(params: Params) -> None:
    """It is no fault of the challenger's that few rows are left that the champion has not seen."""
    trained_on = row_hashes(table()["id"].iloc[:578])
    np.save(CHAMPION / TRAINED_ROWS_FILE, trained_on)
    alone = compare(params, "challenger.dir", None, None, record=False)
    comparison = met(params)
    assert (alone.rows, comparison.rows) == (150, 22)
    for name in ("baseline", "roc_auc limit"):
        one, other = (next(found for found in made.gates if found.gate == name) for made in (alone, comparison))
        assert one == other


def test_the_stored_predictions_of_a_regression_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand under another name than probabilities of classes."""
    params = prepare(tmp_path, {**SETTINGS, **REGRESSION}, table().assign(price=table()["price"].fillna(1.0)))
    monkeypatch.chdir(tmp_path)
    train.main()
    evaluate.main()
    shutil.copytree(paths.CHALLENGER, CHAMPION)
    truncated()
    comparison = met(params)
    assert comparison.champion_source == "stored predictions"
    pair = comparison.metrics["rmse"]
    assert pair.champion == pair.challenger == pytest.approx(kept().metrics["model"]["rmse"]["value"], abs=1e-6)


def test_a_champion_that_remembers_a_part_of_its_rows_is_met_on_those_that_it_knows(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row that it was trained on is compared; of those beyond its memory it says how many they are."""
    monkeypatch.setattr(trained_rows, "REMEMBERED", 150)
    train.main()
    known, ids = trained_rows.trained_rows(paths.CHALLENGER), table()["id"]
    assert len(known.hashes) == 150 and not known.complete
    assert known.seen(ids.iloc[:450]).sum() == 150 and not known.seen(ids.iloc[450:]).any()
    assert (known.seen(ids.iloc[:450]) | known.unknown(ids.iloc[:450])).all()
    shutil.copy(paths.CHALLENGER / TRAINED_ROWS_FILE, CHAMPION / TRAINED_ROWS_FILE)
    comparison = met(params)
    unknown = int(known.unknown(ids.iloc[450:]).sum())
    assert 20 < comparison.rows == 150 - unknown < 90
    told = {found.gate: found.detail for found in comparison.gates}
    left_out = f"none of the 150 held-out rows; of {unknown} it no longer knows, which are left out"
    assert told["champion unseen"].endswith(left_out)
    assert told["challenger unseen"].endswith("none of the 150 held-out rows")
