"""Rows of the log are read as they were written, whatever their texts hold, in SQLite as in PostgreSQL."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from mlops_template.data.contract import Contract
from mlops_template.errors import ProjectError
from mlops_template.monitor import logged_rows
from mlops_template.monitor.logged_rows import logged, predicted
from mlops_template.prediction_log import log_tables
from mlops_template.prediction_log.ids import request_id
from mlops_template.prediction_log.log_tables import outcomes, predictions

from postgres import postgres

DAY = datetime(2026, 5, 1, tzinfo=UTC)
TEXTS = ['a "quoted" one', "tab\tand\nline", "[brackets], commas", "back\\slash", "Zürich – 東京", "", "null", None]
CONTRACT = Contract.model_validate({"columns": {"place": {"type": "string", "nullable": True}, "size": {"type": "number"}}})
CARD = {"kind": "classification", "classes": ["no", "yes"], "positive": "yes"}


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A log of each kind with a row for each text, by one of two models, and half of the outcomes."""
    if request.param == "sqlite":
        found = log_tables.connect(str(tmp_path / "log.db"))
        yield filled(found)
        found.dispose()
        return
    with postgres() as server:
        found = log_tables.connect(server.url)
        yield filled(found)
        found.dispose()


def filled(engine: sa.Engine) -> sa.Engine:
    log_tables.create(engine)
    with engine.begin() as connection:
        for number, text in enumerate(TEXTS):
            at = DAY.timestamp() + number
            made = f"{request_id(at)}-0"
            features = "{ \t" + json.dumps({"size": number, "place": text}, ensure_ascii=False)[1:]
            row = {"id": made, "at": datetime.fromtimestamp(at, UTC), "row_id": str(number), "features": features}
            said = json.dumps([1 - number / 8, number / 8, 'a "yes", or [no]\\'])
            connection.execute(predictions.insert(), {**row, "model": "m", "prediction": said})
            connection.execute(predictions.insert(), {**row, "model": "other", "prediction": "[1,2,3,4]"})
            if number % 2:
                told = {"value": json.dumps(text), "known_at": DAY, "corrections": 0}
                connection.execute(outcomes.insert(), {"key": made if number % 4 == 1 else str(number), **told})
    return engine


@pytest.mark.parametrize("part", [1, 200, 10**8])
def test_every_text_comes_back_in_parts_of_any_size(
    engine: sa.Engine, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_rows, "PART", part)
    parts = list(logged(engine, "m", DAY, CONTRACT, CARD, ["place", "size"]))
    assert (len(parts) == 1) == (part == 10**8)
    places = [None if one != one else one for part in parts for one in part.features["place"].astype(object)]
    assert places == TEXTS
    assert [one for part in parts for one in part.features["size"]] == list(range(len(TEXTS)))
    assert [one for part in parts for one in part.predictions["probability_yes"]] == [n / 8 for n in range(len(TEXTS))]
    told = [one for part in parts for one in part.outcomes]
    assert [json.loads(one) for one in told[1::2]] == TEXTS[1::2]
    assert all(one is None or one != one for one in told[::2])


def test_a_day_without_a_row_has_none(engine: sa.Engine) -> None:
    assert list(logged(engine, "m", datetime(2026, 5, 2, tzinfo=UTC), CONTRACT, CARD, ["place"])) == []


def test_predictions_of_another_kind_are_said(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(predictions.update().values(prediction="[0.5]").where(predictions.c.row_id == "3"))
    with pytest.raises(ProjectError, match="that are not probability_no, probability_yes"):
        list(logged(engine, "m", DAY, CONTRACT, CARD, ["place"]))


def test_a_row_longer_than_a_block_is_read() -> None:
    long = "x" * (2 * logged_rows.BLOCK)
    features = pa.chunked_array([[json.dumps({"place": text}) for text in ("a", long, "b")]])
    assert logged_rows.typed(features, CONTRACT, ["place"])["place"].tolist() == ["a", long, "b"]
    labels = pa.chunked_array([[json.dumps([0.5, 0.5, text]) for text in ("a", long, "b")]])
    assert predicted(labels, ["probability_no", "probability_yes"])["probability_no"].tolist() == [0.5] * 3
