"""The service answers as the pipeline would, or says in one sentence why it does not; it never breaks."""

import json
import sqlite3
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlops_template.data.contract import Contract, conform
from mlops_template.serving import inputs as transform
from mlops_template.serving import rows, runtime
from mlops_template.serving.routes import create
from mlops_template.serving.environment import Settings
from mlops_template.serving.rows import Decoder, RequestRejected
from mlops_template.serving.inputs import MISSING
from mlops_template.serving.schema import Column, Schema
from mlops_template.serving.service import Service
from mlops_template.training.artifact import load_model
from starlette.types import ASGIApp

from .project import model_code
from .serving import CONTRACT, ROW, ask, make_package, purchases


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package of an ONNX model."""
    return make_package(tmp_path_factory.mktemp("onnx"))


def start(package: Path, **changed: Any) -> tuple[Service, ASGIApp]:
    """A service in this process that has loaded a package."""
    service = Service(Settings(model_dir=package, **changed))
    service.start()
    return service, create(service)


@pytest.fixture(scope="module")
def app(made: Path) -> ASGIApp:
    """The service of the ONNX model."""
    return start(made / "build/model")[1]


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A package to be damaged."""
    return Path(shutil.copytree(made / "build/model", tmp_path / "model"))


def as_sent(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client sends them: JSON types, null for what is missing."""
    rows = json.loads(table[list(ROW)].to_json(orient="records", double_precision=15))
    for row in rows:
        row["floor"] = None if row["floor"] is None else int(row["floor"])
    return rows


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_requests_are_answered_as_by_the_pipeline(
    runtime: str, tmp_path: Path, made: Path, request: pytest.FixtureRequest
) -> None:
    """Every kind of column, with gaps, by either runtime."""
    project = made if runtime == "onnx" else make_package(tmp_path / "project", runtime)
    assert json.loads((project / "build/model/serving.json").read_text())["runtime"] == runtime
    rows = purchases(150)
    expected = load_model(project / "models/challenger").predict(
        conform(rows, Contract.model_validate({"columns": CONTRACT}))
    )
    reply = ask(start(project / "build/model")[1], "/predict", as_sent(rows))
    answers = pd.DataFrame(reply.json["predictions"])
    assert np.allclose(answers[list(expected)], expected, rtol=0, atol=1e-5)
    assert expected["probability_1"].std() > 0.1


def test_a_row_alone_is_answered_as_in_a_batch(app: ASGIApp) -> None:
    other = {**ROW, "price": 19.0}
    batch = ask(app, "/predict", [ROW, other]).json
    for place, row in enumerate((ROW, other)):
        alone = ask(app, "/predict", row).json
        assert alone["version"] == batch["version"] == 7
        [answer] = alone["predictions"]
        assert answer["probability_1"] == pytest.approx(batch["predictions"][place]["probability_1"], abs=1e-6)
        assert answer["id"] != batch["predictions"][place]["id"]
    assert len({answer["id"] for answer in batch["predictions"]}) == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("colour", '"red"', "is no column"),
        ("price", '"9"', "expected number or null, got string"),
        ("price", "true", "expected number or null, got boolean"),
        ("price", "-0.01", "expected number >= 0"),
        ("price", "100.5", "<= 100"),
        ("price", "1" + 400 * "0", "out of range"),
        ("price", "1e400", "out of range"),
        ("stück zahl", "2.5", "without a fraction"),
        ("stück zahl", "null", "expected number, got null"),
        ("stück zahl", "1" + 30 * "0", "<= 9"),
        ("new", "1", "expected boolean"),
        ("shop", "5", "expected string"),
        ("shop", '{"name": "north"}', "expected string"),
        ("floor", "4", "none of 1, 2, 3"),
        ("floor", "1" + 5000 * "0", "out of range"),
        ("floor", '"1"', "got string"),
        ("birthday", '"31/02/1980"', "is no date"),
        ("birthday", "5", "expected string"),
        ("birthday", '"0001-01-01T00:00:00+14:00"', "is no date"),
    ],
)
def test_what_is_wrong_is_named_with_its_row_and_column(column: str, value: str, said: str, app: ASGIApp) -> None:
    row = json.dumps({**ROW, column: "CHANGED"}).replace('"CHANGED"', value)
    reply = ask(app, "/predict", parts=[f"[{json.dumps(ROW)}, {row}]".encode()])
    assert reply.status == 422
    assert (reply.json["row"], reply.json["column"]) == (1, column)
    assert said in reply.json["detail"]


@pytest.mark.parametrize(("column", "one", "other"), [("floor", 1, 1.0), ("price", 7, 7.0), ("stück zahl", 2, 2.0)])
def test_a_number_may_be_written_with_a_fraction_of_nought(column: str, one: float, other: float, app: ASGIApp) -> None:
    """As pandas writes whole numbers of a column with gaps."""
    first, second = ask(app, "/predict", [{**ROW, column: one}, {**ROW, column: other}]).json["predictions"]
    assert first["probability_1"] == second["probability_1"]
    figures = ask(app, "/metrics").body.decode()
    assert 'predict_unseen_total{column="floor"} 0.0' in figures


@pytest.mark.parametrize("name", ["x` - at `$[9]", f"x` - at `$[{'9' * 5000}]", "x` - at `$[9].price", "x" * 5000])
def test_an_unknown_column_is_named_whatever_it_is_called(name: str, app: ASGIApp) -> None:
    """Its row is told from where it is, not from its name; a long name is cut."""
    wrong = {**ROW, name: 1}
    for content, row in ((wrong, None), ([ROW, wrong], 1)):
        reply = ask(app, "/predict", content)
        assert (reply.status, reply.json["row"]) == (422, row)
        assert reply.json["column"] == (name if len(name) <= 100 else f"{name[:100]}…")
        assert reply.json["detail"].endswith("is no column of this model")
        assert len(reply.body) < 500


def test_a_missing_column_is_named(app: ASGIApp) -> None:
    reply = ask(app, "/predict", [ROW, {name: value for name, value in ROW.items() if name != "member"}])
    assert (reply.status, reply.json["row"], reply.json["column"]) == (422, 1, "member")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"price": NaN}', 400),
        (b'[{"price": -Infinity}]', 400),
        (b"\xff\xfe", 400),
        (b'{"shop": "\xff"}', 400),
        (b'{"shop": "\\ud800"}', 400),
        (json.dumps(ROW).encode() + b"x", 400),
        (b"[]", 422),
        (b"[[]]", 422),
        (b"[" * 90_000, 422),
        (b"null", 422),
        (b'"rows"', 422),
        (b"5", 422),
        (json.dumps([ROW] * 201).encode(), 422),
        (b" " * 100_001, 413),
    ],
)
def test_no_body_breaks_the_service(body: bytes, status: int, app: ASGIApp) -> None:
    reply = ask(app, "/predict", parts=[body])
    assert reply.status == status
    assert reply.json["detail"]


def test_a_column_given_twice_is_refused(app: ASGIApp) -> None:
    """Also where another one is left out, and however its name is written."""
    text = json.dumps(ROW)
    for twice in (text[:-1] + ', "price": 5}', text.replace('"price": 9.5', '"shop": "south"')):
        reply = ask(app, "/predict", parts=[twice.encode()])
        assert reply.status == 422
        assert "twice" in reply.json["detail"]
    escaped = text[:-1] + ', "\\u0070rice": 5}'
    assert "price: is given twice" in ask(app, "/predict", parts=[escaped.encode()]).json["detail"]


colon = st.sampled_from([":", "\\u003a", "\\u003A"])
"""As JSON may write it."""


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_column_given_twice_is_refused_however_many_colons_there_are(data: st.DataObject) -> None:
    """In names and in texts, escaped or not, with others left out."""
    columns = [
        Column(name="a:b", kind="categorical", type="string", nullable=True),
        Column(name="c", kind="categorical", type="string", nullable=True),
        Column(name="d:", kind="numeric", type="number"),
        Column(name="e", kind="date", type="datetime", nullable=True),
    ]
    decode = Decoder(Schema(columns=columns[data.draw(st.integers(0, 1)) :], task="regression"), 9, model_code())
    names = [column.name for column in decode.numbers + decode.categories]
    kept = data.draw(st.lists(st.sampled_from(names), max_size=5).map(lambda some: ["d:", *some]))
    written = []
    for name in data.draw(st.permutations(kept)):
        text = {"d:": "1", "e": '"2024-01-01T10:00:00"'}.get(name, data.draw(st.sampled_from(['"x"', '":"', "null"])))
        name, text = (part.replace(":", data.draw(colon)) for part in (name, text))
        written.append(f'"{name}": {text}')
    body = ("[{" + ", ".join(written) + "}]").encode()
    if len(set(kept)) == len(kept):
        assert len(decode.rows(body)) == 1
    else:
        with pytest.raises(RequestRejected, match="is given twice"):
            decode.rows(body)


def test_colons_in_texts_cost_no_second_look(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """One takes several times as long as all the rest."""
    looked: list[bytes] = []
    monkeypatch.setattr(rows, "refuse_columns_given_twice", looked.append)
    row = {**ROW, "shop": "a:b::c", "birthday": "2024-01-01T10:00:00"}
    without = {name: value for name, value in row.items() if name != "price"}
    assert ask(app, "/predict", [row, without, {**row, "shop": None}]).status == 200
    assert not looked


def test_the_largest_body_is_counted_as_it_comes(app: ASGIApp) -> None:
    """A client that does not tell the length in advance has the same limit; a body in parts is put together."""
    reply = ask(app, "/predict", parts=[b" " * 60_000] * 3)
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    body = json.dumps(ROW).encode()
    assert ask(app, "/predict", parts=[body[:20], body[20:30], body[30:]]).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "text/csv"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
    ],
)
def test_only_json_is_taken(headers: dict[str, str], status: int, app: ASGIApp) -> None:
    assert ask(app, "/predict", ROW, headers=headers).status == status


def test_what_is_unusual_is_answered_and_counted(made: Path) -> None:
    """A category never seen, an absent value, a column left out that may be."""
    _, app = start(made / "build/model")
    without = {name: value for name, value in ROW.items() if name not in ("price", "floor")}
    reply = ask(app, "/predict", [{**ROW, "shop": "west"}, {**ROW, "shop": None, "birthday": None}, without])
    assert reply.status == 200
    figures = ask(app, "/metrics").body.decode()
    for line in (
        'predict_unseen_total{column="shop"} 1.0',
        'predict_missing_total{column="shop"} 1.0',
        'predict_missing_total{column="birthday"} 1.0',
        'predict_missing_total{column="price"} 1.0',
        'predict_missing_total{column="floor"} 1.0',
        'predict_requests_total{status="200"} 1.0',
        "predict_rows_total 3.0",
    ):
        assert line in figures


@pytest.mark.parametrize(
    ("written", "read"), [("3", "3"), ("3.0", "3"), ("-0.0", "0"), ("1e16", "1" + 16 * "0"), ("null", MISSING)]
)
def test_a_whole_number_is_the_same_category_however_it_is_written(written: str, read: str) -> None:
    column = Column(name="floor", kind="categorical", type="integer", nullable=True, known=[read])
    batch = Decoder(Schema(columns=[column], task="regression"), 1, model_code())(f'{{"floor": {written}}}'.encode())
    assert (batch.categories.tolist(), batch.unseen) == ([[read]], {})


@pytest.mark.parametrize(
    ("values", "dtype", "floats"),
    [
        ([1, 2], "int64", [1.0, 2.0]),
        ([True, None], "boolean", [1.0, np.nan]),
        ([3, None], "Int64", [3.0, np.nan]),
        (["1.5", None], "object", [1.5, np.nan]),
    ],
)
def test_a_number_is_a_float_however_pandas_holds_it(values: list[Any], dtype: str, floats: list[float]) -> None:
    made = inputs({"x": pd.Series(values, dtype=dtype)})["x"]
    assert made.dtype == "float64" and np.array_equal(made, floats, equal_nan=True)


@pytest.mark.parametrize("dtype", ["timedelta64[s]", "datetime64[us]"])
def test_a_time_is_no_number(dtype: str) -> None:
    """Its unit is pandas' own affair, and would be another in a service."""
    with pytest.raises(TypeError):
        inputs({"x": pd.Series([1, 2]).astype(dtype)})


def inputs(columns: dict[str, pd.Series]) -> pd.DataFrame:
    """What the model would be given, were they its numbers."""
    kinds: dict[str, list[str]] = {"numeric": [*columns], "categorical": [], "dates": [], "text": []}
    made: pd.DataFrame = transform.inputs(pd.DataFrame(columns), kinds)
    return made


def test_a_good_model_is_ready_and_tells_what_it_is(app: ASGIApp) -> None:
    assert ask(app, "/ready").status == 200
    told = ask(app, "/model").json
    assert (told["version"], told["commit"], told["metrics"]) == (7, "c0ffee", {"roc_auc": 0.8})
    assert told["serving"]["runtime"] == "onnx"


@pytest.mark.parametrize("file", ["model.onnx", "golden.json", "schema.json", "card.json", "serving.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_package_is_alive_but_not_ready(file: str, damage: str, copy: Path) -> None:
    content = (copy / file).read_bytes()
    if damage == "cut":
        (copy / file).write_bytes(content[: len(content) // 2])
    else:
        (copy / file).unlink()
    _, app = start(copy)
    assert ask(app, "/health").status == 200
    for path in ("/ready", "/predict", "/model", "/openapi.json", "/docs"):
        reply = ask(app, path, ROW if path == "/predict" else None)
        assert reply.status == 503
        assert str(copy) in reply.body.decode()
    assert ask(app, "/metrics").status == 200


def test_a_model_that_answers_otherwise_is_not_ready(copy: Path) -> None:
    golden = json.loads((copy / "golden.json").read_text())
    golden["predictions"][3]["probability_1"] += 0.01
    (copy / "golden.json").write_text(json.dumps(golden))
    _, app = start(copy)
    reply = ask(app, "/ready")
    assert reply.status == 503
    assert "row 3 has probability_1" in reply.json["reason"]


@pytest.mark.parametrize(("rows", "said"), [([], "no row"), ([{**ROW, "price": -1}], "row 0: column price")])
def test_golden_rows_that_are_none_are_named(rows: list[dict[str, Any]], said: str, copy: Path) -> None:
    (copy / "golden.json").write_text(json.dumps({"rows": rows, "predictions": []}))
    assert said in ask(start(copy)[1], "/ready").json["reason"]


def test_golden_rows_are_decoded_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each decoder has a class of its own: one for each question would fill the memory."""
    service, _ = start(made / "build/model")
    monkeypatch.setattr(runtime, "Decoder", None)
    assert service.reason() is None


def test_classes_may_be_called_anything(copy: Path) -> None:
    renamed = {"0": 'n"o', "1": "y\\e\ns"}
    card, golden = (json.loads((copy / name).read_text()) for name in ("card.json", "golden.json"))
    card["classes"] = list(renamed.values())
    card["positive"] = renamed["1"]
    golden["predictions"] = [
        {f"probability_{renamed[name.removeprefix('probability_')]}": value for name, value in answer.items()}
        for answer in golden["predictions"]
    ]
    (copy / "card.json").write_text(json.dumps(card))
    (copy / "golden.json").write_text(json.dumps(golden))
    [answer] = ask(start(copy)[1], "/predict", ROW).json["predictions"]
    assert list(answer) == ["id", 'probability_n"o', "probability_y\\e\ns", "prediction"]
    assert answer["prediction"] in renamed.values()


@pytest.mark.parametrize("name", ['pri"ce', "pri\\ce", "pri\nce"])
def test_a_column_that_cannot_be_served_is_named(name: str, copy: Path) -> None:
    schema = json.loads((copy / "schema.json").read_text())
    schema["columns"][0]["name"] = name
    (copy / "schema.json").write_text(json.dumps(schema))
    reply = ask(start(copy)[1], "/ready")
    assert reply.status == 503
    assert f"the column {name!r} cannot be served" in reply.json["reason"]


def test_a_service_that_ends_still_answers_but_is_not_ready(made: Path) -> None:
    service, app = start(made / "build/model")
    service.draining = True
    assert ask(app, "/ready").status == 503
    reply = ask(app, "/predict", ROW)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


def stored(place: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Columns of a table of the log of predictions."""
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(f"select {columns} from {table} order by 1").fetchall()


def test_predictions_are_kept_where_a_log_is_named(made: Path, tmp_path: Path) -> None:
    """One row each, under the id that the caller was given; refusals are counted with their column."""
    log = tmp_path / "log.db"
    service, app = start(made / "build/model", predictions=str(log))
    answers = ask(app, "/predict", [ROW, ROW | {"id": "r1"}]).json["predictions"]
    assert ask(app, "/predict", ROW | {"price": 1e9}).status == 422
    service.end()
    first, second = stored(log, "predictions", "id, model, row_id, features, prediction")
    assert [answer["id"] for answer in answers] == [first[0], second[0]]
    assert (first[1], first[2], second[2]) == ("d1.dir", None, "r1")
    assert [json.loads(row[3]) for row in (first, second)] == [ROW, ROW]
    assert json.loads(first[4]) == list(answers[0].values())[1:]
    grouped = "traffic group by status, 2"
    assert stored(log, grouped, 'status, "column", sum(requests), sum(rows)') == [
        (200, "", 1, 2),
        (422, "price", 1, 0),
    ]


def test_what_truly_happened_is_taken_by_either_id(made: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    service, app = start(made / "build/model", predictions=str(log))
    [answer] = ask(app, "/predict", ROW).json["predictions"]
    told = [{"id": answer["id"], "outcome": 1}, {"id": 17, "outcome": "0", "known_at": "2026-01-31T10:00:00+02:00"}]
    reply = ask(app, "/feedback", told)
    assert (reply.status, reply.json) == (202, {"accepted": 2})
    assert "feedback_outcomes_total 2.0" in ask(app, "/metrics").body.decode()
    service.end()
    by_id, by_row = sorted(stored(log, "outcomes", "key, value, known_at"), key=lambda row: -len(row[0]))
    assert by_id[:2] == (answer["id"], "1")
    assert by_row == ("17", "0", "2026-01-31 08:00:00.000000")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"id": "a"}, 422, "missing required field `outcome`"),
        ([{"id": "a", "outcome": 1}, {"id": "a", "outcome": 2}], 422, "row 1: the outcome 2 is none of 0, 1"),
        ({"id": "a", "outcome": 1, "when": 3}, 422, "unknown field `when`"),
        ({"id": "a", "outcome": 1, "known_at": "soon"}, 422, "Invalid RFC3339"),
        ([], 422, "length >= 1"),
    ],
)
def test_outcomes_that_are_none_are_refused(made: Path, tmp_path: Path, body: Any, status: int, said: str) -> None:
    service, app = start(made / "build/model", predictions=str(tmp_path / "log.db"))
    reply = ask(app, "/feedback", body)
    service.end()
    assert reply.status == status
    assert said in reply.json["detail"]


def test_without_a_log_outcomes_are_turned_away(app: ASGIApp) -> None:
    reply = ask(app, "/feedback", {"id": "a", "outcome": 1})
    assert (reply.status, reply.json["detail"]) == (
        404,
        "no predictions are kept here: start the service with PREDICTIONS set",
    )


def test_the_id_of_a_row_is_no_input(app: ASGIApp) -> None:
    """It may be a text, with colons, or a number, of some rows or of all; given twice it is refused."""
    alone = ask(app, "/predict", ROW).json["predictions"][0]
    for row_id in ("a:b", 17, None):
        [answer] = ask(app, "/predict", ROW | {"id": row_id}).json["predictions"]
        assert {**answer, "id": ""} == {**alone, "id": ""}
    twice = json.dumps(ROW)[:-1] + ', "id": "a:b", "id": "c"}'
    reply = ask(app, "/predict", parts=[twice.encode()])
    assert (reply.status, reply.json["column"]) == (422, "id")


def test_a_log_that_could_never_be_written_keeps_the_service_from_being_ready(made: Path) -> None:
    service = Service(Settings(model_dir=made / "build/model", predictions="mysql://host/db"))
    service.start()
    assert "in mysql is not supported" in str(service.reason())


def test_the_documents_show_each_column(app: ASGIApp) -> None:
    """With its type, range, categories and an example that is answered."""
    document = ask(app, "/openapi.json").json
    row = document["components"]["schemas"]["Row"]
    assert set(row["properties"]) == {*ROW, "id"}
    assert (row["properties"]["price"]["minimum"], row["properties"]["price"]["maximum"]) == (0, 100)
    assert row["properties"]["floor"]["enum"] == [1, 2, 3, None]
    assert "north" in row["properties"]["shop"]["description"]
    assert set(row["required"]) == {"stück zahl", "new", "member"}
    examples = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert ask(app, "/predict", examples["rows"]["value"]).status == 200
    page = ask(app, "/docs").body.decode()
    assert all(name in page for name in ROW)


def test_there_are_no_other_ways_in(app: ASGIApp) -> None:
    assert ask(app, "/").headers["location"] == "/docs"
    assert ask(app, "/admin").status == 404
    assert ask(app, "/admin").json["detail"]


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["north", 1, 2.0, 3])
some_json = st.recursive(
    values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=10
)
good_rows = st.fixed_dictionaries(
    {
        "stück zahl": st.integers(1, 9) | st.integers(1, 9).map(float),
        "new": st.booleans(),
        "member": st.booleans(),
    },
    optional={
        "price": st.none() | st.floats(0, 100) | st.integers(0, 100),
        "shop": st.none() | st.text(st.characters(codec="utf-8")),
        "floor": st.sampled_from([None, 1, 2, 3, 1.0]),
        "birthday": st.none() | st.datetimes().map(lambda moment: moment.isoformat()),
    },
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(rows=st.lists(good_rows, min_size=1, max_size=5))
def test_whatever_the_contract_allows_is_answered(rows: list[dict[str, Any]], app: ASGIApp) -> None:
    reply = ask(app, "/predict", rows)
    assert reply.status == 200, reply.body
    for answer in reply.json["predictions"]:
        assert answer["probability_0"] + answer["probability_1"] == pytest.approx(1, abs=1e-5)


@quick
@given(row=good_rows, change=st.dictionaries(st.sampled_from([*ROW, "other"]), some_json, max_size=3))
def test_whatever_is_in_a_row_the_service_does_not_break(row: Any, change: Any, app: ASGIApp) -> None:
    assert ask(app, "/predict", [row, {**row, **change}]).status in (200, 400, 422)


@quick
@given(body=st.binary() | some_json.map(lambda content: json.dumps(content).encode()))
def test_whatever_comes_the_service_does_not_break(body: bytes, app: ASGIApp) -> None:
    assert ask(app, "/predict", parts=[body]).status in (400, 422)


def test_onnx_is_served_without_the_libraries_of_training(made: Path) -> None:
    """Nor is a pickle loaded: what could do it is not there."""
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "sklearn", "mlflow", "joblib", "scipy", "pyarrow", "pydantic", "typer"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import PACKAGE.serving.run
from PACKAGE.serving.service import Service
from PACKAGE.serving.environment import from_environment
service = Service(from_environment())
service.start()
sys.exit(service.reason())
"""
    import mlops_template as package

    command = [sys.executable, "-c", code.replace("PACKAGE", package.__name__)]
    environment = {"MODEL_DIR": str(made / "build/model"), "PYTHONPATH": str(Path(package.__file__ or "").parents[1])}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
