"""One MLflow run for one result of the pipeline, written from its outputs after the fact.

A result is known by the digest of `dvc.lock`: logged again, it changes nothing. No stage imports this.
"""

import json
import os
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..integrations import git
from ..integrations.dvc import lock_digest, read
from ..integrations.revisions import commit_of_working_tree, extract, pipeline_digests, text_digest
from ..settings import paths
from .models import log_model, signature_of
from .store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

NO_MODEL = "unavailable"
"""The tag `model` of a run whose model DVC could not bring."""

MAX_LEN_VALUE = 6000
MAX_PARAMS = 100


@dataclass(frozen=True)
class PipelineResult:
    """A result of the pipeline: its files lie below `root`, its model in `model` (None: not to be had)."""

    root: Path
    model: Path | None
    lock: str
    digests: dict[str, str]
    commit: str | None
    """The one that holds it, or on which it is being made: then it is `dirty`."""
    dirty: bool
    branch: str
    trigger: str
    time: int
    """When it was there, in milliseconds since 1970."""
    duration: int = 0
    """Milliseconds that its stages took, as far as this machine ran them."""

    def json(self, path: Path) -> dict[str, Any]:
        """A JSON file of the result, empty where it has none."""
        file = self.root / path
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return content

    @property
    def card(self) -> dict[str, Any]:
        """The model's card, empty where the model is not to be had."""
        return self.json(self.model / "card.json") if self.model else {}

    @property
    def challenger(self) -> str:
        """Digest of the model that was trained."""
        return self.digests[paths.CHALLENGER.as_posix()]


def result_of_working_tree() -> PipelineResult:
    """The result that lies in the working tree. Raises ProjectError where there is none."""
    lock, digests = lock_digest(), pipeline_digests()
    if lock is None or paths.CHALLENGER.as_posix() not in digests or not paths.METRICS.is_file():
        raise ProjectError("there is no result to track yet: `run` makes one")
    commit = commit_of_working_tree()
    model = paths.CHALLENGER if paths.CHALLENGER.is_dir() else None
    return PipelineResult(
        root=Path(),
        model=model,
        lock=lock,
        digests=digests,
        commit=commit or git.head(),
        dirty=commit is None,
        branch=current_branch(),
        trigger=os.environ.get("GITHUB_EVENT_NAME", "local"),
        time=int(time.time() * 1000),
        duration=duration_of(lock),
    )


def duration_of(lock: str) -> int:
    """Milliseconds that the stages took which ran for a result, 0 where another run came after it or none was here."""
    noted = json.loads(read(paths.STAGES, None) or "{}")
    return round(sum(stage["seconds"] for stage in noted["stages"]) * 1000) if noted.get("lock") == lock else 0


def result_of_commit(commit: str, lock: str, root: Path, model: Path | None) -> PipelineResult:
    """The result that main has had since a commit, its files written below `root`."""
    extract(commit, root)
    return PipelineResult(
        root=root,
        model=model,
        lock=lock,
        digests=pipeline_digests(commit),
        commit=commit,
        dirty=False,
        branch="main",
        trigger="history",
        time=int(git.git("show", "--no-patch", "--format=%ct", commit)) * 1000,
    )


def log_result(store: Store, result: PipelineResult) -> tuple["Run", bool]:
    """The finished run of a result, and whether it had to be made; one that was interrupted is made again."""
    finished = None
    for run in store.client.search_runs([store.experiment], f"tags.`dvc.lock` = '{result.lock}'"):
        if run.info.status == "FINISHED":
            finished = run
        elif store.embedded:  # a server's may be another machine's, still at work
            store.client.delete_run(run.info.run_id)
    if finished is None:
        return create_run(store, result), True
    correct(store, result, finished)
    return finished, False


def correct(store: Store, result: PipelineResult, run: "Run") -> None:
    """Tell a run what was not known when it was logged: the commit of its result, the model."""
    tags, run_id = run.data.tags, run.info.run_id
    if tags.get("git.dirty") == "true" and not result.dirty:
        for name, value in origin(result).items():
            store.client.set_tag(run_id, name, value)
    if tags.get("model") == NO_MODEL and result.model:
        store.client.set_tag(run_id, "model", log_model(store, run_id, result.model, result.challenger))


def create_run(store: Store, result: PipelineResult) -> "Run":
    """Log everything. The run counts as logged only when it is finished."""
    client, name = store.client, f"{result.challenger[:8]} {estimator(result)}".strip()
    tags = {**origin(result), **identity(store, result)}
    run_id = client.create_run(store.experiment, result.time - result.duration, tags, name).info.run_id
    status = "FAILED"
    try:
        log_figures(store, run_id, result)
        log_inputs(store, run_id, result)
        log_candidates(store, run_id, result)
        log_reports(store, run_id, result)
        model = log_model(store, run_id, result.model, result.challenger) if result.model else NO_MODEL
        client.set_tag(run_id, "model", model)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status, result.time)
    return client.get_run(run_id)


def estimator(result: PipelineResult) -> str:
    """The class of the estimator, empty where it is not known."""
    return str(result.card.get("estimator", "")).rpartition(".")[2]


