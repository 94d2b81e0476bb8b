"""Hand the pipeline's result from one job to the next, as a folder: `pack` fills it, `unpack` takes it over.

The folder comes from a job in which anybody's code ran, so `unpack` takes nothing but what a result consists of.
"""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..errors import ProjectError
from ..integrations import dvc
from ..integrations.digests import file_digest
from ..integrations.git import head
from ..settings import paths
from ..settings.project import load_project
from . import storage
from .results import is_result, result_files

COMMIT, RESULT, CONTENT, STAGES = "commit", "result", "content", "stages.json"
"""In the folder: the commit it is of, the files in git, the contents that the storage lacks, the stages that ran."""
KEY = re.compile(r"files/md5/([0-9a-f]{2})/([0-9a-f]{30})(\.dir)?")


class Listed(BaseModel):
    """An entry in the list of a directory. It names a place within."""

    md5: str
    relpath: Annotated[str, Field(pattern=r"^[^/\\:]+(/[^/\\:]+)*$")]


class ChampionPointer(BaseModel, extra="forbid"):
    """What the pointer says of the champion, and all that it may say."""

    path: Literal["champion"]
    md5: str
    size: int | None = None
    nfiles: int | None = None
    hash: str | None = None


class Pointer(BaseModel, extra="forbid"):
    """`models/champion.dvc`, without another place or source."""

    outs: Annotated[list[ChampionPointer], Field(min_length=1, max_length=1)]


def pack(folder: Path) -> str:
    """Fill an empty folder with the result of the pipeline, and with the contents that the storage does not have.

    Returns a line that says so. Raises ProjectError where there is no result, or contents are nowhere.
    """
    if not paths.LOCK.exists():
        raise ProjectError(f"there is no result to pack: `uv run {load_project().name} run` makes one")
    if folder.exists() and any(folder.iterdir()):
        raise ProjectError(f"{folder} is not empty: name a folder that is")
    contents = storage.lacking()
    folder.mkdir(parents=True, exist_ok=True)
    copy(result_files(), Path(), folder / RESULT)
    copy(contents, dvc.cache(), folder / CONTENT)
    if paths.STAGES.exists():
        shutil.copyfile(paths.STAGES, folder / STAGES)
    (folder / COMMIT).write_text(f"{head()}\n", encoding="utf-8", newline="\n")
    return f"packed the result, and {storage.count(len(contents))} that the storage does not have"


def unpack(folder: Path) -> str:
    """Put a packed result in its place, and check out the challenger and whatever else it changes.

    Returns a line that says so. Raises ProjectError, before anything is changed, when the result is of another
    commit than the one that is checked out, or the folder holds anything that is not part of a result.
    """
    require_commit(folder)
    require(folder, sorted(path.name for path in folder.iterdir()), {COMMIT, RESULT, CONTENT, STAGES}.__contains__)
    results = listed(folder / RESULT)
    contents = listed(folder / CONTENT)
    require(folder / RESULT, results, lambda name: is_result(name) and is_sound(folder / RESULT / name, name))
    require(folder / CONTENT, contents, lambda name: is_content(folder / CONTENT / name, name))
    before = {output.path: output.md5 for output in dvc.outputs()}
    copy(contents, folder / CONTENT, dvc.cache())
    copy(results, folder / RESULT, Path())
    if (folder / STAGES).exists():
        copy([STAGES], folder, paths.STAGES.parent)
    after = {output.path: output.md5 for output in dvc.outputs()}
    changed = [path for path in after if path == paths.CHALLENGER or after[path] != before.get(path)]
    storage.ensure()
    storage.check_out(*changed)
    return f"unpacked the result, and {storage.count(len(contents))} that the storage does not have"


def require_commit(folder: Path) -> None:
    """Raises ProjectError when a folder was not packed at the commit that is checked out."""
    mark = folder / COMMIT
    if not mark.is_file():
        raise ProjectError(f"{folder} holds no result: `uv run {load_project().name} ci pack` makes such a folder")
    commit, here = mark.read_text(encoding="utf-8", errors="replace").strip()[:40], head()
    if commit != here:
        raise ProjectError(
            f"{folder} holds the result of {commit}, checked out is {here}: `git checkout {commit}` first"
        )


def require(folder: Path, names: Iterable[str], belongs: Callable[[str], bool]) -> None:
    """Raises ProjectError that names the first of these files that does not belong there."""
    for name in names:
        try:
            belonging = not (folder / name).is_symlink() and belongs(name)
        except (ProjectError, ValidationError):
            belonging = False
        if not belonging:
            raise ProjectError(f"{folder / name} is not part of a result, or damaged: pack the result again")


def listed(folder: Path) -> list[str]:
    """The files below a folder, by their names within; links are listed, and none is followed."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return [path.relative_to(folder).as_posix() for path in files]


def is_sound(file: Path, name: str) -> bool:
    """Whether a pointer is that of a champion."""
    if name == paths.CHAMPION_POINTER.as_posix():
        Pointer.model_validate(dvc.load_yaml(file, None))
    return True


def is_content(file: Path, name: str) -> bool:
    """Whether a content is what its name says, and the list of a directory stays within that."""
    key = KEY.fullmatch(name)
    if key is None or file_digest(file) != key[1] + key[2]:
        return False
    if key[3]:
        entries = TypeAdapter(list[Listed]).validate_json(file.read_bytes())
        return not any({".", ".."} & set(entry.relpath.split("/")) for entry in entries)
    return True


def copy(names: Iterable[str], source: Path, target: Path) -> None:
    """Copy files from one folder to another; each is there as a whole or not at all."""
    for name in names:
        there = target / name
        there.parent.mkdir(parents=True, exist_ok=True)
        half = there.with_name(f"{there.name}.tmp")
        shutil.copyfile(source / name, half)
        half.replace(there)
