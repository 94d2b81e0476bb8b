"""Run the pipeline and say what came of it: the same on a laptop and in a job that starts with an empty disk."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..integrations import actions, dvc, git
from ..integrations.digests import file_digest
from ..integrations.dvc import load_yaml
from ..owner.dependencies import LOCK, MACHINERY, SOURCE, stage_dependencies
from ..owner.modules import own_estimators, own_package
from ..settings import paths
from ..settings.params import load_params
from ..settings.project import load_project
from ..storage import hooks, storage
from .preflight import refuse_unknown_names

RESULT = (paths.LOCK, paths.CHAMPION_POINTER, paths.COMPARISON)
"""What git keeps of a result: where none of them differs, neither does the model."""


@dataclass(frozen=True)
class TrainingRun:
    """What `train` found: the stages that ran, and whether model and result differ from those of a revision.

    The result is all that git keeps of it: `dvc.lock`, the champion's pointer and the comparison.
    """

    ran: list[str]
    base: str
    model_changed: bool
    changed: bool

    def __str__(self) -> str:
        stages = f"ran {', '.join(self.ran)}" if self.ran else "no stage had to run"
        if self.model_changed:
            return f"{stages}; the model differs from that of {self.base}"
        also = ", not all results are" if self.changed else ""
        return f"{stages}; the model is the same as in {self.base}{also}"


def train(base: str = "HEAD") -> TrainingRun:
    """Run the stages whose inputs changed, fetching what they read, and look how the result stands to `base`.

    Raises ProjectError when a stage fails, or no commit is named `base`.
    """
    base = git.known(base)
    refuse_unknown_names(load_params())
    for line in name_dependencies():
        print(line, flush=True)
    hooks.install_outside_jobs()
    storage.ensure()
    stages = dvc.repro()
    paths.STAGES.parent.mkdir(parents=True, exist_ok=True)
    record = {"lock": dvc.lock_digest(), "stages": [asdict(stage) for stage in stages]}
    paths.STAGES.write_text(json.dumps(record, indent=2), encoding="utf-8")
    model_changed = dvc.output_digest(paths.CHALLENGER) != dvc.output_digest(paths.CHALLENGER, base)
    trained = TrainingRun([stage.stage for stage in stages if stage.ran], base, model_changed, differs(base))
    actions.output("changed", str(trained.changed).lower())
    return trained


def name_dependencies() -> list[str]:
    """Bring the source files that `dvc.yaml` names for each stage up to date with its imports: a line on each change.

    Raises ProjectError in a job, which commits no change of `dvc.yaml`.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    pipeline = yaml.load(paths.PIPELINE.read_text(encoding="utf-8"))
    package, lines = own_package(), []
    candidates = own_estimators(candidate.estimator for candidate in load_params().model.candidates)
    for name, stage in pipeline["stages"].items():
        try:
            imported = [path.as_posix() for path in stage_dependencies(str(stage["cmd"]), package, candidates)]
        except SyntaxError:
            continue  # the stage itself will say where
        if not imported:
            continue
        named = [dep for dep in stage["deps"] if is_source(dep) or (dep == LOCK.as_posix() and dep in imported)]
        lines += [f"{paths.PIPELINE}: {name} depends on {file} now" for file in imported if file not in named]
        lines += [f"{paths.PIPELINE}: {name} no longer depends on {file}" for file in named if file not in imported]
        if set(named) != set(imported):
            stage["deps"][:] = [*(dep for dep in stage["deps"] if dep not in named), *imported]
    if lines and actions.running():
        raise ProjectError(
            f"{'; '.join(lines)}: `uv run {load_project().name} run` writes it down, commit {paths.PIPELINE}"
        )
    if lines:
        with paths.PIPELINE.open("w", encoding="utf-8", newline="\n") as file:
            yaml.dump(pipeline, file)
    return lines


def uncommitted_inputs() -> dict[str, str]:
    """Sources and settings of the pipeline that the last commit lacks: each `not in git yet` or `not committed`.

    `git commit --all` leaves new files out: nobody else could run the pipeline of such a commit.
    """
    pipeline = load_yaml(paths.PIPELINE, None)
    sources = {str(dep) for stage in pipeline["stages"].values() for dep in stage["deps"] if is_source(dep)}
    settings = [path.as_posix() for path in (paths.PARAMS, paths.CONTRACT, paths.PIPELINE)]
    where = ["--", SOURCE.as_posix(), MACHINERY.as_posix(), *settings]
    lines = git.run("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", *where).split("\0")
    state = {line[3:]: "not in git yet" if line[0] == "?" else "not committed" for line in lines if line}
    return {path: state[path] for path in sorted(state) if path in sources or path in settings}


def changed_since_training() -> list[str]:
    """The source files and parameters that are no longer those by which `dvc.lock` says the model was made."""
    stages = load_yaml(paths.LOCK, None).get("stages", {}).values()
    sources = {dep["path"]: dep["md5"] for stage in stages for dep in stage.get("deps", ()) if is_source(dep["path"])}
    changed = [
        path
        for path, digest in sorted(sources.items())
        if not Path(path).is_file() or file_digest(Path(path)) != digest
    ]
    for file in sorted({file for stage in stages for file in stage.get("params", {})}):
        now = load_yaml(Path(file), None)
        keys = {key: value for stage in stages for key, value in stage.get("params", {}).get(file, {}).items()}
        changed += [f"{key} in {file}" for key, value in sorted(keys.items()) if value_of(now, key) != value]
    return changed


def value_of(settings: dict[str, Any], key: str) -> object:
    """The value of a dotted key, None where there is none."""
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def is_source(dependency: object) -> bool:
    """Whether a dependency of a stage is one of the project's source files."""
    return str(dependency).endswith(".py") and str(dependency).startswith((f"{SOURCE}/", f"{MACHINERY}/"))


def differs(base: str) -> bool:
    """Whether the working tree holds another result than a revision."""
    return any(dvc.read(path, base) != dvc.read(path, None) for path in RESULT)
