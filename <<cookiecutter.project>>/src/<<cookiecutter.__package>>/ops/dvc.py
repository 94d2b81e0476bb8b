"""DVC, in this process: run the pipeline, version a file, ask for digests and for what is missing.

A DVC command would load half a second of Python each time; its `Repo` answers several questions for that.
"""

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..paths import LOCK
from ..project import load_project
from . import git


@dataclass(frozen=True)
class Versioned:
    """A file whose content DVC keeps under its MD5; a directory's list of files ends in `.dir`."""

    path: Path
    md5: str

    @property
    def key(self) -> str:
        """Where it lies in the cache and in the storage."""
        return f"files/md5/{self.md5[:2]}/{self.md5[2:]}"


@contextmanager
def repository() -> Iterator[Any]:
    """The project as DVC's `Repo`. What DVC raises inside becomes a ProjectError of one line."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc.repo.scm_context").setLevel(logging.WARNING)  # advice to `git add` and to autostage
    try:
        with Repo() as repo:
            yield repo
    except DvcException as error:
        raise ProjectError(f"DVC: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The message of an error and of what caused it, without colours and links."""
    text = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
    return " ".join(re.sub(r"\x1b\[\d*m|<https?://\S+>", "", text).split()) or type(error).__name__


def repro(*stages: str, force: bool = False) -> None:
    """Run the stages whose inputs changed; what they print goes straight to the terminal.

    Raises ProjectError when one fails, after it has told the reason itself.
    """
    from dvc.exceptions import ReproductionError

    with own_python_first(), repository() as repo:
        try:
            repo.reproduce(list(stages) or None, force=force)
        except ReproductionError as error:
            again = f"uv run {load_project().name} run"
            raise ProjectError(f"{error}: the reason stands above; mend it, then `{again}` goes on there") from error


@contextmanager
def own_python_first() -> Iterator[None]:
    """The `python` of a stage's command is the one that runs here, whether or not its environment is active."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def is_up_to_date() -> bool:
    """Whether the pipeline's outputs and all versioned data are what code, parameters and pointers say."""
    with repository() as repo:
        return not repo.status()


def add(path: Path) -> None:
    """Version a file or directory: its content goes to the cache, its digest to `<path>.dvc`."""
    with repository() as repo:
        repo.add(str(path))


def fetch(*paths: Path) -> None:
    """Bring versioned files (all by default) from the storage to where they belong."""
    with repository() as repo:
        with of_the_storage("pull from"):
            repo.pull([str(path) for path in paths] or None)


def send() -> int:
    """Copy what the pipeline and the pointers name to the storage; the number of new files there."""
    with repository() as repo:
        with of_the_storage("push to"):
            return int(repo.push())


@contextmanager
def of_the_storage(what: str) -> Iterator[None]:
    """Each storage raises errors of its own library: all become one line that names the storage."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException:
        raise
    except Exception as error:
        raise ProjectError(f"could not {what} the storage {storage_url()}: {one_line(error)}") from error


def missing_in_storage() -> list[Path]:
    """What the pipeline and the pointers name and the storage, asked anew, does not have."""
    with repository() as repo, of_the_storage("ask"):
        return [Path(path) for path in repo.data_status(not_in_remote=True, remote_refresh=True)["not_in_remote"]]


def storage_url() -> str:
    """URL of the default remote as `.dvc/config` sets it; a local one is an absolute path."""
    with repository() as repo:
        name = repo.config["core"].get("remote")
        if name not in repo.config["remote"]:
            raise ProjectError("no storage is set: `uv run dvc remote default storage` chooses that of .dvc/config")
        return str(repo.config["remote"][name]["url"])


def versioned(storage: Path) -> list[Versioned]:
    """Every file that the pipeline and the pointers name, with the lists of directories.

    A directory's files are known from its list, in the cache or in the local `storage`.
    """
    found = []
    with repository() as repo:
        cache = Path(repo.cache.local.path).parents[1]
        for out in repo.index.outs:
            if not (out.use_cache and out.hash_info):
                continue
            whole = Versioned(Path(os.path.relpath(out.fs_path)), out.hash_info.value)
            found.append(whole)
            if out.hash_info.isdir:
                found += files_of(whole, (cache, storage))
    return found


def files_of(directory: Versioned, stores: Iterable[Path]) -> list[Versioned]:
    """The files of a versioned directory; none when its list is nowhere."""
    for store in stores:
        listing = store / directory.key
        if listing.exists():
            entries = json.loads(listing.read_text(encoding="utf-8"))
            return [Versioned(directory.path / entry["relpath"], entry["md5"]) for entry in entries]
    return []


def output_digest(path: Path, revision: str | None = None) -> str | None:
    """MD5 of an output (`.dir` at the end: of a directory), from `dvc.lock` or its `.dvc` pointer.

    `path` is the output or its pointer; of the working tree, or of a git revision. None: not versioned there.
    """
    output = path.with_suffix("") if path.suffix == ".dvc" else path
    lock = load_yaml(LOCK, revision)
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            if out["path"] == output.as_posix():
                return str(out["md5"])
    for out in load_yaml(output.with_name(f"{output.name}.dvc"), revision).get("outs", []):
        return str(out["md5"])
    return None


def lock_digest(revision: str | None = None) -> str | None:
    """SHA-256 of `dvc.lock`, which names every input and output: the identity of one result of the pipeline."""
    text = read(LOCK, revision)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def load_yaml(path: Path, revision: str | None) -> dict[str, Any]:
    """The content of a YAML file, empty where there is none."""
    text = read(path, revision)
    try:
        return YAML(typ="safe").load(text or "") or {}
    except Exception as error:
        raise ProjectError(f"{path} is damaged: `git checkout {path}` restores it") from error


def read(path: Path, revision: str | None) -> str | None:
    """Text of a file in the working tree or at a git revision, None where there is none."""
    if revision is not None:
        return git.show(revision, path)
    return path.read_text(encoding="utf-8") if path.exists() else None
