"""`doctor` finds what is wrong outside the code, names the command that fixes it, and stays calm about the rest."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from mlops_template.commands import ready
from mlops_template.doctor import doctor, github
from mlops_template.errors import ProjectError
from mlops_template.integrations import gh as gh_module
from mlops_template.integrations.checks import RIGHT, UNSEEN, WRONG, CheckResult, find
from mlops_template.integrations.git import git
from mlops_template.settings.operation import Deploy
from mlops_template.settings.params import Params
from mlops_template.settings.project import load_project

PYPROJECT = Path(__file__).parent / "data" / "pyproject.toml"
REPO = "repos/my-org/flights"
REPOSITORY = github.Repository("github.com", "my-org/flights")
WORKFLOW = """
on: push
jobs:
  train:
    permissions: { contents: read, id-token: write }
    steps:
      - run: "true"
      - uses: ./.github/actions/setup
        with: { storage: true }
"""
CALLER = """
on: push
jobs:
  call:
    uses: ./.github/workflows/train.yml
    permissions: { id-token: write }
  other:
    permissions: {}
    steps:
      - uses: ./.github/actions/setup
"""
GH = """
import sys, time
ANSWERS, FAILURE, SECONDS = {state}
time.sleep(SECONDS)
if FAILURE:
    sys.stderr.write(FAILURE[1])
    sys.exit(FAILURE[0])
if sys.argv[1:4] != ["api", "--hostname", "github.com"] or sys.argv[4] not in ANSWERS:
    with open(__file__ + ".unknown", "a") as file:
        file.write(" ".join(sys.argv[1:]))
    sys.exit("the stand-in does not know this call")
status, body = ANSWERS[sys.argv[4]]
if status != 200:
    sys.exit(f"gh: {{body}} (HTTP {{status}})")
print(body)
"""


def rule(*contexts: str) -> dict[str, Any]:
    """A rule that requires checks, as GitHub tells it."""
    checks = [{"context": context} for context in contexts]
    return {"type": "required_status_checks", "parameters": {"required_status_checks": checks}}


WELL: dict[str, Any] = {
    REPO: (200, {"default_branch": "main"}),
    f"{REPO}/actions/permissions": (200, {"enabled": True, "allowed_actions": "all"}),
    f"{REPO}/actions/permissions/workflow": (200, {"can_approve_pull_request_reviews": True}),
    f"{REPO}/actions/workflows?per_page=100": (
        200,
        {"workflows": [{"path": f".github/workflows/{name}.yml", "state": "active"} for name in ("call", "train")]},
    ),
    f"{REPO}/labels/accept-regression": (200, {"name": "accept-regression"}),
    f"{REPO}/rules/branches/main": (200, [{"type": "deletion"}, rule("tests", "model", "other")]),
}
"""A repository at which everything is as it should be."""

Gh = Callable[..., None]
Github = Callable[..., dict[str, CheckResult]]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a repository with workflows and an origin on GitHub, where git knows no author."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    project = tmp_path / "flights"
    (project / ".github" / "workflows").mkdir(parents=True)
    monkeypatch.chdir(project)
    (project / "pyproject.toml").write_text(PYPROJECT.read_text(encoding="utf-8"), encoding="utf-8")
    (project / ".github" / "workflows" / "train.yml").write_text(WORKFLOW, encoding="utf-8")
    (project / ".github" / "workflows" / "call.yml").write_text(CALLER, encoding="utf-8")
    git("init", "--quiet", "--initial-branch=main")
    git("remote", "add", "origin", "git@github.com:my-org/flights.git")
    return project


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gh]:
    """`gh({path: (status, body)})` puts a stand-in on PATH, which answers so and fails on any other call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script, start = folder / "gh.py", f"'{sys.executable}' -IS '{folder / 'gh.py'}'"
    (folder / "gh").write_text(f'#!/bin/sh\nexec {start} "$@"\n', encoding="utf-8")
    (folder / "gh").chmod(0o755)
    (folder / "gh.bat").write_text(f"@{start.replace(chr(39), chr(34))} %*\n", encoding="utf-8")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def answering(answers: dict[str, Any], failure: tuple[int, str] | None = None, seconds: float = 0) -> None:
        texts = {
            path: (status, json.dumps(body) if status == 200 else body) for path, (status, body) in answers.items()
        }
        script.write_text(GH.format(state=repr((texts, failure, seconds))), encoding="utf-8")

    yield answering
    unknown = Path(f"{script}.unknown")
    assert not unknown.exists(), unknown.read_text(encoding="utf-8")


