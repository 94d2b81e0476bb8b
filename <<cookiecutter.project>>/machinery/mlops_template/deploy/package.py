"""The champion as a directory that the service reads: nothing else of the project goes into the image.

The same commit gives the same bytes.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..champion.lineage import find_champion, read_json, trained_in
from ..champion.opponent import ShadowModel, find_shadow, model_directory
from ..data.contract import load_contract
from ..errors import ProjectError
from ..evaluation.convert import feeds, load, parts_of, predict
from ..evaluation.export import Export, export
from ..evaluation.service_path import KINDS
from ..integrations.git import git
from ..integrations.revisions import Champion
from ..render.json_file import write_json
from ..serving.files import ONNX_FILE, RELEASE_FILE, SCHEMA_FILE, SERVING_FILE, SHADOW
from ..serving.model_code import INPUTS
from ..serving.runtime import load as load_served
from ..settings import paths
from ..settings.operation import Predictions
from ..settings.params import Params
from ..storage import storage
from ..training.artifact import GOLDEN_FILE, PIPELINE_FILE, Model, golden_rows, load_model
from ..training.card import CARD_FILE, load_card


@dataclass(frozen=True)
class Package:
    """What was made, and of which champion."""

    directory: Path
    champion: Champion
    export: Export
    size: int
    shadow: ShadowModel | None = None

    def __str__(self) -> str:
        beside = f"; beside it the shadow {self.shadow.name} ({self.shadow.short})" if self.shadow else ""
        return (
            f"{self.directory}: champion {self.champion.number} ({self.champion.short}), {self.size / 1024**2:.1f} MB, "
            f"served by {self.export}{beside}"
        )


def package(params: Params, directory: Path = paths.PACKAGE) -> Package:
    """Make the directory from the champion of this commit, in place of an earlier one.

    What is not here is fetched from the storage. Raises ProjectError when there is no champion, or when what was made
    cannot be served.
    """
    champion, _ = find_champion("champion")
    if directory.exists() and not (directory / RELEASE_FILE).is_file() and any(directory.iterdir()):
        raise ProjectError(f"{directory} holds something else than a package: name another directory")
    if not paths.HOLDOUT.exists():
        storage.pull(paths.HOLDOUT)
    fresh, old = (directory.with_name(f"{directory.name}.{os.getpid()}.{state}") for state in ("new", "old"))
    fresh.mkdir(parents=True)
    try:
        with model_directory(champion.digest, "HEAD") as source:
            exported = fill(fresh, source, params)
        write_json(fresh / RELEASE_FILE, release(champion, fresh))
        load_served(fresh)
        shadow = add_shadow(fresh, params) if params.serving.shadow else None
        size = sum(file.stat().st_size for file in fresh.rglob("*") if file.is_file())
        if directory.exists():
            directory.rename(old)
        fresh.rename(directory)
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return Package(directory, champion, exported, size, shadow)


def add_shadow(directory: Path, params: Params) -> ShadowModel:
    """Put the package of the shadow into that of the champion."""
    shadow = find_shadow(params.serving.shadow or "")
    place = directory / SHADOW
    place.mkdir()
    with shadow.directory() as source:
        fill(place, source, params)
    commit = git("rev-parse", f"{shadow.revision}^{{commit}}")
    write_json(place / RELEASE_FILE, {"version": shadow.name, "commit": commit, "digest": shadow.digest})
    load_served(place)
    return shadow


def fill(directory: Path, source: Path, params: Params) -> Export:
    """Write all that is made of the model alone, and tell what serves it."""
    model, holdout = load_model(source), pd.read_parquet(paths.HOLDOUT)
    missing = [name for name in model.request if name not in holdout]
    if missing:
        raise ProjectError(
            f"{paths.HOLDOUT} has no {', '.join(missing)}, which the champion takes: promote a model of these "
            "columns, or bring the column back and `run`"
        )
    exported = export(model, holdout, params.serving.parity)
    shutil.copyfile(source / CARD_FILE, directory / CARD_FILE)
    model.code.write(directory)
    golden = json.loads((source / GOLDEN_FILE).read_text(encoding="utf-8"))
    refuse_unknown(params.predictions.leave_out, [*model.request, params.columns.id])
    if exported.onnx is None:
        shutil.copyfile(source / PIPELINE_FILE, directory / PIPELINE_FILE)
    else:
        (directory / ONNX_FILE).write_bytes(exported.onnx)
        golden = predicted_alike(golden, source, model, exported)
    write_json(directory / GOLDEN_FILE, golden)
    write_json(directory / SCHEMA_FILE, schema(model, golden["rows"], params.columns.id))
    limits = {"max_rows": params.serving.max_rows, "max_body_mb": params.serving.max_body_mb}
    write_json(directory / SERVING_FILE, exported.facts() | {"limits": limits, "log": log_policy(params.predictions)})
    return exported


def refuse_unknown(left_out: list[str], columns: list[str]) -> None:
    """Raise ProjectError where a column that is never to be stored is none of a request: a misspelt one would be."""
    unknown = [name for name in left_out if name not in columns]
    if unknown:
        raise ProjectError(
            f"predictions.leave_out in {paths.PARAMS} names {', '.join(unknown)}, which no request has: give some of "
            f"{', '.join(columns[:30])}"
        )


def log_policy(kept: Predictions) -> dict[str, Any]:
    """What of its predictions the service may keep, as `prediction_log.policy.Policy` has it."""
    seconds = None if kept.keep is None else pd.Timedelta(kept.keep).total_seconds()
    return {
        "sample": kept.sample,
        "keep_seconds": seconds,
        "leave_out": kept.leave_out,
        "hash_id": kept.hash_id,
    }


def predicted_alike(golden: dict[str, Any], source: Path, model: Model, exported: Export) -> dict[str, Any]:
    """The golden rows that the ONNX model predicts as the pipeline did; a few may be beyond the tolerance."""
    rows, expected = golden_rows(source, model)
    predicted = predict(load(exported.onnx or b""), feeds(model.inputs(rows), model.kinds))
    alike = np.abs(predicted - expected.to_numpy()).max(axis=1) <= exported.tolerance
    return {part: [row for row, same in zip(values, alike, strict=True) if same] for part, values in golden.items()}


def schema(model: Model, golden: list[dict[str, Any]], id_column: str) -> dict[str, Any]:
    """The columns of a request, each with its rule of the contract and an example."""
    rules, categories = load_contract().columns, known_categories(model)
    kind_of = {name: KINDS[kind] for kind, names in model.kinds.items() for name in names}
    columns = []
    for name in model.request:
        if name not in rules:
            raise ProjectError(f"{paths.CONTRACT} has no {name}, which the champion takes: write its rule there")
        rule = rules[name].model_dump(mode="json", exclude={"unique"})
        example = next((row[name] for row in golden if row[name] is not None), None)
        kind = kind_of.get(name, "source")
        columns.append({"name": name, "kind": kind, **rule, "example": example, "known": categories.get(name)})
    return {"columns": columns, "task": model.card["task"], "id": id_column}


def known_categories(model: Model) -> dict[str, list[str]]:
    """The categories that the pipeline was trained on, of each column whose encoder tells."""
    missing = model.code.module(INPUTS).MISSING
    categories_of: dict[str, list[str]] = {}
    for part in parts_of(model.pipeline):
        names, categories = getattr(part, "feature_names_in_", ()), getattr(part, "categories_", ())
        if len(names) == len(categories):
            for name, values in zip(names, categories, strict=True):
                categories_of[str(name)] = [str(value) for value in values if value != missing]
    return categories_of


def release(champion: Champion, directory: Path) -> dict[str, Any]:
    """What a running service tells of its model: which champion it is, from when its data are, how good it was."""
    training = load_card(directory)["training"]
    measured = read_json(paths.METRICS, trained_in(champion))
    return {
        "version": champion.number,
        "commit": champion.commit,
        "digest": champion.digest,
        "window": {"first": training["first"], "last": training["last"]},
        "metrics": {name: metric["value"] for name, metric in measured.get("model", {}).items()},
    }
