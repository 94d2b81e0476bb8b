"""The copy in which the demo lives: the project's files as they are, without its data, models and history."""

import re
import shutil
import signal
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from ..errors import ProjectError
from ..integrations.git import environment, git
from ..integrations.process import followed
from ..settings import paths
from ..settings.project import load_project

LEFT_OUT = (paths.RAW_POINTER, paths.LOCK, paths.CHAMPION_POINTER)
"""What was made of the project's own data; so were the reports."""

STORAGE = """\
[core]
    remote = storage
    analytics = false
    check_update = false
['remote "storage"']
    url = ../.storage
"""
"""The settings of DVC there: what the project keeps in a bucket stays out of it."""

OUTSIDE = ("MLFLOW_", "GITHUB_", "DASK_", "DVC_")
"""How the variables begin that would let a command reach what is not of the copy."""

NOISE = re.compile(
    r"$|\[\d/\d\]|'.+' didn't change|Stage '|Running stage|> |Generating lock|Updating lock|To track|Use `dvc"
    r"|[Nn]ext: ?|  uv run |searching: "
)
"""Lines of the commands that tell what the story tells, or how DVC goes about it."""

SETTINGS = {"cool_down": "0 hours", "per_week": 1000}
"""Months pass in seconds here."""

WIDEST = 105
"""Line that is said whole."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scratch:
    """The copy, in which the project's commands are run, and the folder that it takes fresh rows from."""

    project: Path
    feed: Path
    say: Say

    def arrive(self, name: str, rows: pd.DataFrame) -> None:
        """Let the feed have some rows."""
        rows.to_parquet(self.feed / f"{name}.parquet", index=False)

    def command(self, *arguments: str, table: bool = True, fails: bool = False) -> None:
        """Run a command of the project, and say what it says, `table` or not.

        Raises ProjectError when it ends otherwise than expected.
        """
        shown = f"uv run {load_project().name} {' '.join(arguments)}"
        self.say(f"   $ {shown}")
        package = __name__.partition(".")[0]
        output: list[str] = []

        def tell(line: str) -> None:
            output.append(line.rstrip())
            drawn = bool(re.match(r"[┏┃┡│└]|[\d,]+ held-out rows, ", line))
            if not NOISE.match(output[-1]) and (table or not drawn):
                for part in fitted(output[-1]):
                    self.say(f"     {part}")

        call = [sys.executable, "-m", f"{package}.cli", *arguments]
        if bool(followed(call, tell, self.project, self.environment())) != fails:
            why = output[-1] if output and not fails else "it went through"
            raise ProjectError(f"the demo ends here, `{shown}` should have {'failed' if fails else 'worked'}: {why}")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.say(f'   $ git add --all && git commit -m "{message}"')

    def git(self, *arguments: str) -> str:
        """Run git in the copy."""
        return git(*arguments, cwd=self.project)

    def environment(self) -> dict[str, str]:
        """The variables of this process, without those that lead out of the copy."""
        own = {"DVC_SITE_CACHE_DIR": str(self.feed.with_name("dvc")), "PYTHONUNBUFFERED": "1", "COLUMNS": "90"}
        return {name: value for name, value in environment().items() if not name.startswith(OUTSIDE)} | own


def fitted(line: str) -> list[str]:
    """A long line as several; the decision, whose reasons stand above it already, cut short."""
    if len(line) > WIDEST and line.startswith("retrain: "):
        return [f"{line[:WIDEST]} …"]
    return (
        textwrap.wrap(line, WIDEST, subsequent_indent=" " * 11, drop_whitespace=False) if len(line) > WIDEST else [line]
    )


@contextmanager
def scratch(keep: Path | None, say: Say) -> Iterator[Scratch]:
    """A copy in the folder `keep` or, without one, in a folder that is gone afterwards.

    Raises ProjectError when the folder is not empty, or lies in the project.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as folder:
            try:
                yield made(Path(folder).resolve(), say)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again, it would leave half of the folder
                raise
        return
    keep = keep.resolve()
    if keep.is_relative_to(Path.cwd()):
        raise ProjectError(f"--keep {keep} lies in the project, which the demo leaves alone: name a folder outside")
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ProjectError(f"--keep {keep} exists: name a folder that does not")
    keep.mkdir(parents=True, exist_ok=True)
    yield made(keep, say)


def made(folder: Path, say: Say) -> Scratch:
    """Copy the project's files, take rows from the folder `feed`, and begin a history."""
    project, feed = folder / Path.cwd().name, folder / "feed"
    feed.mkdir()
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        path = Path(name)
        made_of_data = path in LEFT_OUT or (paths.REPORTS in path.parents and path.name != ".gitignore")
        if name and path.is_file() and not made_of_data:
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, project / path)
    (project / ".dvc" / "config").write_text(STORAGE, encoding="utf-8")
    settle(project / paths.PARAMS, feed)
    there = Scratch(project, feed, say)
    there.git("init", "--quiet")
    there.git("symbolic-ref", "HEAD", "refs/heads/main")
    for key, value in {"user.name": "Demo", "user.email": "demo@example.com", "commit.gpgsign": "false"}.items():
        there.git("config", key, value)
    return there


def settle(file: Path, feed: Path) -> None:
    """Let the settings name the feed, and allow one retraining after the other."""
    yaml = YAML()
    settings = yaml.load(file)
    settings["data"]["source"] = "files"
    settings["data"]["files"] = {"paths": [(feed / "*.parquet").as_posix()]}
    settings.setdefault("retrain", {}).setdefault("budget", {}).update(SETTINGS)
    yaml.dump(settings, file)
