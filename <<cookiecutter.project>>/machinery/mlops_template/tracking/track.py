"""MLflow, filled from what the pipeline left: `track` logs it, `ui` shows it. No stage imports this."""

import json
import os
import socket
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

from ..errors import ProjectError
from ..integrations import actions
from ..integrations.process import attached, find
from ..settings import paths
from ..settings.params import load_params
from .last import Tracked, last_tracked, remember
from .store import TrackingUnavailable, open_store, server_uri, sqlite_uri

VIEW = "champions"
"""The name of the shared view: sorted by the primary metric, with its columns."""

if TYPE_CHECKING:
    from .backfill import Backfill


def track(history: bool = False) -> "Tracked | Backfill":
    """Log the result that lies in the working tree and register its champion, unless the store has them.

    With `history` every result and champion of main that is missing.
    Raises ProjectError when nothing was trained yet, TrackingUnavailable when the store cannot be written.
    """

    from .backfill import log_history
    from .registry import register_champion
    from .runs import log_promotion, log_result, result_of_working_tree

    result = None if history else result_of_working_tree()
    with open_store() as store:
        if result is None:
            logged = log_history(store)
            register_champion(store)
            return logged
        run, new = log_result(store, result)
        champion = register_champion(store)
        if champion and champion.new and champion.champion.digest == result.challenger:
            log_promotion(store, run.info.run_id)
        shown = paths.TRACKING_DATABASE.name if store.embedded else "the server of MLFLOW_TRACKING_URI"
        tracked = Tracked(
            run.info.run_id, new, shown, champion.champion.number if champion and champion.version else None
        )
    remember(tracked)
    return tracked


def track_if_possible() -> str:
    """What `track` did, or that it can wait: a store that is down loses no result, and one in a job ends with it."""
    if actions.running() and not server_uri():
        return "not tracked: a job keeps no store, and `ui` makes its own from the history of main"
    last = last_tracked()
    if last:
        return str(last)
    try:
        return str(track())
    except TrackingUnavailable as error:
        return f"not yet tracked: {error}; `track` catches up"


def ui(port: int = 5000) -> None:
    """Bring the embedded store up to date with main and show it until Ctrl-C; or name the server."""
    server = server_uri()
    if server.startswith("http"):
        print(f"MLFLOW_TRACKING_URI names a server of its own: {server}")
        return
    command = mlflow_command()
    with socket.socket() as attempt:
        if attempt.connect_ex(("127.0.0.1", port)) == 0:
            raise ProjectError(f"port {port} is taken: choose another with `ui --port {port + 1}`")
    if not server:
        print(track(history=True), flush=True)
    database = server or sqlite_uri(paths.TRACKING_DATABASE)
    print(f"MLflow: http://127.0.0.1:{port}/{page_of_runs()} (Ctrl-C ends it)", flush=True)
    options = ["--backend-store-uri", database, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        code = attached([*command, "server", *options], env=environment)
    except KeyboardInterrupt:
        return
    if code:
        raise ProjectError(f"MLflow ended with code {code}: the reason stands above")


def page_of_runs() -> str:
    """The address of the project's runs within MLflow's pages, the best by the primary metric first and in columns.

    The columns are a shared view, which MLflow keeps as a tag of the experiment.
    """
    from ..training.metrics import higher_is_better

    primary = load_params().gates.primary
    columns = [f"metrics.`{name}`" for name in (primary, f"{primary}.low", f"{primary}.high")]
    view = {
        "orderByKey": columns[0],
        "orderByAsc": not higher_is_better(primary),
        "selectedColumns": [*columns, "tags.`git.branch`", "tags.`git.commit`", "attributes.`Duration`"],
    }
    with open_store() as store:
        store.client.set_experiment_tag(store.experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view))
        return f"#/experiments/{store.experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def mlflow_command() -> list[str]:
    """How to start MLflow with its server, a dependency group of its own: it is six times as large.

    It shares files with the smaller `mlflow-skinny`, which would be gone with it: it gets an environment of its own.
    """
    try:
        installed_version("mlflow")
    except PackageNotFoundError:
        return [find("uv"), "run", "--isolated", "--no-default-groups", "--group", "ui", "python", "-m", "mlflow"]
    return [sys.executable, "-m", "mlflow"]
