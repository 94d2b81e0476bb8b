"""What the repository at GitHub is set to, and what fixes it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ..errors import ProjectError
from ..integrations.checks import UNSEEN, CheckResult, CheckSkipped, find
from ..integrations.gh import GitHubError, Repository, at_origin

WORKFLOWS = Path(".github/workflows")
LABEL = "accept-regression"
REQUIRED = {"tests", "model"}

VARIABLES = {
    "s3": {
        "AWS_ROLE_ARN": "gh variable set AWS_ROLE_ARN --body arn:aws:iam::ACCOUNT:role/ROLE",
        "AWS_REGION": "gh variable set AWS_REGION --body REGION",
    },
    "gs": {"GCP_WORKLOAD_IDENTITY_PROVIDER": "gh variable set GCP_WORKLOAD_IDENTITY_PROVIDER --body PROVIDER"},
    "azure": {
        "AZURE_CLIENT_ID": "gh variable set AZURE_CLIENT_ID --body CLIENT",
        "AZURE_TENANT_ID": "gh variable set AZURE_TENANT_ID --body TENANT",
    },
    "ssh": {"STORAGE_KNOWN_HOSTS": "ssh-keyscan HOST | gh variable set STORAGE_KNOWN_HOSTS"},
}
SECRETS = {"ssh": {"STORAGE_SSH_KEY": "gh secret set STORAGE_SSH_KEY < KEY-FILE"}}
"""What the workflows need for each scheme of the storage's URL, and how it is set; docs/storage.md has the values."""


def findings(storage_url: str) -> list[CheckResult]:
    """All that is set at GitHub, or one line on why nothing could be seen. `storage_url` is the project's storage."""
    try:
        repository = at_origin()
        settings = repository.get()
    except CheckSkipped as reason:
        return [CheckResult(UNSEEN, "GitHub", f"not looked at: {reason}")]
    looks: dict[str, Callable[[], str]] = {
        "default branch": partial(default_branch, settings),
        "Actions": partial(actions, repository),
        "pull requests": partial(may_open_pull_requests, repository),
        "workflows": partial(workflows, repository),
        "label": partial(label, repository),
        "branch rule": partial(branch_rule, repository),
        "login": partial(login, repository, storage_url.partition("://")[0]),
    }
    with ThreadPoolExecutor(len(looks)) as at_once:
        return list(at_once.map(find, looks, looks.values()))


def default_branch(settings: dict[str, Any]) -> str:
    """Schedules run, and pull requests land, on the default branch."""
    branch = settings["default_branch"]
    if branch != "main":
        raise ProjectError(f"is {branch}, and the workflows expect main: `gh repo edit --default-branch main`")
    return "main"


def actions(repository: Repository) -> str:
    """Whether workflows run at all."""
    settings = repository.set_by_admin("/actions/permissions")
    put = f"`gh api --method PUT repos/{repository.name}/actions/permissions -F enabled=true -f allowed_actions=all`"
    if not settings["enabled"]:
        raise ProjectError(f"are off: {put}")
    if settings.get("allowed_actions") == "local_only":
        raise ProjectError(f"may use no action of another repository, not even GitHub's own checkout: {put}")
    return "are on"


def may_open_pull_requests(repository: Repository) -> str:
    """Retraining proposes its model in a pull request."""
    path = "/actions/permissions/workflow"
    if not repository.set_by_admin(path)["can_approve_pull_request_reviews"]:
        raise ProjectError(
            f"workflows may not open any: "
            f"`gh api --method PUT repos/{repository.name}{path} -F can_approve_pull_request_reviews=true`"
        )
    return "workflows may open them"


def workflows(repository: Repository) -> str:
    """GitHub stops a workflow with a schedule after 60 days in which nothing was committed."""
    states = {one["path"]: one["state"] for one in repository.get("/actions/workflows?per_page=100")["workflows"]}
    here = [path.as_posix() for path in sorted(WORKFLOWS.glob("*.yml"))]
    stopped = [path for path in here if states.get(path, "active") != "active"]
    if stopped:
        fix = " && ".join(f"gh workflow enable {Path(path).name}" for path in stopped)
        raise ProjectError(f"{states[stopped[0]].replace('_', ' ')}: `{fix}`")
    unknown = [Path(path).name for path in here if path not in states]
    if unknown:
        raise CheckSkipped(f"{', '.join(unknown)} not on the default branch yet")
    return f"all {len(here)} are active"


def label(repository: Repository) -> str:
    """With it a reviewer accepts a model in spite of the gates."""
    try:
        repository.get(f"/labels/{LABEL}")
    except GitHubError as error:
        if error.status != 404:
            raise
        description = "The model may be worse, and is promoted all the same"
        raise ProjectError(f'{LABEL} is missing: `gh label create {LABEL} --description "{description}"`') from None
    return LABEL


def branch_rule(repository: Repository) -> str:
    """Whether a red pull request can be merged: advice, not a fault, since not every plan of GitHub has rules."""
    rules = repository.get("/rules/branches/main")
    required = {
        check["context"]
        for rule in rules
        if rule["type"] == "required_status_checks"
        for check in rule["parameters"]["required_status_checks"]
    }
    if not required >= REQUIRED:
        protection = repository.get("/branches/main").get("protection", {})
        required |= set(protection.get("required_status_checks", {}).get("contexts", []))
    missing = sorted(REQUIRED - required)
    if missing:
        raise CheckSkipped(f"main does not require {' and '.join(missing)}: see `branch rule` in docs/github.md")
    return f"main requires {' and '.join(sorted(REQUIRED, reverse=True))}"


def login(repository: Repository, scheme: str) -> str:
    """What the workflows need to reach the storage."""
    if scheme not in VARIABLES:
        return "the storage needs none"
    missing = [
        command
        for kind, wanted in (("variables", VARIABLES), ("secrets", SECRETS))
        for name, command in wanted.get(scheme, {}).items()
        if not is_set(repository, kind, name)
    ]
    if missing:
        raise ProjectError(f"the workflows cannot reach the storage, see docs/storage.md: `{' && '.join(missing)}`")
    refused = [] if scheme == "ssh" else without_identity()
    if refused:
        raise ProjectError(f"`id-token: write` is missing from the permissions of {', '.join(refused)}")
    return "set up for the storage"


def is_set(repository: Repository, kind: str, name: str) -> bool:
    """Whether a variable or secret of this name is the repository's own, or shared with it by its organization."""
    try:
        repository.get(f"/actions/{kind}/{name}")
        return True
    except GitHubError as error:
        if error.status != 404:
            raise
    try:
        shared = repository.get(f"/actions/organization-{kind}?per_page=30")[kind]
    except GitHubError:
        return False
    return any(one["name"] == name for one in shared)


def without_identity() -> list[str]:
    """The jobs that use the storage, or call those that do, and may not ask for an identity to log in with."""
    content = {path.name: YAML(typ="safe").load(path) for path in sorted(WORKFLOWS.glob("*.yml"))}
    jobs = {(file, name): job for file, workflow in content.items() for name, job in workflow["jobs"].items()}
    uses = {file for (file, _), job in jobs.items() if uses_storage(job)}
    return [
        f"{name} in {file}"
        for (file, name), job in jobs.items()
        if (uses_storage(job) or Path(job.get("uses", "")).name in uses)
        and job.get("permissions", {}).get("id-token") != "write"
    ]


def uses_storage(job: dict[str, Any]) -> bool:
    """Whether a job's setup asks for the storage."""
    return any(step.get("with", {}).get("storage") for step in job.get("steps", []))
