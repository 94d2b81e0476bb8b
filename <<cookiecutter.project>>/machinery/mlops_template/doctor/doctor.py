"""Looks at what must be right outside the code, on this machine and on GitHub, and says what fixes it.

It fixes nothing by itself, and needs neither network nor `gh`: of what it cannot see, it says so.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ProjectError
from ..integrations import dvc, process
from ..integrations.checks import CheckResult, CheckSkipped, find
from ..integrations.git import git, git_or_none
from ..integrations.tags import newest_release, version_key
from ..settings.operation import Environments
from ..settings.params import load_params
from ..settings.project import load_project
from ..settings.record import FILE, load_record
from ..storage import hooks, storage
from ..tracking.store import PROBE, QUIET, defaults, environment, explained, server_uri
from . import github


def doctor() -> list[CheckResult]:
    """Everything, what lies elsewhere at the same time."""
    with ThreadPoolExecutor() as elsewhere:
        on_github = elsewhere.submit(github.findings, storage_url())
        lock = elsewhere.submit(find, "lock file", lock_file)
        release = elsewhere.submit(find, "template", template_release)
        tracking = elsewhere.submit(find, "tracking", tracking_server)
        here = [
            find("git identity", identity),
            find("origin", origin),
            find("git push", hook),
            find("storage", storage.check),
            find("deployment", deployment),
        ]
        return [*here, lock.result(), release.result(), tracking.result(), *on_github.result()]


def storage_url() -> str:
    """The storage as `.dvc/config` names it; where that names none, the check of the storage says so."""
    try:
        return dvc.storage_url()
    except ProjectError:
        return ""


def identity() -> str:
    """Whose name commits bear."""
    examples = {"user.name": '"Your Name"', "user.email": "you@example.com"}
    missing = [
        f"`git config --global {key} {example}`" for key, example in examples.items() if not git_or_none("config", key)
    ]
    if missing:
        raise ProjectError(f"git does not know who you are: {' and '.join(missing)}")
    return f"{git_or_none('config', 'user.name')} <{git_or_none('config', 'user.email')}>"


def origin() -> str:
    """Where the project is shared."""
    url = git_or_none("remote", "get-url", "origin")
    if url is None:
        project = load_project()
        create = f"gh repo create {project.repository} --private --source ."
        raise ProjectError(f"there is none: `{create}`, then `uv run {project.name} push --first`")
    return without_credentials(url)


def without_credentials(url: str) -> str:
    """A URL to be shown."""
    shown = urlsplit(url)
    return shown._replace(netloc=shown.netloc.rpartition("@")[2]).geturl() if shown.scheme.startswith("http") else url


def hook() -> str:
    """Whether `git push` carries data and models."""
    name = load_project().name
    command = hooks.command_of(hooks.PUSH)
    path = Path(git("rev-parse", "--git-path", "hooks")) / hooks.PUSH
    if path.exists() and command in path.read_text(encoding="utf-8", errors="replace"):
        return "carries data and models"
    if path.exists() or git_or_none("config", "core.hooksPath"):
        raise ProjectError(f"leaves data and models behind: add `{command}` to your own hook {path}")
    raise ProjectError(f"leaves data and models behind: `uv run {name} pull` installs the hook")


def lock_file() -> str:
    """Whether `uv.lock` is that of `pyproject.toml`."""
    try:
        uv = process.find("uv")
    except ProjectError as error:
        raise CheckSkipped(str(error)) from None
    # Offline: a lock file that fits needs nothing, one that does not is out of step whatever it needs.
    if process.capture([uv, "lock", "--check", "--offline"]).code:
        raise ProjectError("uv.lock is not that of pyproject.toml: `uv lock`, then commit it")
    return "uv.lock is that of pyproject.toml"


def template_release() -> str:
    """Whether the project is at the newest release of the template."""
    record = load_record(FILE.read_text(encoding="utf-8") if FILE.exists() else None)
    if record.template is None:
        raise CheckSkipped("the project was made from a directory, which has no releases")
    newest = newest_release(record.template)
    if newest and version_key(newest) > version_key(record.version):
        raise ProjectError(f"version {newest} is out, this is {record.version}: `uv run {load_project().name} update`")
    return f"version {record.version} is the newest"


def deployment() -> str:
    """Where the champion goes, and which environments have no server yet."""
    deploy = load_params().deploy
    if deploy.target == "image":
        return f"the image is published as {deploy.repository}"
    servers = {name: deploy.environment(name).server for name in Environments.model_fields}
    if not any(servers.values()):
        raise CheckSkipped("no environment has a server: name them in deploy.environments of params.yaml")
    places = [f"{name} at {server}" if server else f"{name} is passed over" for name, server in servers.items()]
    return f"{deploy.target}: {', '.join(places)}"


def tracking_server() -> str:
    """Whether the server of MLFLOW_TRACKING_URI answers."""
    uri = server_uri()
    if not uri:
        raise CheckSkipped("MLFLOW_TRACKING_URI is not set, so runs are logged to mlflow.db, which needs nothing")
    if not uri.startswith("http"):
        raise CheckSkipped("MLFLOW_TRACKING_URI names no server")
    from mlflow import MlflowClient

    with defaults(QUIET), environment(PROBE), explained(uri):
        MlflowClient(uri).get_experiment_by_name(load_project().name)
    return f"{without_credentials(uri)} answers"
