"""What the stand-ins of third-party actions run: `stand-in checkout`, `upload`, `download` and `app-token`.

And the little that `node` has to do here, so that none need be installed: the cache, and act's `hashFiles`.
"""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from .mortal import dying
from .server import header
from .state import LEVELS, Caller, Refused, caller, folder, require, state

SHA = 40
PERMISSIONS = ("actions", "checks", "contents", "issues", "metadata", "pull-requests", "statuses", "workflows")
Inputs = dict[str, str]


def checkout(inputs: Inputs) -> None:
    """Empty the workspace and check out what GitHub would: no more history and no other branch than asked for."""
    workspace, who = Path.cwd(), caller(inputs["token"]) or Caller(os.environ["GITHUB_JOB"])
    for path in workspace.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    server, repository = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_REPOSITORY"]
    ref = inputs["ref"]
    commit, name = (ref, "") if len(ref) == SHA else ("", ref)
    if not ref:
        commit, name = os.environ["GITHUB_SHA"], os.environ["GITHUB_REF"]
    branch = name.removeprefix("refs/heads/") if not name.startswith(("refs/pull/", "refs/tags/")) else ""
    remote = f"refs/remotes/origin/{branch}" if branch else "refs/remotes/pull/checked-out"
    wanted = [f"+{commit or f'refs/heads/{branch}'}:{remote}"]
    depth = [f"--depth={inputs['fetch-depth']}"]
    if inputs["fetch-depth"] == "0":
        wanted = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", *([] if branch else wanted)]
        depth = []
    git("init", "--quiet", ".")
    git("remote", "add", "origin", f"{server}/{repository}")
    authorised = ("-c", f"http.extraheader={header(who)}")
    git(*authorised, "fetch", "--quiet", "--no-tags", *depth, "origin", *wanted)
    git("checkout", "--quiet", "--force", *(["-B", branch] if branch else ["--detach"]), commit or remote)
    if inputs["persist-credentials"] == "true":
        git("config", f"http.{os.environ['STAND_IN_URL']}.extraheader", header(who))
    print(f"checked out {name or commit}")
    # ends when the others have done what the test wants them to do now
    request = urllib.request.Request(f"{os.environ['STAND_IN_URL']}/checked-out")
    request.add_header(*header(who).split(": ", 1))
    urllib.request.urlopen(request).read()


def upload(inputs: Inputs) -> None:
    """Copy what the patterns match, below the deepest folder that all have in common."""
    target = artifact(os.environ["GITHUB_RUN_ID"], inputs["name"])
    if target.exists() and inputs["overwrite"] != "true":
        raise Refused(f"Conflict: an artifact with the name {inputs['name']} already exists in this run")
    lines = [line.strip() for line in inputs["path"].splitlines() if line.strip()]
    wanted = [line for line in lines if not line.startswith("!")]
    hidden = inputs["include-hidden-files"] == "true"
    found = {file for line in wanted for file in matching(line, hidden)}
    found -= {file for line in lines if line.startswith("!") for file in matching(line[1:], hidden=True)}
    if not found:
        message = f"No files were found with the provided path: {inputs['path']}"
        if inputs["if-no-files-found"] == "error":
            raise Refused(message)
        print(message)
        return
    base = Path(os.path.commonpath([root(line) for line in wanted]))
    base = base.parent if base.is_file() else base
    for file in sorted(found):
        copy = target / file.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    with state(folder()) as held:
        number = len(held["artifacts"]) + 1
        held["artifacts"].append({"id": number, "run": os.environ["GITHUB_RUN_ID"], "name": inputs["name"]})
    say("GITHUB_OUTPUT", "artifact-id", str(number))
    print(f"uploaded {len(found)} files as {inputs['name']}")


def download(inputs: Inputs) -> None:
    """Copy an artifact's files into a folder, or those of all whose names match, each into one of its own.

    Where only one matches it goes into the folder itself: src/download-artifact.ts of the action, since its version 5.
    That of another run needs a token that may read it.
    """
    run, where = inputs["run-id"], Path(inputs["path"])
    if run != os.environ["GITHUB_RUN_ID"]:
        if not inputs["github-token"]:
            raise Refused(f"the artifacts of run {run} need a github-token")
        with state(folder()) as held:
            require(held, Caller(os.environ["GITHUB_JOB"]), ("actions", "read"))
    if inputs["name"]:
        fetch(run, inputs["name"], where)
        return
    matching = sorted((folder() / "artifacts" / run).glob(inputs["pattern"] or "*"))
    apart = len(matching) > 1 and inputs["merge-multiple"] != "true"
    for found in matching:
        fetch(run, found.name, where / found.name if apart else where)


def fetch(run: str, name: str, where: Path) -> None:
    """Copy an artifact's files into a folder."""
    source = artifact(run, name)
    if not source.exists():
        raise Refused(f"Unable to download artifact(s): Artifact not found for name: {name}")
    shutil.copytree(source, where, copy_function=shutil.copyfile, dirs_exist_ok=True)


