"""Run the pipeline and say what came of it: the same on a laptop and in a job that starts with an empty disk."""

import json
from dataclasses import asdict, dataclass

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..integrations import actions, dvc, git
from ..owner.dependencies import MACHINERY, SOURCE, stage_dependencies
from ..owner.package import own_package
from ..settings import paths
from ..settings.params import load_params
from ..settings.project import load_project
from ..storage import storage
from .preflight import refuse_unknown_names

RESULT = (paths.LOCK, paths.CHAMPION_POINTER, paths.COMPARISON)
"""What git keeps of a result: where none of them differs, neither does the model."""


@dataclass(frozen=True)
class Trained:
    """What `train` found: the stages that ran, and whether the result differs from that of the revision `base`."""

    ran: list[str]
    base: str
    changed: bool

    def __str__(self) -> str:
        stages = f"ran {', '.join(self.ran)}" if self.ran else "no stage had to run"
        return f"{stages}; model {'differs from that' if self.changed else 'unchanged since that'} of {self.base}"


def train(base: str = "HEAD") -> Trained:
    """Run the stages whose inputs changed, fetching what they read, and look how the result stands to `base`.

    Raises ProjectError when a stage fails, or no commit is named `base`.
    """
    base = git.known(base)
    refuse_unknown_names(load_params())
    for line in name_dependencies():
        print(line, flush=True)
    storage.carry_with_push()
    storage.ensure()
    stages = dvc.repro()
    paths.STAGES.parent.mkdir(parents=True, exist_ok=True)
    record = {"lock": dvc.lock_digest(), "stages": [asdict(stage) for stage in stages]}
    paths.STAGES.write_text(json.dumps(record, indent=2), encoding="utf-8")
    trained = Trained([stage.stage for stage in stages if stage.ran], base, differs(base))
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
    for name, stage in pipeline["stages"].items():
        try:
            imported = [path.as_posix() for path in stage_dependencies(str(stage["cmd"]), package)]
        except SyntaxError:
            continue  # the stage itself will say where
        if not imported:
            continue
        named = [dep for dep in stage["deps"] if is_source(dep)]
        lines += [f"{paths.PIPELINE}: {name} depends on {file} now" for file in imported if file not in named]
        lines += [f"{paths.PIPELINE}: {name} no longer depends on {file}" for file in named if file not in imported]
        if set(named) != set(imported):
            stage["deps"][:] = [*(dep for dep in stage["deps"] if not is_source(dep)), *imported]
    if lines and actions.running():
        raise ProjectError(
            f"{'; '.join(lines)}: `uv run {load_project().name} run` writes it down, commit {paths.PIPELINE}"
        )
    if lines:
        with paths.PIPELINE.open("w", encoding="utf-8", newline="\n") as file:
            yaml.dump(pipeline, file)
    return lines


def untracked_sources() -> list[str]:
    """The source files that the stages of `dvc.yaml` depend on and that git does not know yet.

    `git commit --all` leaves them out: nobody else could run the pipeline of such a commit.
    """
    pipeline = YAML(typ="safe").load(paths.PIPELINE.read_text(encoding="utf-8"))
    named = {str(dep) for stage in pipeline["stages"].values() for dep in stage["deps"] if is_source(dep)}
    untracked = git.run("ls-files", "-z", "--others", "--", SOURCE.as_posix(), MACHINERY.as_posix())
    return sorted(named & set(untracked.split("\0")))


def is_source(dependency: object) -> bool:
    """Whether a dependency of a stage is one of the project's source files."""
    return str(dependency).endswith(".py") and str(dependency).startswith((f"{SOURCE}/", f"{MACHINERY}/"))


def differs(base: str) -> bool:
    """Whether the working tree holds another result than a revision."""
    return any(dvc.read(path, base) != dvc.read(path, None) for path in RESULT)
