"""A repository on a GitHub of our own: push to it, open pull requests, run workflows, and look at what came out."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from support import git, run

from . import pulls
from .machine import runner, serve_pushes
from .mortal import MORTAL
from .origin import ORIGIN, WORKFLOWS, may_dispatch, merged
from .runs import Run, checks, execute
from .server import Meanwhile, serve
from .state import Refused, State, empty, moment, one, state
from .workflow import granted, triggers

OWNER, STRANGER, PERSON = "my-org", "stranger", "ada"


class GitHub:
    """One repository, begun as a copy of the branches of a project.

    `meanwhile` holds what others do while a job runs, by the job's id: called when it has checked out.
    `environments` is where the jobs' Python environments and mypy's cache stay; without it each job makes its
    own, which is slower, as on a real runner. `variables` and `secrets` are those of the repository.
    """

    def __init__(
        self, folder: Path, project: Path, url: str, meanwhile: Meanwhile, environments: Path | None = None
    ) -> None:
        self.folder, self.meanwhile = folder, meanwhile
        self.origin, self.name = folder / ORIGIN, project.name
        self.repository = f"{OWNER}/{self.name}"
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        run("git", "clone", "--quiet", "--bare", str(project), str(self.origin), cwd=folder)
        serve_pushes(self.origin)
        self.bin, self.environment = folder / "bin", runner(folder, url, environments)
        beginning = empty() | {"repository": self.repository}
        (folder / "state.json").write_text(json.dumps(beginning), encoding="utf-8")

    @property
    def address(self) -> str:
        """As the workflows know the repository."""
        return f"https://github.com/{self.repository}"

    @property
    def state(self) -> State:
        """What happened so far beyond git."""
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
        with state(self.folder) as held:
            number: int = pulls.made(held, STRANGER if fork else OWNER, branch, PERSON)["number"]
        return number

    def merge_pull_request(self, number: int) -> str:
        """Merge as a person does; gives the commit. Raises Refused as GitHub does."""
        self.pull(number)
        with state(self.folder) as held:
            made = pulls.merge_as(held, self.folder, one(held["pulls"], number=number), PERSON)
        return str(made["sha"])

    def label(self, number: int, *names: str) -> None:
        """Put labels on a pull request."""
        with state(self.folder) as held:
            one(held["pulls"], number=number)["labels"] = [{"name": name} for name in names]

    def issues(self, condition: str = "open") -> list[State]:
        """The issues that are no pull requests, by their state."""
        return [issue for issue in self.state["issues"] if condition in ("all", issue["state"])]

    def pulls(self, condition: str = "open") -> list[State]:
        """The pull requests, by their state."""
        found = [self.pull(pull["number"]) for pull in self.state["pulls"]]
        return [pull for pull in found if condition in ("all", pull["state"])]

    def set(self, **settings: Any) -> None:
        """Settings and rules of the repository, by the names in `state.SETTINGS`."""
        with state(self.folder) as held:
            assert settings.keys() <= held["settings"].keys(), settings
            held["settings"] |= settings

    def install_app(self, client_id: str, private_key: str, **permissions: str) -> None:
        """Install a GitHub App that may do so much: `contents="write"`."""
        may = {name.replace("_", "-"): level for name, level in permissions.items()}
        with state(self.folder) as held:
            held["app"] = {"id": client_id, "key": private_key, "may": may}

    def dies_before(self, command: str, job: str | None = None, when: str = "before") -> None:
        """Let the next job that is about to run a command lose its runner there.

        Such as `publish`, which is one of the project's own, `git push` or `gh api`. What the job still tries
        has no effect.
        """
        with state(self.folder) as held:
            held["deaths"].append({"command": command, "job": job, "when": when})
        (self.folder / MORTAL).touch()

    def dies_after(self, command: str, job: str | None = None) -> None:
        """The same once the command is done."""
        self.dies_before(command, job, "after")

    def workflow(self, file: str, days_ago: float, condition: str = "active") -> None:
        """Let a workflow be of that age, and started by GitHub or, "disabled_inactivity", no longer."""
        with state(self.folder) as held:
            held["workflows"][file] = {"created_at": moment(days_ago), "state": condition}

    def ran(
        self, workflow: str, days_ago: float, event: str, conclusion: str = "success", branch: str = "main"
    ) -> None:
        """Let a workflow have run in the past."""
        with state(self.folder) as held:
            self.record(held, workflow, event, self.head(branch), branch, moment(days_ago))
            held["runs"][-1].update(status="completed", conclusion=conclusion)

    def comments(self, number: int) -> list[str]:
        """The comments on a pull request."""
        return [comment["body"] for comment in self.state["comments"] if comment["issue"] == number]

    def push(self, workflow: str, branch: str = "main") -> Run:
        """Run a workflow as the push of a branch does."""
        commit = self.head(branch)
        payload = {"ref": f"refs/heads/{branch}", "before": "0" * 40, "after": commit, "deleted": False}
        return self.run("push", workflow, commit, payload, f"refs/heads/{branch}")

    def dispatch(self, workflow: str, branch: str = "main", **inputs: str) -> Run:
        """Run a workflow as somebody's click does, with the defaults of what is not given."""
        ref = f"refs/heads/{branch}"
        inputs = may_dispatch(workflow, self.content(workflow, branch), inputs)
        return self.run("workflow_dispatch", workflow, self.head(branch), {"ref": ref, "inputs": inputs}, ref)

    def schedule(self, workflow: str) -> Run:
        """Run a workflow as its schedule does: that of `main`."""
        [*_, line] = triggers(self.content(workflow))["schedule"]
        return self.run("schedule", workflow, self.head(), {"schedule": line["cron"]}, "refs/heads/main")

    def repository_dispatch(self, workflow: str, event_type: str, **client_payload: Any) -> Run:
        """Run a workflow as another system asks for. Raises Refused where it does not listen to that."""
        listens = triggers(self.content(workflow))["repository_dispatch"]
        if event_type not in listens.get("types", [event_type]):
            raise Refused(f"{workflow} does not listen to {event_type}")
        payload = {"action": event_type, "branch": "main", "client_payload": client_payload}
        return self.run("repository_dispatch", workflow, self.head(), payload, "refs/heads/main")

    def content(self, workflow: str, branch: str = "main") -> State:
        """What a workflow file says."""
        content: State = yaml.safe_load(self.show(branch, f"{WORKFLOWS}/{workflow}"))
        return content

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
            pull = pulls.at(self.folder, one(held["pulls"], number=number))
            if pull["state"] == "open":
                source = self.fork() if pull["head"]["repo"]["fork"] else self.origin
                git(self.origin, "fetch", "--quiet", str(source), f"+{pull['head']['ref']}:refs/pull/{number}/head")
                pull["head"]["sha"] = git(self.origin, "rev-parse", f"refs/pull/{number}/head")
                pull["base"]["sha"] = self.head(pull["base"]["ref"])
        return pull

    def merge(self, base: str, head: str) -> str:
        """The commit that merging would make."""
        return merged(self.folder, base, head, f"Merge {head} into {base}", "GitHub")

    def workflow_run(self, of: Run, workflow: str = "comment.yml", conclusion: str | None = None) -> Run:
        """Run a workflow as the end of another does, from the default branch: with its conclusion, or that given."""
        pull = of.event["pull_request"]
        own = not pull["head"]["repo"]["fork"]
        ended = {
            "id": of.id,
            "event": "pull_request",
            "status": "completed",
            "conclusion": conclusion or of.conclusion,
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
        name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/").removeprefix("refs/")
        about = payload.get("pull_request", {}).get("head", {"sha": commit, "ref": name})
        with state(self.folder) as held:
            number = self.record(held, workflow, event, about["sha"], about["ref"], moment())
        temporary = self.folder / "runs" / str(number)
        copy = temporary / "repository"
        copy.mkdir(parents=True)
        git(copy, "init", "--quiet")
        git(copy, "fetch", "--quiet", "--depth=1", self.origin.as_uri(), commit)
        git(copy, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        file = copy / WORKFLOWS / workflow
        with state(self.folder) as held:
            held["permissions"] = granted(file, fork)
        payload["repository"] = pulls.repository(OWNER, self.name)
        done = execute(
            file,
            event,
            payload,
            temporary,
            self.environment,
            self.variables,
            {} if fork else self.secrets,
            GITHUB_REPOSITORY=self.repository,
            GITHUB_REPOSITORY_OWNER=OWNER,
            GITHUB_REF=ref,
            GITHUB_REF_NAME=name,
            GITHUB_RUN_ID=str(number),
            GITHUB_RUN_NUMBER=str(number),
        )
        with state(self.folder) as held:
            one(held["runs"], id=number).update(status="completed", conclusion=done.conclusion)
            held["checks"] += checks(file, done, about["sha"], event)
            if not held["deaths"]:
                (self.folder / MORTAL).unlink(missing_ok=True)
        shutil.rmtree(temporary)
        return done

    def record(self, held: State, workflow: str, event: str, commit: str, branch: str, created: str) -> int:
        """Note a run that begins; gives its number."""
        number = len(held["runs"]) + 1
        run = {"id": number, "path": f"{WORKFLOWS}/{workflow}", "event": event, "created_at": created}
        run |= {"head_sha": commit, "head_branch": branch, "html_url": f"{self.address}/actions/runs/{number}"}
        held["runs"].append(run | {"status": "in_progress", "conclusion": None})
        return number


@contextmanager
def github(folder: Path, project: Path, environments: Path | None = None) -> Iterator[GitHub]:
    """A GitHub with one repository, a copy of a project's branches, while the context lasts."""
    meanwhile: Meanwhile = {}
    with serve(folder, meanwhile) as url:
        yield GitHub(folder, project, url, meanwhile, environments)