def artifact(run: str, name: str) -> Path:
    """Where an artifact lies."""
    return folder() / "artifacts" / run / name


def app_token(inputs: Inputs) -> None:
    """A token of the App, if this is its key, with all that it may do or only what is asked for."""
    who = Caller(os.environ["GITHUB_JOB"], app=True)
    with state(folder()) as held:
        app = held.get("app")
        if not app or (inputs["client-id"] or inputs["app-id"], inputs["private-key"]) != (app["id"], app["key"]):
            raise Refused("A JSON web token could not be decoded", 401)
        asked = {name: inputs[f"permission-{name}"] for name in PERMISSIONS if inputs[f"permission-{name}"]}
        beyond = [
            name for name, level in asked.items() if LEVELS.index(level) > LEVELS.index(app["may"].get(name, "none"))
        ]
        if beyond:
            raise Refused(f"The permissions requested are not granted to this installation: {beyond}")
        held["tokens"][who.job] = asked or app["may"]
    print(f"::add-mask::{who.token}")
    say("GITHUB_OUTPUT", "token", who.token)
    say("GITHUB_OUTPUT", "app-slug", who.actor.removesuffix("[bot]"))


def restore() -> None:
    """Copy what is kept under the key, or under the newest key that begins as allowed."""
    key, begins = os.environ["INPUT_KEY"], os.environ.get("INPUT_RESTORE-KEYS", "").split()
    scopes = [cached(ref) for ref in (os.environ["GITHUB_REF"], os.environ["GITHUB_BASE_REF"] or "main")]
    exact = [scope / key for scope in scopes if (scope / key).exists()]
    similar = [kept for start in begins for scope in scopes for kept in newest(scope.glob(f"{start}*"))]
    for kept in (exact + similar)[:1]:
        shutil.copytree(kept, ".", dirs_exist_ok=True)
        print(f"Cache restored from key: {kept.name}")
    say("GITHUB_OUTPUT", "cache-hit", "true" if exact else "")
    say("GITHUB_STATE", "new", "" if exact else key)


def save() -> None:
    """Keep the paths under the key, for later runs of this branch and, from the main one, of all."""
    key = os.environ.get("STATE_new")  # noqa: SIM112
    for path in map(Path, os.environ["INPUT_PATH"].split() if key else []):
        if path.exists():
            shutil.copytree(path, cached(os.environ["GITHUB_REF"]) / str(key) / path)
            print(f"Cache saved with key: {key}")


def cached(ref: str) -> Path:
    """Where the caches of a branch or pull request lie."""
    return folder() / "caches" / ref.removeprefix("refs/heads/").replace("/", "-")


def newest(folders: Iterable[Path]) -> list[Path]:
    """In the order of their making, the last first."""
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)


def say(variable: str, name: str, value: str) -> None:
    """Set an output or a state of the step."""
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(f"{name}={value}\n")


def hash_files() -> None:
    """One hash over the content of the files that match the patterns."""
    digest = hashlib.sha256()
    patterns = os.environ["patterns"].splitlines()  # noqa: SIM112
    files = {file for pattern in patterns for file in matching(pattern, hidden=True)}
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    print(f"__OUTPUT__{digest.hexdigest() if files else ''}__OUTPUT__", file=sys.stderr)


def root(pattern: str) -> Path:
    """What of a pattern comes before its first wildcard, from the root of the file system on."""
    parts = (Path.cwd() / pattern).parts
    plain = next((place for place, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return Path(os.path.normpath(Path(*parts[:plain])))


def matching(pattern: str, hidden: bool) -> set[Path]:
    """The files that a pattern means, by themselves or with the folder they are in; absolute.

    One with a dot in front is `hidden`, unless the pattern names it.
    """
    names = glob.glob(pattern, recursive=True, include_hidden=hidden)  # noqa: PTH207  Path.glob cannot leave hidden out
    named = [Path(os.path.normpath(Path.cwd() / name)) for name in names]
    inside = [(folder, file) for folder in named for file in folder.rglob("*")]
    shown = {file for folder, file in inside if hidden or not any(p[0] == "." for p in file.relative_to(folder).parts)}
    return {path for path in shown.union(named) if path.is_file()}


def git(*arguments: str) -> None:
    """A git command in the workspace."""
    subprocess.run(["git", *arguments], check=True)


def main() -> None:
    """One action, with its inputs from the environment."""
    action = {"checkout": checkout, "upload": upload, "download": download, "app-token": app_token}[sys.argv[1]]
    dying(["stand-in", sys.argv[1]])
    try:
        action(json.loads(os.environ["INPUTS"]))
    except Refused as refused:
        sys.exit(f"::error::{refused}")


def node() -> None:
    """`node FILE`: what the files of the cache's stand-in and of act do."""
    file = Path(sys.argv[1])
    {"restore.js": restore, "save.js": save, "index.js": hash_files}[file.name]()
