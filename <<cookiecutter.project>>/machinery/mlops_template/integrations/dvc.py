"""DVC, in this process: run the pipeline, version a file, ask for digests and for what is missing.

Each `dvc` command would load a second of Python again; one `Repo` answers several questions for that.
"""

import hashlib
import importlib
import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import ProjectError
from ..settings.paths import LOCK
from ..settings.project import load_project
from . import git

MACHINERY_STAGE = re.compile(r"python -m (mlops_template\.[\w.]+)")


@contextmanager
def repository(log_level: int = logging.ERROR) -> Iterator[Any]:
    """The project as DVC's `Repo`. What DVC raises inside becomes a ProjectError of one line."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(log_level)
    try:
        with Repo() as repo:
            yield repo
    except DvcException as error:
        raise ProjectError(f"DVC: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The message of an error and of what caused it, without colours and links."""
    text, cause = str(error), str(error.__cause__ or "")
    text = text if cause in text else f"{text}: {cause}"
    return " ".join(re.sub(r"\x1b\[\d*m|<https?://\S+>", "", text).split()) or type(error).__name__


@dataclass(frozen=True)
class StageRun:
    """A stage of the pipeline, whether it had to run, and how long it took."""

    stage: str
    ran: bool
    seconds: float


def repro(force: bool = False) -> list[StageRun]:
    """Run the stages whose inputs changed, or all; what they print goes straight to the terminal.

    What a stage reads and this machine does not have is fetched; what no stage reads may be missing.
    A stage that is a module of the machinery runs in this process, which has loaded pandas and scikit-learn already.
    Raises ProjectError with the reason when one fails.
    """
    from dvc.exceptions import ReproductionError
    from dvc.repo.reproduce import _reproduce_stage
    from dvc.stage import PipelineStage

    runs: list[StageRun] = []

    def timed(stage: Any, **options: Any) -> Any:
        start = time.perf_counter()
        done = _reproduce_stage(stage, **options)
        if isinstance(stage, PipelineStage):
            runs.append(StageRun(stage.addressing, done is not None, round(time.perf_counter() - start, 1)))
        return done

    with own_python_first(), stages_in_this_process(), repository(logging.INFO) as repo:
        logging.getLogger("dvc.repo.scm_context").setLevel(logging.WARNING)  # no advice to `git add`
        try:
            repo.reproduce(force=force, pull=True, allow_missing=True, repro_fn=timed)
        except ReproductionError as error:
            failed = next((cause for cause in causes(error) if isinstance(cause, StageFailed)), None)
            reason = str(failed) if failed else f"{one_line(error)}. Its own message is above: fix it"
            raise ProjectError(f"{reason}; then `uv run {load_project().name} run`") from error
    return runs


class StageFailed(Exception):
    """A stage that ran in this process failed, and why."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """What caused an error, the nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


@contextmanager
def stages_in_this_process() -> Iterator[None]:
    """Let DVC call the `main` of a stage that is a module of the machinery, where it would start a Python for it.

    Each would load pandas and scikit-learn again, two seconds of it. Every other command, and all where a later DVC
    has no such function any more, is a process as ever.
    """
    from dvc.stage import run

    start_process = getattr(run, "_run", None)

    def call(executable: str | None, command: str, **options: Any) -> None:
        module = MACHINERY_STAGE.fullmatch(command)
        if module is None:
            start_process(executable, command, **options)  # type: ignore[misc]
            return
        try:
            importlib.import_module(module[1]).main()
        except ProjectError as error:
            raise StageFailed(str(error)) from error
        except Exception as error:
            traceback.print_exc()
            raise StageFailed(f"{module[1].rpartition('.')[2]} ended with {type(error).__name__}, see above") from error

    if start_process is None:
        yield
        return
    run._run = call
    try:
        yield
    finally:
        run._run = start_process


