"""Rows of production as the log has them: features, predictions and outcomes, a day at a time."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.json
import sqlalchemy as sa

from ..data.contract import Contract, convert
from ..errors import ProjectError
from ..prediction_log.ids import first_id
from ..prediction_log.log_tables import outcomes, predictions
from ..serving.runtime import prediction_names

CHUNK = 200_000
"""Rows that are held at a time."""

ARROW = {"number": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_()}
"""By the contract's type; all others are texts in JSON."""

decode_values = msgspec.json.Decoder(list[list[Any]]).decode


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
    """The rows of a day by a model, in parts of `CHUNK` rows, with some columns of the requests."""
    outcomes_of = JoinedOutcomes(predictions)
    log = predictions.c
    statement = (
        sa.select(log.features, log.prediction, outcomes_of.outcome)
        .select_from(outcomes_of.joined(predictions))
        .where(log.model == model, *of_day(predictions, day))
    )
    names = prediction_names(card)
    with engine.connect().execution_options(stream_results=True) as connection:
        result = connection.execute(statement)
        while rows := result.fetchmany(CHUNK):
            features, values, truths = zip(*rows, strict=True)
            yield Logged(
                day,
                typed(features, contract, columns),
                predicted(decode_values(f"[{','.join(values)}]"), names),
                pd.Series(truths, dtype=object),
            )


def predicted(values: list[list[Any]], names: list[str]) -> pd.DataFrame:
    """The predictions of rows as the log has them, without the class that was decided for."""
    return pd.DataFrame({name: [row[place] for row in values] for place, name in enumerate(names)})


def typed(features: tuple[str, ...], contract: Contract, columns: list[str]) -> pd.DataFrame:
    """Some columns of rows in JSON, with the contract's types. Raises ProjectError where one is none."""
    rules = contract.columns
    schema = pa.schema([(name, ARROW.get(rules[name].type, pa.string())) for name in columns])
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    text = "\n".join(features).encode()
    try:
        table = pyarrow.json.read_json(io.BytesIO(text), parse_options=options)
    except pa.ArrowInvalid as error:
        raise ProjectError(f"the log holds features that contract.yaml has otherwise: {error}") from None
    converted = {name: convert(table.column(name).to_pandas().rename(name), rules[name])[0] for name in columns}
    return pd.DataFrame(converted, index=range(len(features)))
