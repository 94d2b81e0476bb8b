"""A stand-in for `gh`: the calls that the workflows make, on the state that the tests look at afterwards."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jq
import yaml

from .server import token
from .stand_in import fetch
from .state import Refused, State, folder, record, require, state
from .workflow import triggers

LIMIT = 65_536
"""Characters. GitHub refuses a longer comment."""
TOKEN = "a-token-of-the-tests"
STATES = ("error", "failure", "pending", "success")
Fields = dict[str, Any]


def api(arguments: list[str]) -> None:
    """`gh api PATH`: one of the routes below."""
    parser = Parser()
    parser.add_argument("path")
    parser.add_argument("-X", "--method")
    parser.add_argument("-f", "--raw-field", action="append", default=[])
    parser.add_argument("-F", "--field", action="append", default=[])
    parser.add_argument("-H", "--header", action="append")
    parser.add_argument("--input")
    parser.add_argument("-q", "--jq")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    asked = parser.parse_args(arguments)
    fields: Fields = dict(field.split("=", 1) for field in asked.raw_field)
    fields |= {name: typed(value) for name, value in (field.split("=", 1) for field in asked.field)}
    if asked.input:
        fields |= json.loads(sys.stdin.read() if asked.input == "-" else Path(asked.input).read_text(encoding="utf-8"))
    path, _, query = asked.path.partition("?")
    method = asked.method or ("POST" if fields else "GET")
    if method == "GET":
        fields |= {name: values[0] for name, values in parse_qs(query).items()}
    path = path.removeprefix("/").replace("{owner}/{repo}", os.environ["GITHUB_REPOSITORY"])
    path = path.replace(os.environ["GITHUB_REPOSITORY"], "REPO", 1)
    with state(folder()) as held:
        answer = route(method, path)(held, path.split("/"), fields)
    if asked.jq:
        for value in jq.compile(asked.jq).input_value(answer):
            print(value if isinstance(value, str) else json.dumps(value))
    elif not asked.silent:
        print(json.dumps(answer))


def typed(value: str) -> Any:
    """What `-F` makes of a value: a file's content, a number, a truth, or the text."""
    if value.startswith("@"):
        content = sys.stdin.buffer.read() if value == "@-" else Path(value[1:]).read_bytes()
        return content.decode(errors="replace")
    return {"true": True, "false": False, "null": None}.get(value, int(value) if value.isdecimal() else value)


def route(method: str, path: str) -> Callable[[State, list[str], Fields], Any]:
    """What answers."""
    for (known, pattern), answer in ROUTES.items():
        if known == method and re.fullmatch(pattern.replace("*", "[^/]+"), path):
            return answer
    raise Refused(f"this stand-in does not know {method} {path}: teach it in tests/act/gh.py")


def pulls(held: State, path: list[str], fields: Fields) -> Any:
    """Pull requests, the open ones unless asked otherwise."""
    require(held, job(), ("pull-requests", "read"))
    unknown = fields.keys() - {"state", "head", "base", "per_page", "sort", "direction"}
    if unknown:
        raise Refused(f"this stand-in does not know the parameters {unknown}: teach it in tests/act/gh.py")
    return [
        pull
        for pull in map(current, held["pulls"])
        if fields.get("state", "open") in ("all", pull["state"])
        and fields.get("head", pull["head"]["label"]) == pull["head"]["label"]
        and fields.get("base", pull["base"]["ref"]) == pull["base"]["ref"]
    ]


def current(pull: State) -> State:
    """A pull request with the commit that its branch is at now."""
    if not pull["head"]["repo"]["fork"]:
        pull["head"]["sha"] = in_origin("rev-parse", f"refs/heads/{pull['head']['ref']}").strip()
    return pull


def commits(held: State, path: list[str], fields: Fields) -> Any:
    """The commits that a pull request brings, the first one first."""
    require(held, job(), ("pull-requests", "read"))
    found = current(one(held["pulls"], number=int(path[-2])))
    added = in_origin("rev-list", "--reverse", f"refs/heads/{found['base']['ref']}..{found['head']['sha']}")
    return [{"sha": commit} for commit in added.split()]


def comments(held: State, path: list[str], fields: Fields) -> Any:
    """The comments on a pull request."""
    require(held, job(), ("pull-requests", "read"), ("issues", "read"))
    return [comment for comment in held["comments"] if comment["issue"] == int(path[-2])]


def comment(held: State, path: list[str], fields: Fields) -> Any:
    """Comment on a pull request."""
    require(held, job(), ("pull-requests", "write"), ("issues", "write"))
    one(held["pulls"], number=int(path[-2]))
    made = {"id": 1000 + len(held["comments"]), "issue": int(path[-2]), "edits": 0, "user": {"login": BOT}}
    held["comments"].append(made | {"body": body(fields)})
    return held["comments"][-1]


