"""A repository on a GitHub of our own: push to it, open pull requests, run workflows, and look at what came out."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from support import git, run

from . import gh
from .runs import Run, clean, execute
from .server import Meanwhile, serve
from .state import FOLDER, State, state
from .workflow import granted

OWNER, STRANGER = "my-org", "stranger"
EMPTY: State = {"pulls": [], "comments": [], "statuses": [], "dispatches": [], "runs": [], "calls": [], "pushes": []}
PROGRAMS = (("gh", "gh", "main"), ("stand-in", "stand_in", "main"), ("node", "stand_in", "node"))
PROGRAM = """\
#!{python}
import sys
sys.path[:0] = [{tests!r}]
from act.{module} import {function}
{function}()
"""

PRE_RECEIVE = """\
#!/bin/sh
# As GitHub: no job's token brings other versions of workflows, not even by a merge.
while read -r old new ref; do
    case "$old" in
        *[!0]*) touched=$(git diff --name-only "$old" "$new" -- .github/workflows) ;;
        *) touched=$(git rev-list "$new" --not --all -- .github/workflows) ;;
    esac
    if [ -n "$REMOTE_USER" ] && [ -n "$touched" ]; then
        echo "refusing to allow a GitHub App to create or update workflow without workflows permission" >&2
        exit 1
    fi
