"""What differs between a base revision and the working tree: parameters, libraries, data, stages, code."""

import json
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ..data import partitions
from ..data.drift import Drift, drift
from ..errors import ProjectError
from ..integrations import dvc, git
from ..owner.modules import own_code
from ..settings import paths
from ..settings.params import Params
from ..storage import cache
from ..tracking.runs import flat
from ..training.features import with_features

LIBRARIES = Path("uv.lock")
CODE = ("src", "machinery", paths.CONTRACT.as_posix(), paths.PIPELINE.as_posix())


@dataclass(frozen=True)
class Change:
    """A value before and after, each None where it is not set."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class DataSummary:
    """What `validate` saw of the data."""

    rows: int
    first: str | None
    last: str | None
    partitions: int


@dataclass(frozen=True)
class DataChange:
    """The raw data before and after, and how far each column moved."""

    before: DataSummary | None
    after: DataSummary | None
    compared: tuple[str, str]
    """What the columns were compared between."""
    drifts: list[Drift]
    """Of every feature and the target, the furthest first."""
    unknown: bool = False
    """The rows of one side are neither here nor in the storage."""


@dataclass(frozen=True)
class Stage:
    """A stage, whether it ran and how long (None: not known), and which of its inputs differ from the base."""

    name: str
    ran: bool | None
    seconds: float | None
    inputs: list[str]


def parameters(base: str) -> list[Change]:
    """Every setting of `params.yaml` that differs; of a list only what came and what went."""
    old, new = (flat(dvc.load_yaml(paths.PARAMS, revision)) for revision in (base, None))
    changes = []
    for name in {**old, **new}:
        before, after = old.get(name), new.get(name)
        if name in old and name in new and before == after:
            continue
        if isinstance(before, list) and isinstance(after, list) and set(map(str, before)) != set(map(str, after)):
            before, after = (
                [item for item in this if item not in other] for this, other in ((before, after), (after, before))
            )
        changes.append(Change(name, shown(before) if name in old else None, shown(after) if name in new else None))
    return changes


def shown(value: Any) -> str:
    """A setting as one would write it."""
    return (
        ", ".join(map(shown, value))
        if isinstance(value, list)
        else json.dumps(value)
        if value in (None, "", True, False)
        else str(value)
    )


def libraries(base: str) -> list[Change]:
    """Every package whose version in `uv.lock` differs."""
    there, here = (dvc.read(LIBRARIES, revision) for revision in (base, None))
    if there == here:
        return []
    old, new = versions(there), versions(here)
    return [
        Change(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)
    ]


def versions(lock: str | None) -> dict[str, str]:
    """The packages of a `uv.lock`; several versions of one are named together."""
    packages: dict[str, list[str]] = {}
    for package in tomllib.loads(lock or "").get("package", []):
        if "version" in package:
            packages.setdefault(package["name"], []).append(package["version"])
    return {name: ", ".join(several) for name, several in packages.items()}


def code(base: str) -> str:
    """How much of the code, the contract and the pipeline's definition differs; empty where nothing does."""
    return (git.git_or_none("diff", "--shortstat", base, "--", *CODE) or "").strip()


def stages(base: str) -> list[Stage]:
    """Each stage of `dvc.lock`, with what `train` noted of it if that was about this very result."""
    old, new = (dvc.load_yaml(paths.LOCK, revision).get("stages", {}) for revision in (base, None))
    noted = json.loads(dvc.read(paths.STAGES, None) or "{}")
    runs = {run["stage"]: run for run in noted.get("stages", ())} if noted.get("lock") == dvc.lock_digest() else {}
    listed = []
    for name, stage in new.items():
        before, after = inputs(old.get(name, {})), inputs(stage)
        differ = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        run = runs.get(name, {})
        listed.append(Stage(name, run.get("ran"), run.get("seconds"), differ if name in old else ["new stage"]))
    return listed


def inputs(stage: dict[str, Any]) -> dict[str, str]:
    """What a stage of `dvc.lock` depends on, by its name: files by their digest, parameters by their value."""
    files = {dep["path"]: dep.get("md5", "") for dep in stage.get("deps", ())}
    settings = {
        f"{file}: {key}": str(value) for file, keys in stage.get("params", {}).items() for key, value in keys.items()
    }
    return files | settings


def data(base: str, params: Params) -> DataChange | None:
    """How the raw data differs, None where it does not.

    Where partitions were only added, the rows added are compared with those of the base; else all with all.
    """
    there, here = (dvc.output_digest(paths.RAW_POINTER, revision) for revision in (base, None))
    if there == here:
        return None
    before, after = (held(dvc.read(paths.VALIDATION, revision)) for revision in (base, None))
    if there is None or here is None:
        return DataChange(before, after, ("the base", "this change"), [])
    folder = cache.bring([there, here])
    if not all(cache.is_complete(folder, digest) for digest in (there, here)):
        return DataChange(before, after, ("the base", "this change"), [], unknown=True)
    listed = (cache.contents(folder, digest) for digest in (there, here))
    old, new = ([file for file in files if file.path.suffix == ".parquet"] for files in listed)
    added = [file for file in new if file.md5 not in {other.md5 for other in old}]
    grown = bool(added) and {file.md5 for file in old} <= {file.md5 for file in new}
    sides = [[folder / file.key for file in side] for side in (old, added if grown else new)]
    columns = dict.fromkeys([params.columns.target, *params.columns.features])
    present = [name for name in columns if all(name in pq.read_schema(file).names for side in sides for file in side)]
    drifts = [drift(*(partitions.read([name], side)[name] for side in sides)) for name in present]
    derived = [name for name in columns if name not in present]
    if derived:
        with suppress(ProjectError):  # one of the sides may lack a column that today's features come from
            code = own_code("features")
            first, second = (with_features(partitions.read(None, side), code, params.columns) for side in sides)
            drifts += [drift(first[name], second[name]) for name in derived]
    drifts.sort(key=lambda one: one.index, reverse=True)
    return DataChange(before, after, ("rows of the base", "rows added" if grown else "rows now"), drifts)


def held(validation: str | None) -> DataSummary | None:
    """What a `validation.json` tells of the data, None where there is none."""
    report = json.loads(validation or "{}")
    parts = report.get("partitions")
    if not parts:
        return None
    return DataSummary(report["rows"], parts[0]["first"], parts[-1]["last"], len(parts))
