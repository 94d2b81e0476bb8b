"""Whatever the answers: the same files, all well formed, none with a trace of the template."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from allpairspy import AllPairs

import local_extensions
from conftest import Bake
from support import ROOT, TEMPLATE, git, run, uv_run

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
STORAGES = {
    "github": "github",
    "s3": "s3://my-bucket/flights",
    "gcs": "gs://my-bucket/flights",
    "azure": "azure://my-container/flights",
    "ssh": "ssh://me@example.com/srv/flights",
}
CHOICES = {
    "task": QUESTIONS["task"],
    "storage": list(STORAGES),
    "automation": QUESTIONS["automation"],
    "schedule": QUESTIONS["schedule"],
    "deploy": QUESTIONS["deploy"],
    "license": QUESTIONS["license"],
    "python_version": list(local_extensions.SUPPORTED),
    "project": ["flight-delays", "Zebra_Crossing.v2", "a"],
}
ALL_PAIRS = [dict(zip(CHOICES, values, strict=True)) for values in AllPairs(list(CHOICES.values()))]
LEFTOVER = re.compile(r"<<|%>>|#>>|^\s*#\?", re.MULTILINE)

FILES = """
.dockerignore
.dvc/.gitignore
.dvc/config
.dvcignore
.gitattributes
.github/actions/setup/action.yml
.github/dependabot.yml
.github/rulesets/main.json
.github/workflows/comment.yml
.github/workflows/deploy.yml
.github/workflows/evaluate.yml
.github/workflows/monitor.yml
.github/workflows/pages.yml
.github/workflows/pull-request.yml
.github/workflows/retrain.yml
.github/workflows/test.yml
.github/workflows/train.yml
.github/workflows/update.yml
.github/zizmor.yml
.gitignore
.mlops-template.json
.python-version
Dockerfile
LICENSE
README.md
contract.yaml
data/.gitignore
deploy/monitoring/alerts.yaml
deploy/monitoring/dashboard.json
docs/checklist.md
docs/deployment.md
docs/gates.md
docs/github.md
docs/going-back.md
docs/levels.md
docs/monitoring.md
docs/notebook.md
docs/own-data.md
docs/own-model.md
docs/retraining.md
docs/roles.md
docs/storage.md
docs/tracking.md
docs/updating.md
dvc.yaml
models/.gitignore
notebooks/explore.ipynb
params.yaml
pyproject.toml
reports/.gitignore
reports/ml-test-score.svg
src/PACKAGE/__init__.py
src/PACKAGE/features.py
src/PACKAGE/metrics.py
src/PACKAGE/pipeline.py
tests/conftest.py
tests/test_contract.py
tests/test_features.py
tests/test_gates.py
tests/test_pipeline.py
tests/test_service.py
tests/test_split.py
""".split()
"""What a project holds, with every answer, before its first data and model."""

ROLLED_OUT = {
    "image": [],
    "swarm": [".github/workflows/rollout.yml", "deploy/swarm/haproxy.cfg", "deploy/swarm/stack.yaml"],
    "kubernetes": [
        ".github/workflows/rollout.yml",
        "deploy/kubernetes/base/autoscaler.yaml",
        "deploy/kubernetes/base/deployment.yaml",
        "deploy/kubernetes/base/disruption.yaml",
        "deploy/kubernetes/base/kustomization.yaml",
        "deploy/kubernetes/base/namespace.yaml",
        "deploy/kubernetes/base/network.yaml",
        "deploy/kubernetes/base/service.yaml",
        "deploy/kubernetes/base/serviceaccount.yaml",
        "deploy/kubernetes/overlays/production/kustomization.yaml",
        "deploy/kubernetes/overlays/staging/kustomization.yaml",
    ],
}
"""And what the answer to `deploy` adds to that."""


@pytest.fixture(scope="module", params=ALL_PAIRS, ids=lambda answers: "-".join(answers.values()))
def baked(request: pytest.FixtureRequest, bake: Bake) -> Path:
    return bake(**request.param | {"storage": STORAGES[request.param["storage"]]})


def machinery() -> list[Path]:
    """The files of the machinery, which is the same whatever the answers."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", TEMPLATE.name).split("\0")
    found = [ROOT / name for name in names if name.startswith(f"{TEMPLATE.name}/machinery/")]
    return [path for path in found if path.is_file()]


def committed(project: Path) -> list[Path]:
    """What is in git: a maintainer's caches may lie about in the template, and git ignores them."""
    return [project / name for name in git(project, "ls-files").splitlines()]


