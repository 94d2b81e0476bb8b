"""The holdout is what the model never saw: the newest rows, or without a time a fixed draw by id."""

import pandas as pd
import pytest
from mlops_template.data import partitions, split
from mlops_template.errors import ProjectError
from mlops_template.settings import paths

from .conftest import Change, Deliver, Take

REGRESSION = {
    "task": "regression",
    "columns": {"target": "arrival_delay", "positive": None},
    "gates": {"primary": "mae"},
}


def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """(training rows, holdout) as the stage leaves them."""
    split.main()
    return pd.read_parquet(paths.TRAIN), pd.read_parquet(paths.HOLDOUT)


@pytest.fixture(autouse=True, params=["classification", "regression"])
def data(
    request: pytest.FixtureRequest, flights: pd.DataFrame, deliver: Deliver, change: Change, take: Take
) -> pd.DataFrame:
    """The flights, held, under either task."""
    if request.param == "regression":
        change(**REGRESSION)
    deliver(flights)
    take()
    return flights


@pytest.mark.parametrize("holdout", ["28 days", "3 days", 0.2, 0.5])
def test_the_training_rows_end_before_the_holdout_begins(
    holdout: float | str, data: pd.DataFrame, change: Change
) -> None:
    change(split={"holdout": holdout})
    train, held_out = parts()
    assert train["departure"].max() < held_out["departure"].min()
    assert not set(train["flight_id"]) & set(held_out["flight_id"])
    assert len(train) + len(held_out) == len(data)


def test_the_holdout_is_as_long_as_asked(data: pd.DataFrame, change: Change) -> None:
    _, held_out = parts()
    assert held_out["departure"].min() > data["departure"].max() - pd.Timedelta("28 days")
    assert data["departure"].isin(held_out["departure"]).sum() == len(held_out) > 150
    change(split={"holdout": 0.25})
    assert len(parts()[1]) == pytest.approx(len(data) / 4, abs=2)


@pytest.mark.parametrize("holdout", ["28 days", 0.5])
def test_a_row_at_the_very_beginning_of_the_holdout_still_trains(
    holdout: str | float, flights: pd.DataFrame, change: Change
) -> None:
    """The stretch is open at its older end: a row just 28 days older than the newest is not among the 28 days."""
    paths.RAW.joinpath("2013-01-01_2013-03-31.parquet").unlink()
    moments = pd.date_range("2013-01-01 12:00", periods=57, freq="D")
    partitions.add(flights.head(57).assign(departure=moments.astype("datetime64[us]")), "departure")
    change(split={"holdout": holdout})
    train, held_out = parts()
    assert train["departure"].max() == moments[28]
    assert held_out["departure"].min() == moments[29]


def test_rows_of_one_moment_stay_together(flights: pd.DataFrame, change: Change) -> None:
    paths.RAW.joinpath("2013-01-01_2013-03-31.parquet").unlink()
    days = flights.assign(departure=flights["departure"].dt.normalize())
    partitions.add(days, "departure")
    for share in (0.1, 0.2, 0.3):
        change(split={"holdout": share})
        train, held_out = parts()
        assert train["departure"].max() < held_out["departure"].min()


def test_without_a_time_an_id_stays_where_it_is_when_rows_are_added(
    flights: pd.DataFrame, deliver: Deliver, change: Change, take: Take
) -> None:
    change(columns={"time": None}, split={"holdout": 0.2})
    train, held_out = parts()
    assert not set(train["flight_id"]) & set(held_out["flight_id"])
    assert 0.1 < len(held_out) / len(flights) < 0.3
    deliver(flights.assign(flight_id=flights["flight_id"] + " again"), "b.csv")
    take()
    more_train, more_held_out = parts()
    assert set(train["flight_id"]) < set(more_train["flight_id"])
    assert set(held_out["flight_id"]) < set(more_held_out["flight_id"])


def test_an_empty_side_is_refused(change: Change) -> None:
    change(split={"holdout": "400 days"})
    with pytest.raises(ProjectError, match="no training rows"):
        parts()
    change(columns={"time": None}, split={"holdout": 0.00001})
    with pytest.raises(ProjectError, match="no holdout rows"):
        parts()


def test_the_same_data_give_the_same_bytes() -> None:
    parts()
    first = paths.TRAIN.read_bytes(), paths.HOLDOUT.read_bytes()
    parts()
    assert first == (paths.TRAIN.read_bytes(), paths.HOLDOUT.read_bytes())


def test_one_class_on_a_side_is_refused(flights: pd.DataFrame, change: Change) -> None:
    change(task="classification", columns={"target": "late", "positive": 1}, gates={"primary": "roc_auc"})
    paths.RAW.joinpath("2013-01-01_2013-03-31.parquet").unlink()
    newest = flights["departure"] > flights["departure"].max() - pd.Timedelta("28 days")
    partitions.add(flights.assign(late=flights["late"].where(~newest, 0)), "departure")
    with pytest.raises(ProjectError, match="holdout rows have one class of late"):
        parts()


def test_rows_whose_label_has_not_arrived_are_on_neither_side(data: pd.DataFrame, change: Change) -> None:
    """With a delay of two days the newest two days are left out; one of exactly that age is known."""
    change(data={"label_delay": "2 days"})
    train, held_out = parts()
    newest = data["departure"].max()
    used = pd.concat([train, held_out])
    assert len(used) == (data["departure"] <= newest - pd.Timedelta("2 days")).sum() < len(data)
    assert used["departure"].max() <= newest - pd.Timedelta("2 days")
