"""The tables of the prediction log, alike in SQLite and PostgreSQL, and how they are reached."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import ProjectError

SECONDS = 5
"""How long another process may hold a SQLite file, and how long a server may take to be reached."""

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
"""By the name of the database in a URL."""

LOCK = 0x6D6C6F7073
"""Of PostgreSQL, while tables are made: several processes start at once."""

DEFAULT_PARTITION = "predictions_other"

SPECIAL, ESCAPED = re.compile(r"[\\\t\n\r]"), str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""What a text of PostgreSQL's COPY may not have as it is."""

metadata = sa.MetaData()

MOMENT = sa.DateTime(timezone=True)
"""UTC; SQLite keeps no time zone."""

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="Begins with the time: see ids.py."),
    sa.Column("at", MOMENT, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True, comment="The digest of the model, as in champion.dvc."),
    sa.Column("row_id", sa.Text, comment="The contract's id column, where the request had it."),
    sa.Column("features", sa.Text, nullable=False, comment="The row of the request, as JSON."),
    sa.Column("prediction", sa.Text, nullable=False, comment="What the reply has for it, in order, as a JSON list."),
    postgresql_partition_by="RANGE (at)",
)
with_id = predictions.c.row_id.is_not(None)
sa.Index("predictions_row_id", predictions.c.row_id, sqlite_where=with_id, postgresql_where=with_id)
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="The id of a prediction, or the contract's id of its row."),
    sa.Column("value", sa.Text, nullable=False, comment="What truly happened, as JSON."),
    sa.Column("known_at", MOMENT, nullable=False, comment="When that was known; the latest counts."),
    sa.Column("corrections", sa.Integer, nullable=False, comment="How often another value took its place."),
    sqlite_with_rowid=False,
)
traffic = sa.Table(
    "traffic",
    metadata,
    sa.Column("minute", MOMENT, primary_key=True),
    sa.Column("worker", sa.Text, primary_key=True, comment="A process of the service."),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("status", sa.Integer, primary_key=True, comment="Of HTTP."),
    sa.Column("column", sa.Text, primary_key=True, comment="For which requests were refused, or nothing."),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Text, nullable=False, comment="Requests by latency as a JSON list: see `BUCKETS`."),
    sqlite_with_rowid=False,
)


def database_url(place: str) -> sa.URL:
    """Where the log is: a URL of SQLite or PostgreSQL, or the path of a SQLite file. Raises ProjectError."""
    if "://" not in place:
        return sa.URL.create("sqlite", database=place)
    try:
        url = sa.make_url(place)
    except (sa.exc.ArgumentError, ValueError):
        raise ProjectError(
            "the prediction log is no database URL such as postgresql://user@host/name: its password may need to be "
            "percent-encoded"
        ) from None
    dialect = url.get_backend_name()
    if dialect not in DRIVERS:
        raise ProjectError(f"a prediction log in {dialect} is not supported: give a file, or a URL of postgresql://")
    return url.set(drivername=DRIVERS[dialect])


def describe(place: str) -> str:
    """The place without its password."""
    return place if "://" not in place else database_url(place).render_as_string(hide_password=True)


def connect(place: str) -> sa.Engine:
    """An engine for a log; nothing is asked yet. Raises ProjectError where the place is none."""
    url = database_url(place)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": SECONDS}, poolclass=sa.NullPool)
        sa.event.listen(engine, "connect", prepare_sqlite)
        return engine
    arguments = {"connect_timeout": SECONDS, "options": "-c timezone=utc"}
    return sa.create_engine(url, connect_args=arguments, pool_size=1, max_overflow=1, pool_pre_ping=True)


def prepare_sqlite(connection: Any, record: Any) -> None:
    """Reading does not hold up writing, and a commit does not wait for the disk: a crash may lose the last ones."""
    connection.execute("pragma page_size = 16384")  # of a new file
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma wal_autocheckpoint = 2500")  # pages, 40 MB: fewer and larger writes
    connection.execute("pragma cache_size = -16000")  # KB
    connection.execute("pragma secure_delete = on")  # what is deleted is not left in free pages


def create(engine: sa.Engine) -> None:
    """Make what is missing of the tables."""
    with engine.begin() as connection:
        partitioned = engine.dialect.name == "postgresql"
        if partitioned:
            connection.execute(sa.text(f"select pg_advisory_xact_lock({LOCK})"))
            if sa.inspect(connection).has_table(traffic.name):  # so an account without the right to make any will do
                return
        for table in metadata.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
            if partitioned and table is predictions:
                connection.execute(
                    sa.text(f"create table if not exists {DEFAULT_PARTITION} partition of predictions default")
                )


def create_partition(engine: sa.Engine, month: str) -> None:
    """PostgreSQL's part of `predictions` for a month. Where an account may make none, the default takes the rows."""
    start = datetime.strptime(month, "%Y-%m")
    end = (start + timedelta(days=32)).replace(day=1)
    statement = (
        f"create table if not exists {partition_name(start)} partition of predictions "
        f"for values from ('{start:%Y-%m-%d}+00') to ('{end:%Y-%m-%d}+00')"
    )
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"select pg_advisory_xact_lock({LOCK})"))
            connection.execute(sa.text(statement))
    except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
        pass  # no right to, or the default one has rows of that month


def partition_name(month: datetime) -> str:
    """Of a month."""
    return f"predictions_{month:%Y_%m}"


def insert_predictions(connection: sa.Connection, rows: Sequence[tuple[str | None, ...]]) -> None:
    """Add rows of `predictions`, in the order of its columns, as fast as the driver can; those that are there stay.

    Through SQLAlchemy's own INSERT a row costs the service three times as much: see benchmarks/README.md.
    """
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(predictions.columns))
        cursor.executemany(f"insert into {predictions.name} values ({places}) on conflict do nothing", rows)
    else:
        text = "".join(["\t".join([as_copied(value) for value in row]) + "\n" for row in rows])
        cursor.execute(f"create temp table if not exists coming (like {predictions.name}) on commit delete rows")
        with cursor.copy("copy coming from stdin") as copy:
            copy.write(text)
        cursor.execute(f"insert into {predictions.name} select * from coming on conflict do nothing")
    cursor.close()


def as_copied(value: str | None) -> str:
    """A text as a value of a line of PostgreSQL's COPY."""
    if value is None:
        return "\\N"
    return value.translate(ESCAPED) if SPECIAL.search(value) else value


def insert_new(engine: sa.Engine, table: sa.Table) -> Any:
    """An INSERT that leaves out what is there already, as after a failure that came when all was written."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def insert_outcomes(engine: sa.Engine) -> Any:
    """An INSERT into `outcomes` by which, of several values for a key, that which was known last stays."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(outcomes)
    new, held = statement.excluded, outcomes.c
    return statement.on_conflict_do_update(
        index_elements=[held.key],
        set_={
            "value": new.value,
            "known_at": new.known_at,
            "corrections": held.corrections + sa.case((new.value != held.value, 1), else_=0),
        },
        where=new.known_at >= held.known_at,
    )
