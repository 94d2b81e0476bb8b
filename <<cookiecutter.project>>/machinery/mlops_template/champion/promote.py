"""Make the challenger the champion: `models/champion.dvc` points to it from the next commit on."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..evaluation.comparison import Comparison, load_comparison, save_comparison
from ..integrations.digests import directory_digest
from ..integrations.dvc import load_yaml, output_digest
from ..settings import paths
from ..settings.params import Params
from ..settings.project import load_project
from .model_card import write_model_card

SCRATCH = Path(".dvc/tmp")
"""On the same file system as the models, and ignored by git and DVC."""


@dataclass(frozen=True)
class Promotion:
    """What `promote` did. Where the challenger was champion already, `previous` is the same."""

    champion: str
    previous: str | None
    why: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the pointer moved."""
        return self.champion != self.previous

    def __str__(self) -> str:
        if not self.changed:
            return f"the challenger is the champion already ({self.champion[:8]}): nothing to do"
        place = f"in place of {self.previous[:8]}" if self.previous else "the first champion"
        forced = f", against the verdict: {self.why}" if self.why else ""
        return f"promoted {self.champion[:8]}, {place}{forced}; `git add --all` and commit to make it real"


def promote(params: Params, force: bool = False, why: str | None = None) -> Promotion:
    """Copy the challenger to `models/champion` and move the pointer, if the last comparison says so.

    With `force` the verdict is passed over, and `why` goes into the record and the model card.
    A crash on the way leaves the old pointer; to promote again goes on.
    Raises ProjectError when the challenger was not compared, the verdict forbids it, or its files changed.
    """
    why = (why or "").strip() or None
    if force and why is None:
        raise ProjectError('--force passes over the verdict, so the record needs a reason: --force --why "…"')
    if why and not force:
        raise ProjectError("--why gives the reason for --force: add --force, or leave it out")
    challenger, champion = output_digest(paths.CHALLENGER), output_digest(paths.CHAMPION_POINTER)
    if challenger is None:
        raise ProjectError("there is no challenger to promote: `run` trains one")
    if challenger == champion:
        if not paths.CHAMPION.is_dir() or directory_digest(paths.CHAMPION) != champion:
            install(challenger)
        return Promotion(challenger, champion)
    record = allowed(challenger, force)
    if record.verdict == "promote":
        why = None
    save_comparison(replace(record, forced={"why": why} if why else None))
    install(challenger)
    write_model_card(params, load_project())
    return Promotion(challenger, champion, why)


def allowed(challenger: str, force: bool) -> Comparison:
    """The comparison of this challenger. Raises ProjectError when there is none, or it says no unforced."""
    record, command = load_comparison(), f"uv run {load_project().name}"
    if record is None or record.challenger != challenger:
        other = "none was made" if record is None else f"the last one is of {record.challenger[:8]}"
        raise ProjectError(f"the challenger {challenger[:8]} was not compared ({other}): `{command} compare` first")
    if record.verdict != "promote" and not force:
        raise ProjectError(
            f"the verdict is {record.verdict} ({'; '.join(record.reasons)}): "
            f'`{command} promote --force --why "…"` passes over it'
        )
    return record


def install(challenger: str) -> None:
    """Make `models/champion` a copy of the challenger, then move its pointer: last, so that a crash shows."""
    if not paths.CHALLENGER.is_dir():
        raise ProjectError(f"{paths.CHALLENGER} is not here: `pull` fetches it")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    fresh, old = SCRATCH / "champion.new", SCRATCH / "champion.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(paths.CHALLENGER, fresh, copy_function=shutil.copyfile)
    if directory_digest(fresh) != challenger:
        raise ProjectError(
            f"{paths.CHALLENGER} is not what {paths.LOCK} says the pipeline made: "
            f"`uv run dvc checkout --force {paths.CHALLENGER.as_posix()}` restores it, `run` trains again"
        )
    if paths.CHAMPION.exists():
        paths.CHAMPION.rename(old)
    fresh.rename(paths.CHAMPION)
    write_pointer()
    shutil.rmtree(old, ignore_errors=True)


def write_pointer() -> None:
    """The challenger's entry of `dvc.lock` as `models/champion.dvc`, as `dvc add` would write it."""
    outs = [out for stage in load_yaml(paths.LOCK, None)["stages"].values() for out in stage.get("outs", [])]
    entry = next(out for out in outs if out["path"] == paths.CHALLENGER.as_posix())
    order = ("md5", "size", "nfiles", "hash")
    pointer = {"outs": [{key: entry[key] for key in order if key in entry} | {"path": paths.CHAMPION.name}]}
    fresh = SCRATCH / paths.CHAMPION_POINTER.name
    with fresh.open("w", encoding="utf-8", newline="\n") as file:
        YAML().dump(pointer, file)
    fresh.replace(paths.CHAMPION_POINTER)
