"""What a job finds on its runner: the programs first on its PATH, git's settings, and the server's hook."""

import shutil
import sys
from pathlib import Path

from support import git, run

from .gh import TOKEN
from .mortal import MORTAL
from .runs import clean
from .state import FOLDER

PROGRAMS = (
    ("gh", "gh", "main"),
    ("stand-in", "stand_in", "main"),
    ("node", "stand_in", "node"),
    ("mortal", "mortal", "main"),
)
PROGRAM = """\
#!{python}
import sys
sys.path[:0] = [{tests!r}]
from act.{module} import {function}
{function}()
"""
WRAPPER = """\
#!/bin/sh
# Aside from the jobs that are to die, the program itself.
if [ -e "{mortal}" ]; then exec "{bin}/mortal" {name} "{file}" "$@"; fi
exec "{file}" "$@"
"""
PRE_RECEIVE = """\
#!/bin/sh
# As GitHub: no job's token brings other versions of workflows, not even by a merge; one of an App does with the
# permission to. server.py says why.
while read -r old new ref; do
    case "$old" in
        *[!0]*) touched=$(git diff --name-only "$old" "$new" -- .github/workflows) ;;
        *) touched=$(git rev-list "$new" --not --all -- .github/workflows) ;;
    esac
    if [ -n "$REMOTE_USER" ] && [ -z "$WRITES_WORKFLOWS" ] && [ -n "$touched" ]; then
        exit 1
    fi
done
"""


POST_RECEIVE = """\
#!/bin/sh
# As GitHub: the default branch is one of the first push, main where it is among them, else the first by its name.
# Tried out in the gist b06d1a837c98ce786faa9d886e4a4670 of ugultopu.
pushed=$(cat | sed -n 's!.* refs/heads/!!p' | sort)
if [ "$pushed" = "$(git for-each-ref --format='%(refname:lstrip=2)' refs/heads | sort)" ]; then
    echo "$pushed" | grep -qx main && first=main || first=$(echo "$pushed" | sed -n 1p)
    git symbolic-ref HEAD "refs/heads/$first"
fi
"""


def serve_pushes(origin: Path) -> None:
    """Let a bare repository take and give as GitHub does."""
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(origin, "config", "http.receivepack", "true")
    write_program(origin / "hooks" / "pre-receive", PRE_RECEIVE)
    write_program(origin / "hooks" / "post-receive", POST_RECEIVE)


def runner(folder: Path, url: str, environments: Path | None) -> dict[str, str]:
    """Set a runner up; gives its variables, among them uv's cache, which a runner has filled too."""
    bin, home = folder / "bin", folder / "home"
    bin.mkdir()
    home.mkdir()
    for name, module, function in PROGRAMS:
        where = {"python": sys.executable, "tests": str(Path(__file__).parents[1])}
        write_program(bin / name, PROGRAM.format(module=module, function=function, **where))
    for name in ("uv", "git"):
        write_program(bin / name, WRAPPER.format(mortal=folder / MORTAL, bin=bin, name=name, file=shutil.which(name)))
    settings = home / ".gitconfig"
    git(folder, "config", "--file", str(settings), f"url.{url}/.insteadOf", "https://github.com/")
    git(folder, "config", "--file", str(settings), f"credential.{url}.helper", "!gh auth git-credential")
    changes = {
        FOLDER: str(folder),
        "STAND_IN_URL": url,
        "STAND_IN_ENVIRONMENTS": str(environments or ""),
        "MYPY_CACHE_DIR": str(environments / "mypy") if environments else ".mypy_cache",
        "GITHUB_TOKEN": TOKEN,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/identity",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": TOKEN,
        "GIT_TERMINAL_PROMPT": "0",
        "no_proxy": "127.0.0.1",
        "NO_COLOR": "1",  # act gives every step a terminal, GitHub gives it none
        "TERM": "dumb",
        "UV_NO_PROGRESS": "1",
        "UV_CACHE_DIR": run("uv", "cache", "dir", cwd=folder).strip(),
        "UV_PYTHON_INSTALL_DIR": run("uv", "python", "dir", cwd=folder).strip(),
    }
    return clean(bin, home, **changes)


def write_program(file: Path, text: str) -> None:
    """Write a file that can be run."""
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
