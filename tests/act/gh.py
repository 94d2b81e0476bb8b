"""A stand-in for `gh`: the calls that the workflows make, on the state that the tests look at afterwards."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jq

from . import routes
from .mortal import dying
from .origin import dispatched
from .stand_in import fetch
from .state import Caller, Refused, State, caller, folder, record, require, state

TOKEN = "a-token-of-the-tests"
"""What a job has in `github.token`; whose it is, is known by the job that sends it."""
HOSTS = ["github.com", "127.0.0.1"]
"""The second is what git gives as the address of origin here."""


def api(arguments: list[str]) -> None:
    """`gh api PATH`: one of the routes. Refused, the answer still goes to standard output."""
    parser = Parser()
    parser.add_argument("path")
    parser.add_argument("--hostname", choices=HOSTS)
    parser.add_argument("-X", "--method")
    parser.add_argument("-f", "--raw-field", action="append", default=[])
    parser.add_argument("-F", "--field", action="append", default=[])
    parser.add_argument("-H", "--header", action="append")
    parser.add_argument("--input")
    parser.add_argument("-q", "--jq")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    asked = parser.parse_args(arguments)
    fields: State = dict(field.split("=", 1) for field in asked.raw_field)
    fields |= {name: typed(value) for name, value in (field.split("=", 1) for field in asked.field)}
    method = asked.method or ("POST" if fields or asked.input else "GET")
    path, _, query = asked.path.partition("?")
    if asked.input:
        sent = sys.stdin.read() if asked.input == "-" else Path(asked.input).read_text(encoding="utf-8")
        fields = json.loads(sent or "{}") if method != "GET" else {}
    if method == "GET":
        fields |= {name: values[0] for name, values in parse_qs(query).items()}
    path = path.removeprefix("/").replace("{owner}/{repo}", os.environ["GITHUB_REPOSITORY"])
    path = path.replace(os.environ["GITHUB_REPOSITORY"], "REPO", 1)
    try:
        with state(folder()) as held:
            answer = routes.ask(held, me(), method, path, fields, asked.paginate)
    except Refused as refused:
        print(json.dumps({"message": refused.message, "errors": refused.errors, "status": str(refused.status)}))
        raise
    if asked.jq:
        for value in jq.compile(asked.jq).input_value(answer):
            print(value if isinstance(value, str) else json.dumps(value))
    elif not asked.silent and answer is not None:
        print(json.dumps(answer))


def typed(value: str) -> Any:
    """What `-F` makes of a value: a file's content, a number, a truth, or the text."""
    if value.startswith("@"):
        content = sys.stdin.buffer.read() if value == "@-" else Path(value[1:]).read_bytes()
        return content.decode(errors="replace")
    return {"true": True, "false": False, "null": None}.get(value, int(value) if value.isdecimal() else value)


def dispatch(arguments: list[str]) -> None:
    """`gh workflow run FILE --ref BRANCH`: noted, if the file there can be dispatched."""
    parser = Parser()
    parser.add_argument("workflow")
    parser.add_argument("-r", "--ref", required=True)
    parser.add_argument("-f", "--raw-field", action="append", default=[])
    asked = parser.parse_args(arguments)
    inputs = dict(field.split("=", 1) for field in asked.raw_field)
    with state(folder()) as held:
        require(held, me(), ("actions", "write"))
        held["dispatches"].append(dispatched(folder(), asked.workflow, asked.ref, inputs))


def download(arguments: list[str]) -> None:
    """`gh run download ID -n NAME -D FOLDER`."""
    parser = Parser()
    parser.add_argument("run")
    parser.add_argument("-n", "--name", required=True)
    parser.add_argument("-D", "--dir", type=Path, default=Path())
    asked = parser.parse_args(arguments)
    with state(folder()) as held:
        require(held, me(), ("actions", "read"))
    if not (folder() / "artifacts" / asked.run / asked.name).exists():
        raise Refused("no artifact matches any of the names or patterns provided")
    fetch(asked.run, asked.name, asked.dir)


def setup_git(arguments: list[str]) -> None:
    """`gh auth setup-git`: from here on git asks `gh` for this job's token."""
    Parser().parse_args(arguments)
    asks().touch()


def credential(arguments: list[str]) -> None:
    """`gh auth git-credential get`: git asks. Every job has the helper, but `setup-git` switches it on."""
    if arguments == ["get"] and asks().exists():
        print(f"username=x-access-token\npassword={me().token}")


def asks() -> Path:
    """What is there once this job's git asks `gh`."""
    return Path(os.environ["RUNNER_TEMP"]) / "git-asks-gh"


def me() -> Caller:
    """Who calls, by the token. Raises Refused where there is none."""
    sent = os.environ.get("GH_TOKEN")
    found = Caller(os.environ["GITHUB_JOB"]) if sent == TOKEN else caller(sent or "")
    if found is None:
        raise Refused("To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.", 0)
    return found


class Parser(argparse.ArgumentParser):
    """Knows nothing but what it was told: an abbreviation or a stranger is an error."""

    def __init__(self) -> None:
        super().__init__(prog="gh", allow_abbrev=False)


COMMANDS: dict[tuple[str, str], Callable[[list[str]], None]] = {
    ("auth", "setup-git"): setup_git,
    ("auth", "git-credential"): credential,
    ("workflow", "run"): dispatch,
    ("run", "download"): download,
}


def main() -> None:
    """One call, noted before it is answered."""
    arguments = sys.argv[1:]
    end = dying(["gh", *arguments])
    try:
        who = me()
        if arguments[:2] != ["auth", "git-credential"]:
            record(folder(), "calls", job=who.job, actor=who.actor, arguments=arguments)
        if arguments[:1] == ["api"]:
            api(arguments[1:])
        elif command := COMMANDS.get((arguments[0], arguments[1]) if arguments[1:] else ("", "")):
            command(arguments[2:])
        else:
            raise Refused(f"this stand-in does not know {arguments}: teach it in tests/act/gh.py", 0)
    except Refused as refused:
        print(f"gh: {refused}" + (f" (HTTP {refused.status})" if refused.status else ""), file=sys.stderr, flush=True)
        time.sleep(1)  # act loses what a command says that fails at once
        sys.exit(1)
    finally:
        if end:
            end()