def edit(held: State, path: list[str], fields: Fields) -> Any:
    """Change a comment."""
    require(held, job(), ("pull-requests", "write"), ("issues", "write"))
    found = one(held["comments"], id=int(path[-1]))
    found |= {"body": body(fields), "edits": found["edits"] + 1}
    return found


def body(fields: Fields) -> str:
    """A comment's text, if GitHub takes it."""
    text = str(fields["body"])
    if not 0 < len(text) <= LIMIT:
        raise Refused(f"Validation Failed (HTTP 422): Body is too long (maximum is {LIMIT} characters): {len(text)}")
    return text


def status(held: State, path: list[str], fields: Fields) -> Any:
    """Set a commit's status."""
    require(held, job(), ("statuses", "write"))
    if fields.get("state") not in STATES or len(fields.get("description") or "") > 140:
        raise Refused(f"Validation Failed (HTTP 422): {fields}")
    in_origin("cat-file", "-e", f"{path[-1]}^{{commit}}")
    held["statuses"].append({"sha": path[-1], "context": "default"} | fields)
    return held["statuses"][-1]


BOT = "github-actions[bot]"
ROUTES: dict[tuple[str, str], Callable[[State, list[str], Fields], Any]] = {
    ("GET", "repos/REPO/pulls"): pulls,
    ("GET", "repos/REPO/pulls/*/commits"): commits,
    ("GET", "repos/REPO/issues/*/comments"): comments,
    ("POST", "repos/REPO/issues/*/comments"): comment,
    ("PATCH", "repos/REPO/issues/comments/*"): edit,
    ("POST", "repos/REPO/statuses/*"): status,
}


def dispatch(arguments: list[str]) -> None:
    """`gh workflow run FILE --ref BRANCH`: noted, if the file there can be dispatched."""
    parser = Parser()
    parser.add_argument("workflow")
    parser.add_argument("-r", "--ref", required=True)
    parser.add_argument("-f", "--raw-field", action="append", default=[])
    asked = parser.parse_args(arguments)
    inputs = dict(field.split("=", 1) for field in asked.raw_field)
    content = yaml.safe_load(in_origin("show", f"refs/heads/{asked.ref}:.github/workflows/{asked.workflow}"))
    started = triggers(content)
    if "workflow_dispatch" not in started:
        raise Refused(f"HTTP 422: Workflow {asked.workflow} does not have 'workflow_dispatch' trigger")
    unexpected = inputs.keys() - started["workflow_dispatch"].get("inputs", {}).keys()
    if unexpected:
        raise Refused(f"HTTP 422: Unexpected inputs provided: {sorted(unexpected)}")
    commit = in_origin("rev-parse", f"refs/heads/{asked.ref}").strip()
    with state(folder()) as held:
        require(held, job(), ("actions", "write"))
    record(folder(), "dispatches", workflow=asked.workflow, ref=asked.ref, sha=commit, inputs=inputs)


def download(arguments: list[str]) -> None:
    """`gh run download ID -n NAME -D FOLDER`."""
    parser = Parser()
    parser.add_argument("run")
    parser.add_argument("-n", "--name", required=True)
    parser.add_argument("-D", "--dir", type=Path, default=Path())
    asked = parser.parse_args(arguments)
    with state(folder()) as held:
        require(held, job(), ("actions", "read"))
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
        print(f"username=x-access-token\npassword={token(job())}")


def asks() -> Path:
    """What is there once this job's git asks `gh`."""
    return Path(os.environ["RUNNER_TEMP"]) / "git-asks-gh"


def in_origin(*arguments: str) -> str:
    """Ask git at origin. Raises Refused where it does not know."""
    done = subprocess.run(["git", *arguments], cwd=folder() / "origin.git", capture_output=True, encoding="utf-8")
    if done.returncode:
        raise Refused(f"HTTP 422: {done.stderr.strip()}")
    return done.stdout


def one(entries: list[State], **keys: int) -> State:
    """The entry with these values. Raises Refused where there is none."""
    for entry in entries:
        if keys.items() <= entry.items():
            return entry
    raise Refused(f"Not Found (HTTP 404): {keys}")


def job() -> str:
    """The job that calls."""
    return os.environ["GITHUB_JOB"]


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
    if arguments[:2] != ["auth", "git-credential"]:
        record(folder(), "calls", job=job(), arguments=arguments)
    if os.environ.get("GH_TOKEN") != TOKEN:
        sys.exit("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.")
    try:
        if arguments[:1] == ["api"]:
            api(arguments[1:])
        elif command := COMMANDS.get((*arguments[:2], "", "")[:2]):
            command(arguments[2:])
        else:
            raise Refused(f"this stand-in does not know {arguments}: teach it in tests/act/gh.py")
    except Refused as refused:
        sys.exit(f"gh: {refused}")
