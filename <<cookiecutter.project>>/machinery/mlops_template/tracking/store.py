"""Opens the MLflow store: the server of MLFLOW_TRACKING_URI, else the SQLite database in the project.

The database is made and upgraded here, under a lock and with a backup, and nowhere else.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import ProjectError
from ..settings import paths
from ..settings.project import load_project

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROBE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
WORK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
QUIET = {"MLFLOW_LOGGING_LEVEL": "ERROR", "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_UV_AUTO_DETECT": "false"}

PLACES = ("artifact_location", "artifact_uri", "source", "storage_location")
"""The columns of MLflow's database that hold where artifacts lie."""

MAX_LEN_WAIT = 600
"""Seconds to wait for another process that uses the database."""


class TrackingUnavailable(ProjectError):
    """The store did not answer, or refused: the result is as good as before, only not tracked yet."""


@dataclass(frozen=True)
class Store:
    """An open store. The project's name names its experiment and its registered model."""

    client: "MlflowClient"
    uri: str
    experiment: str
    project: str
    embedded: bool


def server_uri() -> str:
    """The store that MLFLOW_TRACKING_URI names, empty for the embedded one."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


@contextmanager
def open_store() -> Iterator[Store]:
    """The store, ready to write to; the embedded one is this process's alone meanwhile.

    Raises TrackingUnavailable, on entering or later, when the store does not answer or refuses.
    """
    project, uri = load_project().name, server_uri()
    with defaults(QUIET), explained(uri or str(paths.TRACKING_DATABASE)):
        if uri:
            with defaults(WORK):
                yield connect(uri, project)
            return
        with locked(paths.TRACKING_DATABASE):
            prepare_database(paths.TRACKING_DATABASE)
            rebase_artifacts(paths.TRACKING_DATABASE, project)
            yield connect(sqlite_uri(paths.TRACKING_DATABASE), project, embedded=True)


def connect(uri: str, project: str, embedded: bool = False) -> Store:
    """The store with the project's experiment; a server that is down is noticed within seconds."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with environment(PROBE if uri.startswith("http") else {}):
        existing = client.get_experiment_by_name(project)
    if existing is None:
        artifacts = paths.TRACKING_ARTIFACTS.resolve().as_uri() if embedded else None
        experiment = client.create_experiment(project, artifact_location=artifacts)
    elif existing.lifecycle_stage == "deleted":
        raise ProjectError(
            f"the MLflow experiment {project} was deleted: bring it back with "
            f"`mlflow experiments restore --experiment-id {existing.experiment_id}`"
        )
    else:
        experiment = existing.experiment_id
    return Store(client, uri, experiment, project, embedded)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn what MLflow and its HTTP client raise into one line."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        scheme, _, rest = uri.partition("://")
        place = urlsplit(uri).netloc
        host = place.rpartition("@")[2]  # without a password, also where the error repeats it
        shown = f"{scheme}://{host}" if rest else uri
        reason = " ".join(str(error).replace(place or uri, host or uri).split())
        raise TrackingUnavailable(
            f"MLflow at {shown} did not answer or refused ({reason[:200]}): see that it runs and that "
            "MLFLOW_TRACKING_URI names it"
        ) from None


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Wait for the database to be free, then keep other processes of this project away from it."""
    try:
        with FileLock(f"{database}.lock", timeout=MAX_LEN_WAIT):
            yield
    except Timeout:
        raise ProjectError(f"{database} is in use by another process: end it and try again") from None


def prepare_database(database: Path) -> None:
    """Make the database, or upgrade one that an older MLflow made, after a copy of it. Call it `locked`.

    Both happen beside the database and replace it in the end, so that a crash leaves it as it was.
    Raises ProjectError when it is damaged or was made by a newer MLflow.
    """
    revision = schema_revision(database)
    if revision and known_head() == revision:
        return
    scripts = migrations()
    head = scripts.get_current_head()
    paths.TRACKING_SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    paths.TRACKING_SCHEMA.write_text(json.dumps({"mlflow": version("mlflow-skinny"), "head": head}), encoding="utf-8")
    if revision == head:
        return
    if revision and revision not in {script.revision for script in scripts.walk_revisions()}:
        raise ProjectError(
            f"{database} was written by a newer MLflow (schema {revision}) than the one installed: `uv sync` "
            "installs the locked one; else move the file away, `track --history` builds it again from git"
        )
    fresh = database.with_name(f"{database.name}.new")
    fresh.unlink(missing_ok=True)
    if revision:
        backup = database.with_name(f"{database.name}.backup-{revision}")
        for copy in (backup, fresh):
            with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
        print(f"{database} is of an older MLflow: upgrading it, the old one is kept as {backup}", flush=True)
    migrate(fresh, new=not revision)
    fresh.replace(database)


def rebase_artifacts(database: Path, project: str) -> None:
    """Let a project that was moved or copied find, and write, its artifacts where it lies now. Call it `locked`.

    MLflow keeps their place as an absolute URI in every run, model and version.
    """
    here = paths.TRACKING_ARTIFACTS.resolve().as_uri()
    with closing(sqlite3.connect(database)) as connection, connection:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", [project]).fetchone()
        if row is None or row[0] == here:
            return
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                if column in PLACES:
                    connection.execute(
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                        f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                        [here, len(row[0]) + 1, row[0], len(row[0]) + 1, f"{row[0]}/"],
                    )
    print(
        f"{database} was made at another place: its artifacts are looked for in {paths.TRACKING_ARTIFACTS}", flush=True
    )


def schema_revision(database: Path) -> str | None:
    """The revision of the database's schema, None where there is no database."""
    if not database.exists() or database.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(database)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise ProjectError(
            f"{database} is no MLflow database ({error}): move it away and run `track --history`, "
            "which builds it again from git"
        ) from None
    return str(row[0]) if row else None


def known_head() -> str | None:
    """The newest revision that the installed MLflow knows, where it was asked before: it reads fifty scripts for it."""
    try:
        kept = json.loads(paths.TRACKING_SCHEMA.read_text(encoding="utf-8"))
        return str(kept["head"]) if kept["mlflow"] == version("mlflow-skinny") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it was not asked yet, or the machine went down while this was written


def migrations() -> Any:
    """The schema's revisions that the installed MLflow knows."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    schema: Any = utils
    return ScriptDirectory.from_config(schema._get_alembic_config(""))


def migrate(database: Path, new: bool) -> None:
    """Bring a database to the installed MLflow's schema, as `mlflow db upgrade` does."""
    from mlflow.store.db import utils

    schema: Any = utils
    engine = schema.create_sqlalchemy_engine(sqlite_uri(database))
    try:
        (schema._initialize_tables if new else schema._upgrade_db)(engine)
    finally:
        engine.dispose()  # Windows replaces no open file


def sqlite_uri(database: Path) -> str:
    """The database as SQLAlchemy names it."""
    return f"sqlite:///{database.resolve().as_posix()}"


def defaults(variables: dict[str, str]) -> Any:
    """Environment variables where the user has set none, for a while."""
    return environment({name: value for name, value in variables.items() if name not in os.environ})


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
