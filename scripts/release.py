"""Makes a release of what is on `main`: `uv run -m scripts.release 1.2.0`.

The unreleased section of CHANGELOG.md becomes that of the version, both pyproject.toml get it, and that is committed
and tagged. To push the tag is left to whoever calls it; `release.yml` does the rest.
"""

import re
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

from scripts.release_notes import ROOT, notes

CHANGELOG = "CHANGELOG.md"
VERSIONED = ("pyproject.toml", "<<cookiecutter.project>>/machinery/pyproject.toml")
UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class ReleaseError(Exception):
    """Why there is no release: one line, with what to do."""


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises ReleaseError with what it says where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout.strip()


def parts(version: str) -> tuple[int, ...]:
    """The numbers of a version. Raises ReleaseError where it is none."""
    if not NUMBER.fullmatch(version):
        raise ReleaseError(f"{version} is no version such as 1.2.0")
    return tuple(map(int, version.split(".")))


def release(root: Path, version: str, day: date) -> str:
    """Make the release of a repository; the name of its tag. Nothing is changed where a ReleaseError is raised."""
    check_state(root)
    check_number(root, version)
    lacking = [name for name in (CHANGELOG, *VERSIONED) if not (root / name).is_file()]
    if lacking:
        raise ReleaseError(f"there is nothing to release: {lacking[0]} is not there")
    texts = {name: (root / name).read_text(encoding="utf-8") for name in (CHANGELOG, *VERSIONED)}
    new, start = renewed(texts, version, day), git(root, "rev-parse", "HEAD")
    try:
        for name, text in new.items():
            (root / name).write_text(text, encoding="utf-8", newline="\n")
        git(root, "commit", "--quiet", "--message", f"Release {version}", "--", *new)
        git(root, "tag", f"v{version}")
    except ReleaseError:
        git(root, "reset", "--quiet", "--hard", start)  # where nothing else was changed
        raise
    return f"v{version}"


def check_state(root: Path) -> None:
    """Raise ReleaseError unless this is a clean `main`, as it is at origin."""
    branch = git(root, "branch", "--show-current")
    if branch != "main":
        raise ReleaseError(f"{branch or 'a commit on no branch'} is checked out: `git switch main`")
    if git(root, "status", "--porcelain"):
        raise ReleaseError("there are changes that are not committed: commit them, or `git stash --include-untracked`")
    if "origin" in git(root, "remote").splitlines():
        git(root, "fetch", "--quiet", "--tags", "origin", "main")
        if git(root, "rev-parse", "HEAD") != git(root, "rev-parse", "FETCH_HEAD"):
            raise ReleaseError(
                "main is not that of origin: `git pull --ff-only`, or get your commits reviewed and merged"
            )


def check_number(root: Path, version: str) -> None:
    """Raise ReleaseError unless the version is newer than all that were released."""
    number = parts(version)
    tags = [tag.removeprefix("v") for tag in git(root, "tag", "--list", "v*").splitlines()]
    released = sorted(map(parts, filter(NUMBER.fullmatch, tags)))
    if number in released:
        raise ReleaseError(f"v{version} is released already: choose the next number, or `git tag --delete v{version}`")
    if released and number < released[-1]:
        newest = ".".join(map(str, released[-1]))
        raise ReleaseError(f"{version} is older than {newest}, which is released: choose a number above that")


def renewed(texts: dict[str, str], version: str, day: date) -> dict[str, str]:
    """The files with the version. Raises ReleaseError where there is nothing to release."""
    unreleased = UNRELEASED.search(texts[CHANGELOG])
    if not unreleased or not unreleased[1].strip():
        raise ReleaseError(f"there is nothing to release: {CHANGELOG} has nothing under `## [Unreleased]`")
    heading = f"## [Unreleased]\n\n## [{version}] - {day}\n"
    changelog = texts[CHANGELOG].replace("## [Unreleased]\n", heading, 1)
    new = {CHANGELOG: changelog}
    for name in VERSIONED:
        new[name], count = re.subn(
            r'^version = ".*"$', f'version = "{version}"', texts[name], count=1, flags=re.MULTILINE
        )
        if not count or tomllib.loads(new[name])["project"]["version"] != version:
            raise ReleaseError(f'{name} has no line `version = "…"` under [project]')
    try:
        notes(f"v{version}", changelog, version)
    except ValueError as error:
        raise ReleaseError(str(error)) from None
    return new


def main() -> None:
    """Make it, or say in a line why not."""
    if len(sys.argv) != 2:
        sys.exit("usage: uv run -m scripts.release 1.2.0")
    try:
        tag = release(ROOT, sys.argv[1].removeprefix("v"), datetime.now(UTC).date())
    except ReleaseError as error:
        sys.exit(f"error: {error}")
    print(f"committed and tagged {tag}; `git push --atomic origin main {tag}` releases it")


if __name__ == "__main__":
    main()
