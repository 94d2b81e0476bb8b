"""What speaks for a retraining is seen when it is there, and is not when it is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.champion.seen_rows import seen_rows
from mlops_template.data import partitions, split
from mlops_template.retrain.signals import Signals, measure
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train, trained_rows
from mlops_template.training.trained_rows import remembered, save_trained_rows
from ruamel.yaml import YAML

from .project import write_package

SETTINGS = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {"id": "id", "time": "time", "target": "bought", "numeric": ["price"], "categorical": ["shop"]},
    "split": {"holdout": "7 days"},
    "model": {"threads": 1, "candidates": [{"estimator": "sklearn.linear_model.LogisticRegression"}]},
    "evaluate": {"n_bootstrap": 200},
    "gates": {"primary": "roc_auc", "margin": 0.02},
    "retrain": {
        "triggers": {"rows": 2000, "age": "20 days", "drift": 0.25, "decay": True},
        "windows": {"length": "2 days", "violated": 2, "of": 3},
    },
}
START = pd.Timestamp("2024-01-01")


def purchases(first_day: int, days: int, price: float = 10.0, sense: float = 1.0) -> pd.DataFrame:
    """Purchases, 100 a day. `price` is the mean one; `sense` is how much the price has to do with buying."""
    random = np.random.default_rng(first_day)
    rows = days * 100
    prices = random.normal(price, 2, rows)
    bought = (sense * (prices - price) + random.normal(0, 1, rows) > 0).astype("int64")
    time = START + pd.to_timedelta(first_day + np.arange(rows) / 100, unit="D")
    ids = [f"{first_day}-{number}" for number in range(rows)]
    shop = random.choice(["north", "south"], rows)
    return pd.DataFrame({"id": ids, "time": time, "price": prices, "shop": shop, "bought": bought})


def settings(**retrain: object) -> Params:
    """Write `params.yaml`."""
    with paths.PARAMS.open("w", encoding="utf-8") as file:
        YAML().dump({**SETTINGS, "retrain": {**SETTINGS["retrain"], **retrain}}, file)
    return load_params()


@pytest.fixture(autouse=True)
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A champion made with 21 days, of which it was trained on 14."""
    monkeypatch.chdir(tmp_path)
    write_package(tmp_path)
    params = settings()
    partitions.add(purchases(0, 21), "time")
    split.main()
    train.main()
    return params


def after(params: Params, *batches: pd.DataFrame) -> Signals:
    """What is measured when these came since."""
    for batch in batches:
        partitions.add(batch, params.columns.time)
    return measure(params, paths.CHALLENGER)


def given(found: Signals) -> set[str]:
    """The reasons that are given."""
    return {signal.reason for signal in found.signals if signal.given}


def test_more_of_the_same_is_no_reason(champion: Params) -> None:
    found = after(champion, purchases(21, 7))
    assert given(found) == set()
    assert found.new_rows == 700
    assert f"{found.newest:%Y-%m-%d}" == "2024-01-28"


def test_a_champion_that_remembers_a_part_of_its_rows_gives_the_same_reasons(
    champion: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are told by time, but for those between the last that it knows and the last that it was trained on."""
    batches = purchases(21, 4), purchases(25, 2, price=14), purchases(27, 2, price=14)
    whole = after(champion, *batches)
    seen = seen_rows(champion, paths.CHALLENGER)
    monkeypatch.setattr(trained_rows, "REMEMBERED", 200)
    save_trained_rows(paths.CHALLENGER, remembered([pd.read_parquet(paths.TRAIN)["id"]]))
    sampled = seen_rows(champion, paths.CHALLENGER)
    assert len(trained_rows.trained_rows(paths.CHALLENGER).hashes) == 200
    assert (sampled.trained <= seen.trained).all()
    assert sampled.trained.sum() > 0.98 * seen.trained.sum()
    assert given(measure(champion, paths.CHALLENGER)) == given(whole) == {"drift"}


def test_nothing_new_is_no_reason(champion: Params) -> None:
    found = after(champion)
    assert given(found) == set()
    assert found.new_rows == 0


def test_enough_rows_are(champion: Params) -> None:
    assert given(after(champion, purchases(21, 20))) == {"rows"}
    for wanted, expected in ((2001, set()), (2000, {"rows"}), (0.9, {"rows"})):
        found = measure(settings(triggers={"rows": wanted, "age": None}), paths.CHALLENGER)
        assert given(found) == expected, wanted


def test_age_is(champion: Params) -> None:
    assert given(after(champion, purchases(40, 2))) == {"age"}


def test_a_feature_that_moved_for_good_is_and_one_day_is_not(champion: Params) -> None:
    """The index of a single window comes and goes: two of the last three count, the latest among them."""
    only_once = after(champion, purchases(21, 4), purchases(25, 2, price=14))
    assert given(only_once) == set()
    assert "price" in next(signal.figure for signal in only_once.signals if signal.reason == "drift")
    assert given(after(champion, purchases(27, 2, price=14))) == {"drift"}
    assert given(after(champion, purchases(29, 2))) == set(), "the latest window is as in training"


def test_a_target_that_moved_is(champion: Params) -> None:
    """Though no feature did."""
    moved = purchases(21, 6).assign(bought=lambda rows: (rows.index % 10 > 0).astype("int64"))
    found = after(champion, moved)
    assert "drift" in given(found)
    assert "1 of 3 columns moved" in next(signal.figure for signal in found.signals if signal.reason == "drift")


def test_a_champion_that_does_worse_than_when_it_was_promoted_is(champion: Params) -> None:
    found = after(champion, purchases(21, 6, sense=0.2))
    assert given(found) == {"decay"}
    (decay,) = [signal for signal in found.signals if signal.reason == "decay"]
    assert "3 of 3 windows worse" in decay.figure


def test_what_is_switched_off_is_not(champion: Params) -> None:
    off = settings(triggers={"rows": None, "age": None, "drift": None, "decay": False})
    assert given(after(off, purchases(21, 30, price=14, sense=0.2))) == set()


def test_rows_without_their_label_yet_count_for_nothing(champion: Params) -> None:
    waiting = champion.model_copy(update={"data": champion.data.model_copy(update={"label_delay": "6 days"})})
    found = after(waiting, purchases(21, 6, sense=0.2))
    assert given(found) == set()
    assert found.new_rows == 0


def test_without_a_time_the_partitions_are_the_windows(champion: Params) -> None:
    timeless = champion.columns.model_copy(update={"time": None})
    params = champion.model_copy(
        update={"columns": timeless, "split": champion.split.model_copy(update={"holdout": 0.3})}
    )
    names = ["000001", "000002", "000003"]
    for name, day in zip(names, (21, 23, 25), strict=True):
        rows = purchases(day, 2, price=14)
        rows.to_parquet(paths.RAW / f"{name}.parquet", index=False)
    paths.RAW.joinpath("2024-01-01_2024-01-21.parquet").rename(paths.RAW / "000000.parquet")
    found = measure(params, paths.CHALLENGER)
    assert "drift" in given(found)
    assert found.newest is None


def test_a_champion_that_cannot_answer_is_told_of(champion: Params) -> None:
    (paths.CHALLENGER / "model.joblib").write_bytes(b"broken")
    found = after(champion, purchases(21, 6))
    (decay,) = [signal for signal in found.signals if signal.reason == "decay"]
    assert decay.figure.startswith("not measured: ") and not decay.given
