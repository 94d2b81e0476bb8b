"""Rows of production as the log has them: features, predictions and outcomes, a day at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.json
import sqlalchemy as sa

from ..data.contract import Contract, convert
from ..errors import ProjectError
from ..prediction_log.ids import first_id
from ..prediction_log.log_tables import outcomes, predictions
from ..serving.runtime import prediction_names

PART = 32_000_000
"""Characters of rows that are held at a time."""

BETWEEN = "\x1f"
"""The columns of a row: a control character, which JSON has nowhere, be it within a text or between two values."""

BLOCK = 1_000_000
"""Bytes that Arrow reads at once, on each core; more where a row has more."""

ARROW = {"number": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_()}
"""By the contract's type; all others are texts in JSON."""


@dataclass(frozen=True)
class Logged:
    """Rows of one day.

    Attributes
    ----------
    day : datetime
        Its begin, in UTC.
    features : DataFrame of shape (n_rows, n_columns)
        As the requests had them, with the contract's types.
    predictions : DataFrame of shape (n_rows, n_predictions)
    outcomes : Series of shape (n_rows,)
        As JSON, None where nothing was told so far.
    """

    day: datetime
    features: pd.DataFrame
    predictions: pd.DataFrame
    outcomes: pd.Series


def days_of(engine: sa.Engine, model: str) -> list[datetime]:
    """The days of which there are predictions by a model, the first and the last and all between."""
    log = predictions.c
    asked = sa.select(log.at).where(log.model == model).limit(1)
    with engine.connect() as connection:  # by the ids, which are in order of time and have an index
        ends = [connection.execute(asked.order_by(one)).scalar() for one in (log.id.asc(), log.id.desc())]
    moments = [moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC) for moment in ends if moment]
    if not moments:
        return []
    begin, end = moments
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


class JoinedOutcomes:
    """What was told of rows of the log: of a prediction itself or, where nothing is, of the contract's id."""

    def __init__(self, log: sa.FromClause) -> None:
        self.log = log
        self.by_prediction, self.by_row = outcomes.alias("by_prediction"), outcomes.alias("by_row")
        self.outcome = sa.func.coalesce(self.by_prediction.c.value, self.by_row.c.value)
        """As JSON, null where nothing was told so far."""

    def joined(self, source: sa.FromClause) -> sa.FromClause:
        """A source that holds the log, with the outcomes."""
        by_prediction, by_row, log = self.by_prediction, self.by_row, self.log.c
        return source.outerjoin(by_prediction, by_prediction.c.key == log.id).outerjoin(
            by_row, by_row.c.key == log.row_id
        )


def of_day(log: sa.FromClause, day: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """That a row is of a day; by its id, too, which has an index."""
    end = day + timedelta(days=1)
    begins, ends = first_id(day.timestamp()), first_id(end.timestamp())
    return log.c.at >= day, log.c.at < end, log.c.id >= begins, log.c.id < ends


def logged(
    engine: sa.Engine, model: str, day: datetime, contract: Contract, card: dict[str, Any], columns: list[str]
) -> Iterator[Logged]:
    """The rows of a day by a model, in parts, with some columns of the requests."""
    outcomes_of = JoinedOutcomes(predictions)
    log = predictions.c
    statement = (
        sa.select(log.id, log.features, log.prediction, outcomes_of.outcome.label("outcome"))
        .select_from(outcomes_of.joined(predictions))
        .where(log.model == model, *of_day(predictions, day))
    )
    names = prediction_names(card)
    with engine.connect() as connection:
        for part in parts_of(connection, statement):
            yield Logged(
                day,
                typed(part["features"], contract, columns),
                predicted(part["prediction"], names),
                part["outcome"].to_pandas(),
            )


def parts_of(connection: sa.Connection, statement: "sa.Select[Any]") -> Iterator[pa.Table]:
    """The rows that a statement selects, in the order of its first column, an id, some at a time.

    Its other columns are JSON, or null. The database joins all rows of a part to one text, which Arrow takes apart: a
    Python object for each value would take most of the time.
    """
    first, *others = statement.selected_columns
    names = [column.name for column in others]

    def line(rows: sa.FromClause) -> Any:
        texts = [sa.func.coalesce(rows.c[name], "") for name in names]
        return sum((sa.literal(BETWEEN) + text for text in texts[1:]), texts[0])

    one = statement.limit(1).subquery()
    length: int | None = connection.execute(sa.select(sa.func.length(line(one)))).scalar()
    last = ""
    while length is not None:
        size = max(1, PART // (length + 1))
        part = statement.where(first > last).order_by(first).limit(size).subquery()
        joined = sa.func.aggregate_strings(line(part), "\n")
        found = connection.execute(sa.select(sa.func.count(), sa.func.max(part.c[first.name]), joined)).one()
        count, last, text = int(found[0]), str(found[1]), str(found[2])
        if count:
            yield as_table(text, names)
        if count < size:
            return


def as_table(text: str, names: list[str]) -> pa.Table:
    """The columns of lines whose fields have `BETWEEN` between them, as texts, null where nothing is."""
    content = text.encode()
    return pyarrow.csv.read_csv(
        pa.BufferReader(content),
        pyarrow.csv.ReadOptions(column_names=names, block_size=len(content)),
        pyarrow.csv.ParseOptions(delimiter=BETWEEN, quote_char=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def lines(texts: pa.ChunkedArray) -> pa.BufferReader:
    """Texts, one in a line."""
    array = texts.combine_chunks()
    joined = pyarrow.compute.binary_join(pa.ListArray.from_arrays([0, len(array)], array), "\n")
    return pa.BufferReader(joined[0].as_buffer())


def predicted(values: pa.ChunkedArray, names: list[str]) -> pd.DataFrame:
    """The predictions of rows as the log has them, in JSON, without the class that was decided for.

    Raises ProjectError where a row has others than these.
    """
    texts = pyarrow.compute.split_pattern(values, ",", max_splits=len(names))
    try:
        columns = [pyarrow.compute.list_element(texts, place) for place in range(len(names))]
        numbers = [pyarrow.compute.utf8_trim(column, "[] ").cast(pa.float64()) for column in columns]
    except pa.ArrowInvalid as error:
        raise ProjectError(f"the log holds predictions that are not {', '.join(names)}: {error}") from None
    return pd.DataFrame(dict(zip(names, map(pa.ChunkedArray.to_numpy, numbers), strict=True)))


def width(values: pa.ChunkedArray) -> int:
    """The values that a row's prediction has, with the class decided for; all of a model have as many."""
    return len(json.loads(values[0].as_py()))


def typed(features: pa.ChunkedArray, contract: Contract, columns: list[str]) -> pd.DataFrame:
    """Some columns of rows in JSON, with the contract's types. Raises ProjectError where one is none."""
    rules = contract.columns
    schema = pa.schema([(name, ARROW.get(rules[name].type, pa.string())) for name in columns])
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        longest = pyarrow.compute.max(pyarrow.compute.binary_length(features)).as_py()
        table = pyarrow.json.read_json(
            lines(features), pyarrow.json.ReadOptions(block_size=max(BLOCK, 2 * longest)), options
        )
    except pa.ArrowInvalid as error:
        raise ProjectError(f"the log holds features that contract.yaml has otherwise: {error}") from None
    converted = {name: convert(table.column(name).to_pandas().rename(name), rules[name])[0] for name in columns}
    return pd.DataFrame(converted, index=range(len(features)))
