"""A template's repository: its versions, its questions, and what it renders for some answers."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..integrations.git import environment, git, git_or_none
from ..integrations.process import capture, find
from ..integrations.tags import VERSION, version_key
from ..settings.record import UNRECORDED, Answers, Record

QUESTIONS = "cookiecutter.json"
RENDERER = ("uv", "tool", "run", "--from", "cookiecutter>=2.6", "cookiecutter")
"""What renders: not a library of the project, since it is needed a few times a year."""


@dataclass(frozen=True)
class Template:
    """A clone of the template's repository."""

    directory: Path
    address: str

    def tags(self) -> list[str]:
        """The tags of releases, the newest first."""
        named = git("tag", "--list", cwd=self.directory).split()
        return sorted((name for name in named if VERSION.match(name)), key=version_key, reverse=True)

    def commit(self, revision: str) -> str | None:
        """The commit of a revision, None where there is none of that name."""
        return git_or_none("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", cwd=self.directory)

    def newest(self, wanted: str | None, local: bool) -> str:
        """The commit to update to: a version or revision, by default the newest release, of a directory what is there.

        Raises ProjectError where there is none of that name.
        """
        if wanted:
            chosen = self.commit(f"refs/tags/v{wanted}") or self.commit(f"refs/tags/{wanted}") or self.commit(wanted)
            if chosen is None:
                releases = ", ".join(self.tags()[:5]) or "no release"
                raise ProjectError(f"the template has no version {wanted}: it has {releases}")
            return chosen
        tags = [] if local else self.tags()
        chosen = self.commit(tags[0] if tags else "HEAD")
        if chosen is None:
            raise ProjectError(f"{self.address} has no commit: name the template with --template")
        return chosen

    def old(self, record: Record) -> str:
        """The commit that the project was made from. Raises ProjectError where the template does not have it."""
        commit = record.commit and self.commit(record.commit)
        commit = commit or self.commit(f"refs/tags/v{record.version}")
        if not commit:
            raise ProjectError(
                f"{self.address} has neither commit {str(record.commit)[:8]} nor a tag v{record.version}, which the "
                "project was made from: name the repository that has them with --template"
            )
        return str(commit)

    def file(self, commit: str, name: str) -> str | None:
        """The text of a file of the template at a commit, None where it is not there."""
        return git_or_none("show", f"{commit}:{name}", cwd=self.directory)

    def questions(self, commit: str) -> dict[str, Any]:
        """The questions of a version with their defaults; lists are choices."""
        content = json.loads(self.file(commit, QUESTIONS) or "{}")
        return {name: value for name, value in content.items() if not name.startswith("_") and name not in UNRECORDED}

    def version(self, commit: str) -> str:
        """The version that a commit of the template says it is."""
        listed = git("ls-tree", "-z", "--name-only", commit, cwd=self.directory).split("\0")
        folder = next((name for name in listed if "cookiecutter." in name and not name.endswith(".json")), "")
        text = self.file(commit, f"{folder}/machinery/pyproject.toml") or ""
        declared = re.search(r'^version = "(.*)"$', text, re.MULTILINE)
        return declared[1] if declared else commit[:8]

    def render(self, commit: str, given: Answers) -> str:
        """Render a version with these answers, and bring it here: the commit, in this repository, that holds all of it.

        Raises ProjectError with the reason when the template refuses an answer, or uv or cookiecutter fails.
        """
        with tempfile.TemporaryDirectory() as scratch:
            source, out = Path(scratch, "template"), Path(scratch, "out")
            git("clone", "--quiet", "--no-checkout", str(self.directory), str(source))
            git("-c", "advice.detachedHead=false", "checkout", "--quiet", commit, cwd=source)
            config = Path(scratch, "config.yaml")
            config.write_text(f"cookiecutters_dir: '{scratch}/c'\nreplay_dir: '{scratch}/r'\n", encoding="utf-8")
            asked = self.questions(commit)
            context = [f"{name}={value}" for name, value in given.items() if name in asked]
            options = ["--no-input", "--output-dir", str(out), "--config-file", str(config)]
            run_renderer([str(source), *options, "setup=no", *context], self.version(commit))
            (project,) = out.iterdir()
            git("fetch", "--quiet", "--no-tags", str(project), "HEAD")
            return git("rev-parse", "FETCH_HEAD")


def run_renderer(arguments: list[str], version: str) -> None:
    """Run cookiecutter. Raises ProjectError with what it says."""
    done = capture([find(RENDERER[0]), *RENDERER[1:], *arguments], env=environment())
    if done.code:
        lines = [line.strip() for line in (done.err + done.out).splitlines() if line.strip()]
        refusal = next((line for line in lines if re.match(r"[a-z_]+: ", line)), (lines or ["no reason given"])[-1])
        raise ProjectError(f"version {version} of the template does not render with the project's answers: {refusal}")


@contextmanager
def cloned(address: str) -> Iterator[Template]:
    """A clone of a template that is gone afterwards. Raises ProjectError when there is none."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "template"
        source = str(Path(address).resolve()) if Path(address).is_dir() else address
        if Path(address).is_dir() and git_or_none("rev-parse", "--git-dir", cwd=Path(address)) is None:
            raise ProjectError(
                f"{address} is no git repository: the old version of the template is found in its history"
            )
        git("clone", "--quiet", "--no-checkout", source, str(directory))
        template = Template(directory, address)
        if template.file("HEAD", QUESTIONS) is None:
            raise ProjectError(f"{address} is no cookiecutter template: it has no {QUESTIONS}")
        yield template