def test_exactly_these_files(baked: Path) -> None:
    """At the level manual without those that are there for their schedule alone."""
    package = re.sub("[-.]", "_", baked.name.lower())
    names = {path.relative_to(baked).as_posix() for path in committed(baked)}
    expected = {name.replace("PACKAGE", package) for name in FILES}
    params = yaml.safe_load((baked / "params.yaml").read_text(encoding="utf-8"))
    expected |= set(ROLLED_OUT[params["deploy"]["target"]])
    expected |= {path.relative_to(TEMPLATE).as_posix() for path in machinery()}
    if params["retrain"]["automation"] == "manual":
        expected -= {f".github/workflows/{name}.yml" for name in ("monitor", "pages", "update")}
    assert names - expected == set(), "not in the list"
    assert expected - names == set(), "not in the project"


def test_what_is_the_owners_is_little(baked: Path) -> None:
    """Source and tests together, and the tests by themselves."""
    source, tests = (
        sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (baked / folder).rglob("*.py"))
        for folder in ("src", "tests")
    )
    assert source + tests < 600
    assert tests < 400


def test_no_delimiter_is_left(baked: Path) -> None:
    for path in committed(baked):
        content = path.read_bytes()
        if b"\0" not in content:
            assert not LEFTOVER.search(content.decode("utf-8")), path


def test_no_path_of_this_machine(baked: Path) -> None:
    for path in committed(baked):
        for folder in (ROOT, baked.parent):
            assert str(folder).encode() not in path.read_bytes(), path


def test_everything_parses(baked: Path) -> None:
    for path in committed(baked):
        text = path.read_text(encoding="utf-8") if path.suffix != ".parquet" else ""
        if path.suffix in (".yaml", ".yml"):
            assert yaml.safe_load(text), path
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix == ".py":
            compile(text, path, "exec")


def test_committed_on_main_and_nothing_left_over(baked: Path) -> None:
    assert git(baked, "branch", "--show-current") == "main"
    assert git(baked, "rev-list", "--count", "HEAD") == "1"
    assert git(baked, "status", "--porcelain") == ""


def test_the_storage_stands_in_the_settings_of_dvc(bake: Bake) -> None:
    for storage, url in STORAGES.items():
        project = bake(storage=url)
        settings = (project / ".dvc" / "config").read_text(encoding="utf-8")
        assert f"url = {'../.storage' if storage == 'github' else url}\n" in settings
        pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        (machinery,) = [one for one in pyproject["project"]["dependencies"] if one.startswith("mlops-template")]
        assert ("," in machinery) == (storage != "github")


def test_an_existing_repository_is_not_touched(bake: Bake, cookiecutter_config: Path) -> None:
    """Generated again over itself, a project keeps its history; the difference is the user's to commit."""
    project = bake()
    git(project, "switch", "--quiet", "--create", "mine")
    options = ["--no-input", "--overwrite-if-exists", "--config-file", str(cookiecutter_config)]
    said = run("cookiecutter", str(ROOT), *options, "license=BSD-3-Clause", cwd=project.parent)
    assert "existing repository" in said
    assert git(project, "branch", "--show-current") == "mine"
    assert git(project, "diff", "--name-only").splitlines() == [".mlops-template.json", "LICENSE", "README.md"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as others get it: committed, without what git ignores."""
    copy = tmp_path_factory.mktemp("repository") / "mlops-template"
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", "All")
    return copy


def test_from_the_url_of_a_repository(bake: Bake, repository: Path) -> None:
    project = bake(f"git+{repository.as_uri()}", description="<< nothing >>")
    assert "<< nothing >>" in (project / "pyproject.toml").read_text(encoding="utf-8")


def test_from_a_zip_archive(bake: Bake, repository: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "template"), "zip", repository.parent, repository.name)
    assert (bake(archive) / "pyproject.toml").is_file()


@pytest.mark.parametrize("project", CHOICES["project"])
def test_ruff_is_content(bake: Bake, project: str) -> None:
    """Whatever the name of the package, by which imports are sorted."""
    run("ruff", "check", "--no-cache", "--quiet", ".", cwd=bake(project=project))


def test_the_machinery_is_the_same_in_every_project(baked: Path) -> None:
    """Copied, not rendered."""
    assert not [path for path in (baked / "machinery").rglob("*cache*") if path.is_dir()]
    for path in machinery():
        assert (baked / path.relative_to(TEMPLATE)).read_bytes() == path.read_bytes(), path


def test_linters_are_content_with_the_template_itself() -> None:
    """And with the machinery, by its own settings: ruff, and mypy, strict."""
    run("ruff", "check", "--no-cache", "--quiet", ".", cwd=ROOT)
    run("ruff", "check", "--no-cache", "--quiet", "machinery", cwd=ROOT)
    run("mypy", "--config-file", "machinery/pyproject.toml", cwd=ROOT)


@pytest.mark.slow
def test_the_types_hold(project: Path) -> None:
    """mypy, strict, in the environment of the generated project."""
    uv_run(project, "mypy")