done
"""


class GitHub:
    """One repository, begun as a copy of the branches of a project.

    `meanwhile` holds what others do while a job runs, by the job's id: called when it has checked out.
    `environments` is where the jobs' Python environments stay, one for each job id; without it each job makes
    its own, which is slower, as on a real runner.
    """

    def __init__(
        self, folder: Path, project: Path, url: str, meanwhile: Meanwhile, environments: Path | None = None
    ) -> None:
        self.folder, self.url, self.meanwhile, self.environments = folder, url, meanwhile, environments
        self.origin, self.name = folder / "origin.git", project.name
        self.repository = f"{OWNER}/{self.name}"
        run("git", "clone", "--quiet", "--bare", str(project), str(self.origin), cwd=folder)
        git(self.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
        git(self.origin, "config", "uploadpack.allowFilter", "true")
        git(self.origin, "config", "http.receivepack", "true")
        write_program(self.origin / "hooks" / "pre-receive", PRE_RECEIVE)
        (folder / "state.json").write_text(json.dumps(EMPTY | {"permissions": {}}), encoding="utf-8")
        self.bin, self.home = folder / "bin", folder / "home"
        self.bin.mkdir()
        self.home.mkdir()
        for name, module, function in PROGRAMS:
            where = {"python": sys.executable, "tests": str(Path(__file__).parents[1])}
            write_program(self.bin / name, PROGRAM.format(module=module, function=function, **where))
        settings = self.home / ".gitconfig"
        git(folder, "config", "--file", str(settings), f"url.{url}/origin.git.insteadOf", self.address)
        git(folder, "config", "--file", str(settings), f"credential.{url}.helper", "!gh auth git-credential")

    @property
    def address(self) -> str:
        """As the workflows know the repository."""
        return f"https://github.com/{self.repository}"

    @property
    def state(self) -> State:
        """What happened so far beyond git: pulls, comments, statuses, dispatches, calls and pushes."""
        with state(self.folder) as held:
            return held

    def head(self, branch: str = "main") -> str:
        """The commit a branch is at."""
        return git(self.origin, "rev-parse", f"refs/heads/{branch}")

    def show(self, revision: str, path: str) -> str:
        """A file's content at a revision."""
        return run("git", "show", f"{revision}:{path}", cwd=self.origin)

    def has(self, revision: str, path: str) -> bool:
        """Whether a revision has a file."""
        return bool(git(self.origin, "ls-tree", revision, path))

    def references(self) -> dict[str, str]:
        """All branches and their commits."""
        lines = git(self.origin, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        return dict(line.split() for line in lines.splitlines())

    @contextmanager
    def working_on(self, branch: str, message: str, fork: bool = False) -> Iterator[Path]:
        """A clone at the branch, begun at `main`, to change files in: committed and pushed afterwards."""
        target = self.fork() if fork else self.origin
        clone = self.folder / "clones" / branch
        shutil.rmtree(clone, ignore_errors=True)
        start = branch if git(target, "branch", "--list", branch) else "main"
        run("git", "clone", "--quiet", "--depth=1", f"--branch={start}", target.as_uri(), str(clone), cwd=self.folder)
        git(clone, "checkout", "--quiet", "-B", branch)
        yield clone
        git(clone, "add", "--all")
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        git(clone, *who, "commit", "--quiet", "--message", message)
        git(clone, "push", "--quiet", "origin", branch)

    def fork(self) -> Path:
        """A stranger's copy of the repository."""
        fork = self.folder / "fork.git"
        if not fork.exists():
            run("git", "clone", "--quiet", "--bare", str(self.origin), str(fork), cwd=self.folder)
        return fork

    def open_pull_request(self, branch: str, fork: bool = False) -> int:
        """Ask for a branch to be merged; gives the number."""
        owner = STRANGER if fork else OWNER
        with state(self.folder) as held:
            number = len(held["pulls"]) + 1
            pull = {
                "number": number,
                "state": "open",
                "labels": [],
                "user": {"login": "ada"},
                "base": {"ref": "main", "repo": repository(OWNER, self.name)},
                "head": {"ref": branch, "label": f"{owner}:{branch}", "repo": repository(owner, self.name)},
            }
            held["pulls"].append(pull)
        return number

    def label(self, number: int, *names: str) -> None:
        """Put labels on a pull request."""
        with state(self.folder) as held:
            held["pulls"][number - 1]["labels"] = [{"name": name} for name in names]

    def comments(self, number: int) -> list[str]:
        """The comments on a pull request."""
        return [comment["body"] for comment in self.state["comments"] if comment["issue"] == number]

    def push(self, workflow: str, branch: str = "main") -> Run:
        """Run a workflow as the push of a branch does."""
        commit = self.head(branch)
        payload = {"ref": f"refs/heads/{branch}", "before": "0" * 40, "after": commit, "deleted": False}
        return self.run("push", workflow, commit, payload, f"refs/heads/{branch}")

    def dispatch(self, workflow: str, branch: str = "main", **inputs: str) -> Run:
        """Run a workflow as somebody's click does."""
        ref = f"refs/heads/{branch}"
        return self.run("workflow_dispatch", workflow, self.head(branch), {"ref": ref, "inputs": inputs}, ref)

    def pull_request(self, number: int, workflow: str = "pull-request.yml", action: str = "synchronize") -> Run:
        """Run a workflow as a push to a pull request's branch does: on its merge with the base branch."""
        pull = self.pull(number)
        merge = self.merge(pull["base"]["sha"], pull["head"]["sha"])
        ref = f"refs/pull/{number}/merge"
        git(self.origin, "update-ref", ref, merge)
        payload = {"action": action, "number": number, "pull_request": pull}
        return self.run("pull_request", workflow, merge, payload, ref, fork=pull["head"]["repo"]["fork"])

    def pull(self, number: int) -> State:
        """A pull request as it is now."""
        with state(self.folder) as held:
            pull: State = held["pulls"][number - 1]
            source = self.fork() if pull["head"]["repo"]["fork"] else self.origin
            git(self.origin, "fetch", "--quiet", str(source), f"+{pull['head']['ref']}:refs/pull/{number}/head")
            pull["head"]["sha"] = git(self.origin, "rev-parse", f"refs/pull/{number}/head")
            pull["base"]["sha"] = self.head(pull["base"]["ref"])
        return pull

    def merge(self, base: str, head: str) -> str:
        """The commit that merging would make."""
        tree = git(self.origin, "merge-tree", "--write-tree", base, head)
        who = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
        message = f"Merge {head} into {base}"
        return git(self.origin, *who, "commit-tree", tree, "-p", base, "-p", head, "-m", message)

    def workflow_run(self, of: Run, workflow: str = "comment.yml") -> Run:
        """Run a workflow as the end of another does, from the default branch."""
        pull = of.event["pull_request"]
        own = not pull["head"]["repo"]["fork"]
        ended = {
            "id": of.id,
            "event": "pull_request",
            "status": "completed",
            "conclusion": of.conclusion,
            "head_branch": pull["head"]["ref"],
            "head_sha": pull["head"]["sha"],
            "head_repository": pull["head"]["repo"],
            "html_url": f"{self.address}/actions/runs/{of.id}",
            "pull_requests": [{"number": pull["number"]}] if own else [],
        }
        payload = {"action": "completed", "workflow_run": ended}
        return self.run("workflow_run", workflow, self.head(), payload, "refs/heads/main")

    def run(self, event: str, workflow: str, commit: str, payload: dict[str, Any], ref: str, fork: bool = False) -> Run:
        """Run a workflow file of a commit."""
        with state(self.folder) as held:
            number = len(held["runs"]) + 1
            held["runs"].append({"id": number})
        temporary = self.folder / "runs" / str(number)
        copy = temporary / "repository"
        copy.mkdir(parents=True)
        git(copy, "init", "--quiet")
        git(copy, "fetch", "--quiet", "--depth=1", self.origin.as_uri(), commit)
        git(copy, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        file = copy / ".github" / "workflows" / workflow
        with state(self.folder) as held:
            held["permissions"] = granted(file, fork)
        payload["repository"] = repository(OWNER, self.name)
        done = execute(
            file,
            event,
            payload,
            temporary,
            self.environment,
            GITHUB_REPOSITORY=self.repository,
            GITHUB_REPOSITORY_OWNER=OWNER,
            GITHUB_REF=ref,
            GITHUB_REF_NAME=ref.removeprefix("refs/heads/").removeprefix("refs/tags/").removeprefix("refs/"),
            GITHUB_RUN_ID=str(number),
            GITHUB_RUN_NUMBER=str(number),
        )
        with state(self.folder) as held:
            held["runs"][number - 1] |= {"conclusion": done.conclusion, "event": event}
        shutil.rmtree(temporary)
        return done

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables of a runner, with uv's cache, which a runner has filled too."""
        changes = {
            FOLDER: str(self.folder),
            "STAND_IN_URL": self.url,
            "STAND_IN_ENVIRONMENTS": str(self.environments or ""),
            "GITHUB_TOKEN": gh.TOKEN,
            "GIT_TERMINAL_PROMPT": "0",
            "no_proxy": "127.0.0.1",
            "NO_COLOR": "1",  # act gives every step a terminal, GitHub gives it none
            "TERM": "dumb",
            "UV_NO_PROGRESS": "1",
            "UV_CACHE_DIR": run("uv", "cache", "dir", cwd=self.folder).strip(),
            "UV_PYTHON_INSTALL_DIR": run("uv", "python", "dir", cwd=self.folder).strip(),
        }
        return clean(self.bin, self.home, **changes)


def write_program(file: Path, text: str) -> None:
    """Write a file that can be run."""
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


def repository(owner: str, name: str) -> dict[str, Any]:
    """As events describe a repository."""
    return {
        "full_name": f"{owner}/{name}",
        "name": name,
        "owner": {"login": owner},
        "fork": owner == STRANGER,
        "default_branch": "main",
        "private": True,
    }


@contextmanager
def github(folder: Path, project: Path, environments: Path | None = None) -> Iterator[GitHub]:
    """A GitHub with one repository, a copy of a project's branches, while the context lasts."""
    meanwhile: Meanwhile = {}
    with serve(folder, meanwhile) as url:
        yield GitHub(folder, project, url, meanwhile, environments)
