"""The project's git hooks: a push carries data and models along, a commit has no secrets and settings that can be read.

With them comes a filter: what git takes of a notebook is without its outputs, which may show data; the file keeps them.
"""

from pathlib import Path

from ..integrations import actions
from ..integrations.git import git
from ..settings.project import load_project
from . import branch


def install_outside_jobs() -> None:
    """Install them in the clone of whoever makes something; a job commits and pushes in its own way.

    A clone in which nobody ran `setup` or `pull` would push pointers to data that nobody else has.
    """
    if not actions.running():
        install()


def install() -> list[str]:
    """Write the hooks of this clone. Returns a line for the user on each that is left to them."""
    name = load_project().name
    git("config", "filter.notebook.clean", NOTEBOOK_FILTER)
    folder = Path(git("rev-parse", "--git-path", "hooks")).resolve()
    foreign = not folder.is_relative_to(Path(git("rev-parse", "--git-common-dir")).resolve())
    ours = f"# Written by `{name} setup`"
    lines = []
    for hook, (purpose, _, text) in HOOKS.items():
        command, place = command_of(hook), folder / hook
        if foreign:
            lines.append(f"your hooks lie in {folder}: {purpose}, add `{command}` to {hook} there")
        elif place.exists() and not any(one in read(place) for one in (command, ours)):
            lines.append(f"your own {place} stays: {purpose}, add `{command}` to it")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            content = text.format(name=name, branch=branch.BRANCH, command=command)
            place.write_text(content, encoding="utf-8", newline="\n")
            place.chmod(0o755)
    return lines


def read(place: Path) -> str:
    """The text of a hook, whatever it is written in."""
    return place.read_text(encoding="utf-8", errors="replace")


def command_of(hook: str) -> str:
    """What a hook calls."""
    return f"uv run --no-sync {load_project().name} {HOOKS[hook][1]}"


VOLATILE = "metadata.language_info metadata.kernelspec cell.metadata.execution"
NOTEBOOK_FILTER = f"uv run --no-sync nbstripout --keep-id --extra-keys '{VOLATILE}'"
"""What .gitattributes calls `notebook`; without uv, git takes the file as it is."""

PUSH, COMMIT = "pre-push", "pre-commit"
HOOKS = {
    PUSH: (
        "for `git push` to carry data",
        "push",
        """\
#!/bin/sh
# Written by `{name} setup` or `pull`: data and models travel with every `git push`.
set --
while read -r _ here there _; do
    if [ "$there" = refs/heads/{branch} ]; then
        echo "{branch} travels by itself: push branches by name, such as: git push origin main" >&2
        exit 1
    fi
    case $here in *[!0]*) set -- "$@" "$here" ;; esac
done
if ! command -v uv >/dev/null; then
    echo "uv was not found, so data cannot travel along: git push --no-verify leaves it behind" >&2
    exit 1
fi
exec {command} "$@"
""",
    ),
    COMMIT: (
        "for `git commit` to refuse secrets, and settings that cannot work",
        "check --staged",
        """\
#!/bin/sh
# Written by `{name} setup` or `pull`: no secret and no settings that cannot work; git commit --no-verify takes them.
installed=${{UV_PROJECT_ENVIRONMENT:-.venv}}
if ! command -v uv >/dev/null || ! [ -e "$installed/bin/{name}" -o -e "$installed/Scripts/{name}.exe" ]; then
    echo 'this commit was not searched for secrets: `uv sync` installs what does it' >&2
    exit 0
fi
exec {command}
""",
    ),
}
"""Each with what it is for, the command that it calls, and its text."""