@pytest.fixture
def at_github(gh: Gh) -> Github:
    """`at_github({path: answer})` is all that is found where GitHub answers so and well otherwise, by name."""

    def at_github(changed: dict[str, Any] | None = None, **trouble: Any) -> dict[str, CheckResult]:
        gh(WELL | (changed or {}), **trouble)
        return {finding.name: finding for finding in github.findings("../.storage")}

    return at_github


def test_a_repository_as_it_should_be(at_github: Github) -> None:
    found = at_github()
    assert len(found) == 7
    assert {finding.status for finding in found.values()} == {RIGHT}


@pytest.mark.parametrize(
    ("what", "path", "answer", "fixes"),
    [
        ("default branch", "", {"default_branch": "trunk"}, "is trunk, .* `gh repo edit --default-branch main`"),
        ("Actions", "/actions/permissions", {"enabled": False}, "are off: `gh api --method PUT .* -F enabled=true"),
        (
            "Actions",
            "/actions/permissions",
            {"enabled": True, "allowed_actions": "local_only"},
            "no action of another repository.*PUT repos/my-org/flights/actions/permissions .*allowed_actions=all`",
        ),
        (
            "pull requests",
            "/actions/permissions/workflow",
            {"can_approve_pull_request_reviews": False},
            "`gh api --method PUT repos/my-org/flights/actions/permissions/workflow "
            "-F can_approve_pull_request_reviews=true`",
        ),
        (
            "workflows",
            "/actions/workflows?per_page=100",
            {
                "workflows": [
                    {"path": ".github/workflows/train.yml", "state": "disabled_inactivity"},
                    {"path": ".github/workflows/call.yml", "state": "disabled_manually"},
                    {"path": ".github/workflows/gone.yml", "state": "disabled_manually"},
                ]
            },
            "`gh workflow enable call.yml && gh workflow enable train.yml`",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_mends_it(
    at_github: Github, what: str, path: str, answer: Any, fixes: str
) -> None:
    """One line of the seven, and the others are right."""
    found = at_github({f"{REPO}{path}": (200, answer)})
    assert_wrong(found.pop(what), fixes)
    assert {finding.status for finding in found.values()} == {RIGHT}


def assert_wrong(finding: CheckResult, fixes: str) -> None:
    """It is a fault, in one line that matches."""
    with pytest.raises(ProjectError, match=fixes):
        assert finding.status == WRONG, finding
        assert "\n" not in str(finding)
        raise ProjectError(finding.message)


def test_a_missing_label_is_made_by_one_command(at_github: Github) -> None:
    found = at_github({f"{REPO}/labels/accept-regression": (404, "Not Found")})
    assert_wrong(found["label"], "`gh label create accept-regression --description")


def test_a_branch_rule_is_advice(gh: Gh) -> None:
    """Not every plan of GitHub has them. Older protections count as well."""
    older = {"protection": {"required_status_checks": {"contexts": ["tests", "lint"]}}}
    for rules, protection, mark, told in (
        ([], {"protected": False}, UNSEEN, "does not require model and tests: .* docs/github.md"),
        ([rule("model")], {"protected": False}, UNSEEN, "does not require tests: .* docs/github.md"),
        ([rule("model")], older, RIGHT, "requires tests and model"),
        ([rule("model"), rule("tests")], None, RIGHT, "requires tests and model"),
    ):
        gh({f"{REPO}/rules/branches/main": (200, rules), f"{REPO}/branches/main": (200, protection)})
        finding = find("branch rule", lambda: github.branch_rule(REPOSITORY))
        assert (finding.status, bool(re.search(told, finding.message))) == (mark, True), finding
    gh({f"{REPO}/rules/branches/main": (403, "Upgrade to GitHub Pro")})
    finding = find("branch rule", lambda: github.branch_rule(REPOSITORY))
    assert (finding.status, "GitHub Pro" in finding.message) == (UNSEEN, True)


def test_what_only_an_administrator_sees_is_no_fault(at_github: Github) -> None:
    paths = ("/actions/permissions", "/actions/permissions/workflow")
    found = at_github({f"{REPO}{path}": (status, "No") for path, status in zip(paths, (403, 404), strict=True)})
    for what in ("Actions", "pull requests"):
        assert found[what].status == UNSEEN
        assert "administrator" in found[what].message


def test_what_is_not_pushed_yet_is_no_fault(at_github: Github, project: Path) -> None:
    found = at_github({f"{REPO}/actions/workflows?per_page=100": (200, {"workflows": []})})
    assert found["workflows"].status == UNSEEN
    assert "call.yml, train.yml" in found["workflows"].message


NEEDED = {
    "s3://bucket/flights": {"variables": ["AWS_ROLE_ARN", "AWS_REGION"]},
    "gs://bucket/flights": {"variables": ["GCP_WORKLOAD_IDENTITY_PROVIDER"]},
    "azure://container/flights": {"variables": ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"]},
    "ssh://me@example.com/srv": {"variables": ["STORAGE_KNOWN_HOSTS"], "secrets": ["STORAGE_SSH_KEY"]},
}


@pytest.mark.parametrize("storage", NEEDED)
@pytest.mark.parametrize("shared", [False, True], ids=["own", "of the organization"])
def test_what_the_storage_needs_is_named(gh: Gh, storage: str, shared: bool) -> None:
    """Each variable and secret that is neither the repository's own nor shared with it; nothing when all are set."""
    wanted = [(kind, name) for kind, names in NEEDED[storage].items() for name in names]

    def given(missing: str = "") -> dict[str, Any]:
        known: dict[str, Any] = {}
        for kind, names in NEEDED[storage].items():
            listed = [{"name": name} for name in names if shared and name != missing]
            known[f"{REPO}/actions/organization-{kind}?per_page=30"] = (200, {kind: listed})
        for kind, name in wanted:
            own = not shared and name != missing
            known[f"{REPO}/actions/{kind}/{name}"] = (200, {"name": name}) if own else (404, "Not Found")
        return known

    gh(given())
    assert login(storage).status == RIGHT
    for kind, name in wanted:
        gh(given(missing=name))
        command = "variable" if kind == "variables" else "secret"
        assert_wrong(login(storage), f"docs/storage.md.*gh {command} set {name}")
        assert login(storage).message.count(" set ") == 1


def login(storage: str) -> CheckResult:
    """What is found about the way to a storage."""
    return find("login", lambda: github.login(REPOSITORY, storage.partition("://")[0]))


def test_without_an_organization_nothing_is_shared(gh: Gh) -> None:
    known = {f"{REPO}/actions/variables/{name}": (404, "Not Found") for name in ("AWS_ROLE_ARN", "AWS_REGION")}
    gh(known | {f"{REPO}/actions/organization-variables?per_page=30": (404, "Not Found")})
    assert login("s3://bucket").message.count("gh variable set") == 2


def test_variables_that_one_may_not_see_are_no_fault(gh: Gh) -> None:
    gh({f"{REPO}/actions/variables/AWS_ROLE_ARN": (403, "Must have admin rights")})
    assert login("s3://bucket").status == UNSEEN


def test_a_job_that_cannot_log_in_is_named(gh: Gh, project: Path) -> None:
    """After a move from the branch to a bucket; a job without the storage, and a storage without login, need none."""
    gh({f"{REPO}/actions/variables/GCP_WORKLOAD_IDENTITY_PROVIDER": (200, {})})
    assert login("gs://bucket").status == RIGHT
    for name, text in (("train", WORKFLOW), ("call", CALLER)):
        path = project / ".github" / "workflows" / f"{name}.yml"
        path.write_text(text.replace("id-token: write", "actions: read"), encoding="utf-8")
    assert_wrong(login("gs://bucket"), "`id-token: write`.* of call in call.yml, train in train.yml$")
    assert login("../.storage").status == RIGHT


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "there is no origin"),
        ("../origin.git", "not on GitHub"),
        ("/srv/git/flights.git", "not on GitHub"),
        ("file:///srv/git/flights.git", "not on GitHub"),
        ("C:/git/flights", "not on GitHub"),
    ],
)
def test_without_a_repository_at_github_nothing_is_asked(at_github: Github, url: str | None, reason: str) -> None:
    git("remote", "remove", "origin") if url is None else git("remote", "set-url", "origin", url)
    found = at_github(failure=(1, "asked"))
    assert [(finding.status, finding.name) for finding in found.values()] == [(UNSEEN, "GitHub")]
    assert reason in found["GitHub"].message


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:my-org/flights",
        "ssh://git@github.com/my-org/flights.git",
        "ssh://git@github.com:22/my-org/flights.git",
        "https://github.com/my-org/flights",
        "https://github.com/my-org/flights.git/",
        "https://me:s3cret@github.com/my-org/flights.git",
    ],
)
def test_every_address_of_github_is_understood_and_no_password_shown(at_github: Github, url: str) -> None:
    git("remote", "set-url", "origin", url)
    assert at_github()["default branch"].status == RIGHT
    assert "s3cret" not in doctor.origin()


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ((4, "To get started with GitHub CLI, please run:  gh auth login\n"), "gh auth login.*gh auth status"),
        ((1, "error connecting to api.github.com\ncheck your internet connection"), "connecting to api.github.com$"),
        ((1, "gh: Not Found (HTTP 404)"), "Not Found"),
        ((3, ""), "gh ended with 3"),
    ],
)
def test_where_github_cannot_be_seen_one_line_says_why(
    at_github: Github, failure: tuple[int, str], reason: str
) -> None:
    """Not logged in, no network, no such repository."""
    (finding,) = at_github(failure=failure).values()
    assert finding.status == UNSEEN
    with pytest.raises(ProjectError, match=reason):
        raise ProjectError(finding.message)