@contextmanager
def own_python_first() -> Iterator[None]:
    """A stage's `python` is the one that runs here, whether or not its environment is active."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@dataclass(frozen=True)
class OutOfDate:
    """The stages and pointers whose files are not what code, parameters and digests say."""

    names: list[str]
    files_only: bool
    """Whether these are but files that another commit names, as after a branch was switched: nothing has to run."""


def status() -> OutOfDate:
    """What is out of date, and why."""
    with repository() as repo:
        changes = repo.status()
        cached = {os.path.relpath(out.fs_path) for out in repo.index.outs if out.use_cache}
    entries = [entry for several in changes.values() for entry in several]
    if not all(isinstance(entry, dict) for entry in entries):
        return OutOfDate(list(changes), files_only=False)
    outs = {path for entry in entries for path in entry.get("changed outs", ())}
    deps = {path for entry in entries for path in entry.get("changed deps", ())}
    return OutOfDate(list(changes), files_only=bool(outs) and deps <= outs <= cached)


def out_of_date() -> list[str]:
    """The stages and pointers whose files are not what code, parameters and digests say."""
    return status().names


def is_up_to_date() -> bool:
    """Whether `repro` would run nothing."""
    return not out_of_date()


def add(path: Path) -> None:
    """Version a file or directory: its content goes to the cache, its digest to `<path>.dvc`."""
    with repository() as repo:
        repo.add(str(path))


def pull(*paths: Path) -> int:
    """Bring versioned files from the storage to where they belong: by default all that ever were made.

    Returns how many were new on this machine.
    """
    wanted = [path.as_posix() for path in paths or [output.path for output in outputs()]]
    with repository() as repo, of_the_storage("pull from"):
        return int(repo.pull(wanted)["stats"]["fetched"]) if wanted else 0


def push(digests: Iterable[str] = ()) -> int:
    """Copy what the pipeline and the pointers name to the storage, and other contents of the cache by their digests.

    Returns how many files were new there.
    """
    from dvc_data.hashfile.hash_info import HashInfo

    with repository() as repo, of_the_storage("push to"):
        sent = int(repo.push())
        others = repo.cloud.push([HashInfo("md5", digest) for digest in digests])
    if others.failed:
        raise ProjectError(f"{len(others.failed)} files did not get to the storage: push again")
    return sent + len(others.transferred)


def reach_storage() -> None:
    """Ask the storage for what lies in it, nothing or not. Raises ProjectError when it does not answer."""
    with repository() as repo, of_the_storage("reach"), suppress(FileNotFoundError):
        remote = repo.cloud.get_remote()
        remote.fs.ls(remote.path)


def write_beside(name: str, content: bytes) -> None:
    """Keep a file in the storage beside what DVC keeps there; one of the same name is replaced."""
    with repository() as repo, of_the_storage("write to"):
        remote = repo.cloud.get_remote()
        remote.fs.makedirs(remote.path, exist_ok=True)
        remote.fs.pipe_file(remote.fs.join(remote.path, name), content)


def read_beside(name: str) -> bytes | None:
    """A file that `write_beside` kept, None where there is none."""
    with repository() as repo, of_the_storage("read from"):
        remote = repo.cloud.get_remote()
        try:
            content: bytes = remote.fs.cat_file(remote.fs.join(remote.path, name))
        except FileNotFoundError:
            return None
        return content


def missing_in_storage() -> list[Path]:
    """What the pipeline and the pointers name and the storage, asked again, does not have."""
    with repository() as repo, of_the_storage("ask"):
        status = repo.data_status(granular=True, not_in_remote=True, remote_refresh=True)
        return [Path(path) for path in status["not_in_remote"]]


@contextmanager
def of_the_storage(action: str) -> Iterator[None]:
    """Each storage raises errors of its own library: all become one line that names the storage."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException:
        raise
    except Exception as error:
        raise ProjectError(f"could not {action} the storage {storage_url()}: {one_line(error)}") from error


def storage_url() -> str:
    """URL of the default remote, as `.dvc/config` sets it; where that is a directory, its absolute path."""
    with repository() as repo:
        name, remotes = repo.config["core"].get("remote"), repo.config["remote"]
        if name not in remotes:
            raise ProjectError("no storage is chosen: `uv run dvc remote default NAME`, one of .dvc/config")
        return str(remotes[name]["url"])


@dataclass(frozen=True)
class Versioned:
    """A file whose content DVC keeps under its MD5. A directory's ends in `.dir`: the list of its files."""

    path: Path
    md5: str

    @property
    def key(self) -> str:
        """Where the content lies, relative to the cache and to the storage."""
        return f"files/md5/{self.md5[:2]}/{self.md5[2:]}"


def outputs() -> list[Versioned]:
    """The files and directories that the pipeline and the pointers name."""
    with repository() as repo:
        return [
            Versioned(Path(os.path.relpath(out.fs_path)), out.hash_info.value)
            for out in repo.index.outs
            if out.use_cache and out.hash_info
        ]


def versioned(storage: Path) -> list[Versioned]:
    """Everything that the pipeline and the pointers name.

    What a directory holds is known from its list, in the cache or in the local `storage`.
    """
    stores = [cache(), storage]
    return [file for out in outputs() for file in (out, *files_of(out, stores))]


def files_of(directory: Versioned, stores: Iterable[Path]) -> list[Versioned]:
    """What a directory holds; nothing where its list is in no store, or where it is a file."""
    for store in stores:
        listing = store / directory.key
        if directory.md5.endswith(".dir") and listing.exists():
            files = json.loads(listing.read_text(encoding="utf-8"))
            return [Versioned(directory.path / file["relpath"], file["md5"]) for file in files]
    return []


def cache() -> Path:
    """Where DVC keeps contents on this machine."""
    with repository() as repo:
        return Path(repo.cache.local.path).parents[1]


def output_digest(path: Path, revision: str | None = None) -> str | None:
    """MD5 of an output (of a directory it ends in `.dir`), from `dvc.lock` or its `.dvc` pointer.

    `path` is the output or its pointer. Looks in the working tree or at a git revision; None: not there.
    """
    output = path.with_suffix("") if path.suffix == ".dvc" else path
    for stage in load_yaml(LOCK, revision).get("stages", {}).values():
        for out in stage.get("outs", []):
            if out["path"] == output.as_posix():
                return str(out["md5"])
    for out in load_yaml(output.with_name(f"{output.name}.dvc"), revision).get("outs", []):
        return str(out["md5"])
    return None


def lock_digest(revision: str | None = None) -> str | None:
    """SHA-256 of `dvc.lock`: every input and output is named there, so it stands for one result."""
    text = read(LOCK, revision)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def load_yaml(path: Path, revision: str | None) -> dict[str, Any]:
    """The content of a YAML file, empty where there is none."""
    text = read(path, revision) or ""
    try:
        return parsed_of_dvc(text) if path.suffix in (".lock", ".dvc") else YAML(typ="safe").load(text) or {}
    except (YAMLError, yaml.YAMLError):
        raise ProjectError(f"{path} is damaged: `git checkout {path.as_posix()}` restores it") from None


@lru_cache(maxsize=8)
def parsed_of_dvc(text: str) -> dict[str, Any]:
    """YAML as DVC writes it, read by the parser in C where there is one: it knows less than people may write."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}


def read(path: Path, revision: str | None) -> str | None:
    """Text of a file in the working tree or at a git revision, None where there is none."""
    if revision is not None:
        return git.show(revision, path)
    return path.read_text(encoding="utf-8") if path.exists() else None
