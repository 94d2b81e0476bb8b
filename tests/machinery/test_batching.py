"""Requests that wait at the same moment are predicted together, and each is answered as if it were alone."""

from pathlib import Path
from typing import Any

import pytest
from mlops_template.serving import batching
from mlops_template.serving.routes import create
from mlops_template.serving.environment import Settings
from mlops_template.serving.runtime import Served
from mlops_template.serving.service import Service

from .serving import ROW, ask, ask_at_once, make_package

FEATURES = """
def add_features(rows):
    if (rows["price"] == 13).any():
        raise ValueError("thirteen")
    return rows.assign(storey="storey " + rows["floor"].astype("str"))
"""


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a model with a derived category, for ONNX Runtime."""
    return make_package(tmp_path_factory.mktemp("derived"), features=FEATURES) / "build/model"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a model that the scikit-learn pipeline serves."""
    return make_package(tmp_path_factory.mktemp("pipeline"), "sklearn") / "build/model"


class Calls:
    """How many rows the model was asked for at once, each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        whole = batching.predict

        def counted(served: Served, decode: Any, requests: Any) -> Any:
            self.rows.append(sum(len(values.rows) for values in requests))
            return whole(served, decode, requests)

        monkeypatch.setattr(batching, "predict", counted)


def service(package: Path) -> Service:
    """A service that has loaded a package."""
    started = Service(Settings(model_dir=package))
    started.start()
    assert started.reason() is None
    return started


def predictions(reply: Any) -> list[dict[str, Any]]:
    """Without the ids, which differ each time."""
    assert reply.status == 200, reply.body
    return [{name: value for name, value in row.items() if name != "id"} for row in reply.json["predictions"]]


BODIES: list[Any] = [{**ROW, "price": price / 4, "floor": 1 + price % 3} for price in range(20)]
BODIES[3:3] = [[{**ROW, "shop": shop} for shop in ("north", "south", "nowhere")], {**ROW, "price": None}]


@pytest.mark.parametrize("kind", ["derived", "pipeline"])
def test_one_call_of_the_model_answers_all_that_wait(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create(service(request.getfixturevalue(kind)))
    alone = [row for body in BODIES for row in predictions(ask(app, "/predict", body))]
    calls = Calls(monkeypatch)
    at_once = [row for reply in ask_at_once(app, "/predict", BODIES) for row in predictions(reply)]
    assert calls.rows == [24]
    assert at_once == [pytest.approx(row) for row in alone]


def test_one_that_is_refused_spoils_no_other(derived: Path) -> None:
    """Its JSON, a column, or the owner's own code."""
    started = service(derived)
    bad = [{"nonsense": 1}, {**ROW, "price": 13}, [{**ROW, "price": 1}, {**ROW, "price": -1}]]
    replies = ask_at_once(create(started), "/predict", [ROW, bad[0], ROW, bad[1], bad[2], ROW])
    assert [reply.status for reply in replies] == [200, 422, 200, 422, 422, 200]
    assert "ValueError: thirteen" in replies[3].json["detail"]
    assert (replies[4].json["row"], replies[4].json["column"]) == (1, "price")
    assert predictions(replies[0]) == predictions(replies[5])


def test_a_value_that_one_request_lacks_changes_no_type_for_another(derived: Path) -> None:
    """A whole number beside a gap is a float in pandas: as a text, "1.0" is another category than "1"."""
    app = create(service(derived))
    alone = [predictions(ask(app, "/predict", {**ROW, "floor": floor})) for floor in (1, None, 3)]
    at_once = ask_at_once(app, "/predict", [{**ROW, "floor": floor} for floor in (1, None, 3)])
    assert [predictions(reply) for reply in at_once] == alone


def test_large_requests_are_not_gathered(derived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_ROWS", 5)
    calls = Calls(monkeypatch)
    replies = ask_at_once(create(service(derived)), "/predict", [[ROW] * rows for rows in (2, 2, 2, 7, 1)])
    assert [len(predictions(reply)) for reply in replies] == [2, 2, 2, 7, 1]
    assert calls.rows == [4, 2, 7, 1]


def test_a_fault_of_the_service_itself_leaves_nobody_waiting(derived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = service(derived)

    def broken(bodies: list[bytes]) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(started, "predict_together", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        ask_at_once(create(started), "/predict", [ROW, ROW])