def test_a_github_that_hangs_is_not_waited_for(at_github: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gh_module, "SECONDS", 0.2)
    started = time.monotonic()
    (finding,) = at_github(seconds=5).values()
    assert finding.status == UNSEEN
    assert time.monotonic() - started < 4


def test_without_gh(monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "gh" else which(name))
    (finding,) = github.findings("../.storage")
    assert finding.status == UNSEEN
    assert "`gh auth login`" in finding.message


def test_git_has_to_know_an_author() -> None:
    missing = find("git identity", doctor.identity)
    assert_wrong(missing, '`git config --global user.name "Your Name"` and `git config --global user.email')
    git("config", "user.name", "Ada")
    assert_wrong(find("git identity", doctor.identity), "who you are: `git config --global user.email")
    git("config", "user.email", "ada@example.com")
    assert find("git identity", doctor.identity) == CheckResult(RIGHT, "git identity", "Ada <ada@example.com>")


def test_there_should_be_an_origin() -> None:
    assert find("origin", doctor.origin).status == RIGHT
    git("remote", "remove", "origin")
    assert_wrong(find("origin", doctor.origin), f"`gh repo create {load_project().repository} --private --source .`, then `uv run flight-delays push --first`")


def test_git_push_has_to_carry_the_data(project: Path) -> None:
    name = load_project().name
    assert_wrong(find("git push", doctor.hook), f"`uv run {name} pull` installs")
    hook = project / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    assert_wrong(find("git push", doctor.hook), f"add `uv run --no-sync {name} push` to your own hook")
    hook.write_text(f"#!/bin/sh\nuv run --no-sync {name} push\n", encoding="utf-8")
    assert find("git push", doctor.hook).status == RIGHT