def origin(result: PipelineResult) -> dict[str, str]:
    """Tags that name the commit: dirty as long as no commit holds the result."""
    commit = result.commit or "none"
    return {"git.commit": commit, "git.dirty": str(result.dirty).lower(), "mlflow.source.git.commit": commit}


def identity(store: Store, result: PipelineResult) -> dict[str, str]:
    """Tags that name what went in and what came out."""
    params = (result.root / paths.PARAMS).read_text(encoding="utf-8")
    return {
        "dvc.lock": result.lock,
        paths.RAW.as_posix(): result.digests.get(paths.RAW.as_posix(), ""),
        paths.CHALLENGER.as_posix(): result.challenger,
        "params": text_digest(params),
        "git.branch": result.branch,
        "trigger": result.trigger,
        "mlflow.source.name": store.project,
    }


def current_branch() -> str:
    """The branch that is checked out; on a bare commit that of the GitHub workflow, else empty."""
    return git.branch() or os.environ.get("GITHUB_HEAD_REF") or os.environ.get("GITHUB_REF_NAME", "")


def log_figures(store: Store, run_id: str, result: PipelineResult) -> None:
    """The parameters, and the metrics with the ends of their intervals, the baseline's beside them."""
    from mlflow.entities import Metric, Param

    measured = result.json(paths.METRICS)
    values = {**flat(measured.get("model", {})), **flat({"baseline": measured.get("baseline", {})})}
    metrics = [
        Metric(name.removesuffix(".value"), float(value), result.time, 0)
        for name, value in values.items()
        if isinstance(value, int | float)
    ]
    settings = YAML(typ="safe").load((result.root / paths.PARAMS).read_text(encoding="utf-8"))
    params = [Param(name, str(value)[:MAX_LEN_VALUE]) for name, value in flat(settings).items()]
    store.client.log_batch(run_id, metrics, params[:MAX_PARAMS])
    for start in range(MAX_PARAMS, len(params), MAX_PARAMS):
        store.client.log_batch(run_id, params=params[start : start + MAX_PARAMS])


def flat(content: Any, name: str = "") -> dict[str, Any]:
    """Nested settings under dotted names; a list of plain values stays one value."""
    if isinstance(content, list) and any(isinstance(item, dict | list) for item in content):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        return {name: content}
    parts = (flat(value, f"{name}.{key}" if name else str(key)) for key, value in content.items())
    return dict(chain.from_iterable(part.items() for part in parts))


def log_inputs(store: Store, run_id: str, result: PipelineResult) -> None:
    """The rows that were trained on and those held out, known by the digests that DVC gives them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    trained = result.card.get("training", {}).get("rows")
    rows = {paths.TRAIN: trained, paths.HOLDOUT: result.json(paths.METRICS).get("rows")}
    takes = signature_of(result.model).inputs.to_dict() if result.model else None
    schema = json.dumps({"mlflow_colspec": takes}) if takes else None
    inputs = [
        DatasetInput(
            Dataset(
                name=path.stem,
                digest=result.digests[path.as_posix()][:36],
                source_type="local",
                source=json.dumps({"uri": path.as_posix()}),
                schema=schema,
                profile=json.dumps({"num_rows": count}),
            ),
            [InputTag("mlflow.data.context", path.stem)],
        )
        for path, count in rows.items()
        if path.as_posix() in result.digests
    ]
    store.client.log_inputs(run_id, inputs)


def log_candidates(store: Store, run_id: str, result: PipelineResult) -> None:
    """The settings that were compared by cross-validation, as child runs with the score of each fold."""
    from mlflow.entities import Metric, Param

    compared = [candidate for candidate in result.card.get("search", []) if candidate["scores"]]
    for candidate in compared:
        name = candidate["estimator"].rpartition(".")[2]
        tags = {"mlflow.parentRunId": run_id, "chosen": str(candidate["chosen"]).lower()}
        child = store.client.create_run(store.experiment, result.time, tags, name).info.run_id
        folds = enumerate(candidate["scores"], start=1)
        scores = [Metric("fold_score", score, result.time, fold) for fold, score in folds]
        params = [Param(key, str(value)[:MAX_LEN_VALUE]) for key, value in flat(candidate["params"]).items()]
        store.client.log_batch(
            child,
            [*scores, Metric("mean_score", candidate["mean"], result.time, 0)],
            [Param("estimator", candidate["estimator"]), *params[: MAX_PARAMS - 1]],
        )
        store.client.set_terminated(child, "FINISHED", result.time)


def log_promotion(store: Store, run_id: str) -> None:
    """Why the model became champion, and its card: both are written after its run."""
    for file in (paths.COMPARISON, paths.MODEL_CARD):
        if file.is_file():
            store.client.log_artifact(run_id, str(file), paths.REPORTS.as_posix())


def log_reports(store: Store, run_id: str, result: PipelineResult) -> None:
    """Everything of `reports/` but what is large: plots, slices, the comparison, the model card."""
    folder = result.root / paths.REPORTS
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(result.root)
        kept = file.name != ".gitignore" and relative not in (paths.PREDICTIONS, paths.REFUSED)
        if kept and file.is_file():
            store.client.log_artifact(run_id, str(file), relative.parent.as_posix())