def test_the_lock_file_has_to_be_in_step(project: Path) -> None:
    pyproject = project / "pyproject.toml"
    text = '[project]\nname = "flights"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'
    pyproject.write_text(text, encoding="utf-8")
    subprocess.run(["uv", "lock", "--quiet", "--offline"], check=True)
    assert find("lock file", doctor.lock_file).status == RIGHT
    before = (project / "uv.lock").read_text(encoding="utf-8")
    pyproject.write_text(text.replace("[]", '["typer"]'), encoding="utf-8")
    assert_wrong(find("lock file", doctor.lock_file), "`uv lock`")
    assert (project / "uv.lock").read_text(encoding="utf-8") == before
    (project / "uv.lock").unlink()
    assert_wrong(find("lock file", doctor.lock_file), "`uv lock`")


def test_a_store_that_is_no_server_needs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for uri in ("", " ", "sqlite:///mlflow.db", "postgresql://me:s3cret@example.com/mlflow"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        finding = find("tracking", doctor.tracking_server)
        assert finding.status == UNSEEN
        assert "s3cret" not in finding.message


def test_all_is_looked_at_whatever_goes_wrong(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that is no repository, with a defect in a check."""
    (project / ".git").rename(project / "no-git")
    monkeypatch.setattr(doctor, "identity", lambda: 1 / 0)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = {finding.name: finding for finding in doctor.doctor()}
    here = ["git identity", "origin", "git push", "storage", "deployment", "lock file", "template", "tracking"]
    assert list(found) == [*here, "GitHub"]
    assert (found["git identity"].status, "ZeroDivisionError" in found["git identity"].message) == (UNSEEN, True)
    assert found["git push"].status == UNSEEN, "git failed, which says nothing of the hook"
    assert all("\n" not in str(finding) for finding in found.values())


@pytest.mark.parametrize(("mark", "wrong"), [(RIGHT, False), (UNSEEN, False), (WRONG, True)])
def test_only_a_fault_makes_the_command_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: str, wrong: bool
) -> None:
    findings = [CheckResult(RIGHT, "this", "is right"), CheckResult(mark, "that", "tells")]
    monkeypatch.setattr(doctor, "doctor", lambda: findings)
    if wrong:
        with pytest.raises(typer.Exit) as ended:
            ready.doctor()
        assert ended.value.exit_code == 1
    else:
        ready.doctor()
    assert capsys.readouterr().out.splitlines() == [str(finding) for finding in findings]


def test_where_the_champion_goes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without a server is no fault, as long as somebody knows of it."""

    def told(**settings: Any) -> tuple[str, str]:
        params = Params.model_construct(deploy=Deploy.model_validate(settings))
        monkeypatch.setattr(doctor, "load_params", lambda: params)
        found = find("deployment", doctor.deployment)
        return found.status, found.message

    assert told(image="ghcr.io/o/p") == (RIGHT, "the image is published as ghcr.io/o/p")
    assert told(target="swarm")[0] == UNSEEN
    staging = {"server": "ssh://me@host", "url": "http://host"}
    assert told(target="swarm", environments={"staging": staging}) == (
        RIGHT,
        "swarm: staging at ssh://me@host, production is passed over",
    )


def recorded(template: str | None, version: str = "0.1.0") -> None:
    """The project's record of the template that it was made from."""
    content = {"template": template, "version": version, "commit": None, "answers": {}}
    doctor.FILE.write_text(json.dumps(content), encoding="utf-8")


def test_a_newer_release_of_the_template_is_told(project: Path) -> None:
    """By its version, not by the order of names; other tags do not count."""
    template = project.parent / "template"
    git("init", "--quiet", str(template))
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(*identity, "commit", "--quiet", "--allow-empty", "-m", "First", cwd=template)
    for tag in ("v0.1.0", "v0.9.0", "v0.10.0", "nightly", "v2-draft"):
        git("tag", tag, cwd=template)
    recorded(template.as_uri())
    assert_wrong(find("template", doctor.template_release), "version 0.10.0 is out, this is 0.1.0: `uv run .* update`")
    recorded(template.as_uri(), "0.10.0")
    assert find("template", doctor.template_release).status == RIGHT


def test_without_an_address_or_an_answer_nothing_is_said_of_releases(project: Path) -> None:
    recorded(None)
    assert find("template", doctor.template_release).status == UNSEEN
    recorded((project / "nowhere").as_uri())
    assert find("template", doctor.template_release).status == UNSEEN
