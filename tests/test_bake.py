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
from support import ROOT, git, run, uv_run

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
STORAGE_URLS = {
    "github": "",
    "s3": "s3://my-bucket/flights",
    "gcs": "gs://my-bucket/flights",
    "azure": "azure://my-container/flights",
    "ssh": "ssh://me@example.com/srv/flights",
}
CHOICES = {
    "task": QUESTIONS["task"],
    "storage": QUESTIONS["storage"],
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
.github/workflows/pull-request.yml
.github/workflows/retrain.yml
.github/workflows/test.yml
.github/workflows/train.yml
.github/zizmor.yml
.gitignore
.python-version
Dockerfile
LICENSE
README.md
contract.yaml
data/.gitignore
docs/deployment.md
docs/github.md
docs/retraining.md
docs/storage.md
dvc.yaml
models/.gitignore
params.yaml
pyproject.toml
reports/.gitignore
src/PACKAGE/__init__.py
src/PACKAGE/backtest/__init__.py
src/PACKAGE/backtest/advice.py
src/PACKAGE/backtest/backtest.py
src/PACKAGE/backtest/cells.py
src/PACKAGE/backtest/history.py
src/PACKAGE/backtest/plan.py
src/PACKAGE/backtest/replay.py
src/PACKAGE/backtest/show.py
src/PACKAGE/cli.py
src/PACKAGE/commands/__init__.py
src/PACKAGE/commands/data.py
src/PACKAGE/commands/deploy.py
src/PACKAGE/commands/model.py
src/PACKAGE/commands/notice.py
src/PACKAGE/commands/ready.py
src/PACKAGE/commands/retraining.py
src/PACKAGE/commands/serving.py
src/PACKAGE/commands/storage.py
src/PACKAGE/commands/versions.py
src/PACKAGE/data/__init__.py
src/PACKAGE/data/adopt.py
src/PACKAGE/data/contract.py
src/PACKAGE/data/drift.py
src/PACKAGE/data/infer.py
src/PACKAGE/data/ingest.py
src/PACKAGE/data/partitions.py
src/PACKAGE/data/sample.py
src/PACKAGE/data/sources.py
src/PACKAGE/data/split.py
src/PACKAGE/data/stream.py
src/PACKAGE/data/validate.py
src/PACKAGE/deploy/__init__.py
src/PACKAGE/deploy/commands.py
src/PACKAGE/deploy/convert.py
src/PACKAGE/deploy/export.py
src/PACKAGE/deploy/image.py
src/PACKAGE/deploy/local.py
src/PACKAGE/deploy/kubernetes.py
src/PACKAGE/deploy/package.py
src/PACKAGE/deploy/publish.py
src/PACKAGE/deploy/record.py
src/PACKAGE/deploy/releases.py
src/PACKAGE/deploy/rollout.py
src/PACKAGE/deploy/service.py
src/PACKAGE/deploy/swarm.py
src/PACKAGE/deploy/trial.py
src/PACKAGE/deploy/verify.py
src/PACKAGE/demo/__init__.py
src/PACKAGE/demo/chart.py
src/PACKAGE/demo/scratch.py
src/PACKAGE/demo/story.py
src/PACKAGE/errors.py
src/PACKAGE/model/__init__.py
src/PACKAGE/model/artifact.py
src/PACKAGE/model/compare.py
src/PACKAGE/model/encounter.py
src/PACKAGE/model/evaluate.py
src/PACKAGE/model/gates.py
src/PACKAGE/model/intervals.py
src/PACKAGE/model/metrics.py
src/PACKAGE/model/pipeline.py
src/PACKAGE/model/score.py
src/PACKAGE/model/search.py
src/PACKAGE/model/train.py
src/PACKAGE/ops/__init__.py
src/PACKAGE/ops/actions.py
src/PACKAGE/ops/champion.py
src/PACKAGE/ops/compact.py
src/PACKAGE/ops/content.py
src/PACKAGE/ops/doctor.py
src/PACKAGE/ops/dvc.py
src/PACKAGE/ops/figures.py
src/PACKAGE/ops/findings.py
src/PACKAGE/ops/git.py
src/PACKAGE/ops/gh.py
src/PACKAGE/ops/github.py
src/PACKAGE/ops/handover.py
src/PACKAGE/ops/history.py
src/PACKAGE/ops/ingest.py
src/PACKAGE/ops/lineage.py
src/PACKAGE/ops/needed.py
src/PACKAGE/ops/notice.py
src/PACKAGE/ops/promote.py
src/PACKAGE/ops/publish.py
src/PACKAGE/ops/registry.py
src/PACKAGE/ops/reproduce.py
src/PACKAGE/ops/results.py
src/PACKAGE/ops/revisions.py
src/PACKAGE/ops/runs.py
src/PACKAGE/ops/setup.py
src/PACKAGE/ops/status.py
src/PACKAGE/ops/storage.py
src/PACKAGE/ops/storage_branch.py
src/PACKAGE/ops/tracked_model.py
src/PACKAGE/ops/tracking.py
src/PACKAGE/ops/tracking_store.py
src/PACKAGE/ops/train.py
src/PACKAGE/params.py
src/PACKAGE/params_operation.py
src/PACKAGE/params_section.py
src/PACKAGE/paths.py
src/PACKAGE/progress.py
src/PACKAGE/project.py
src/PACKAGE/report/__init__.py
src/PACKAGE/report/cells.py
src/PACKAGE/report/changes.py
src/PACKAGE/report/facts.py
src/PACKAGE/report/failure.py
src/PACKAGE/report/markdown.py
src/PACKAGE/report/markup.py
src/PACKAGE/report/mermaid.py
src/PACKAGE/report/model_card.py
src/PACKAGE/report/page.css
src/PACKAGE/report/page.py
src/PACKAGE/report/plots.py
src/PACKAGE/report/report.py
src/PACKAGE/report/summary.py
src/PACKAGE/report/svg.py
src/PACKAGE/report/tables.py
src/PACKAGE/report/terminal.py
src/PACKAGE/retrain/__init__.py
src/PACKAGE/retrain/begin.py
src/PACKAGE/retrain/decide.py
src/PACKAGE/retrain/log.py
src/PACKAGE/retrain/propose.py
src/PACKAGE/retrain/publish.py
src/PACKAGE/retrain/retrain.py
src/PACKAGE/retrain/signals.py
src/PACKAGE/retrain/watch.py
src/PACKAGE/serving/__init__.py
src/PACKAGE/serving/__main__.py
src/PACKAGE/serving/app.py
src/PACKAGE/serving/check.py
src/PACKAGE/serving/docs.py
src/PACKAGE/serving/metrics.py
src/PACKAGE/serving/openapi.py
src/PACKAGE/serving/package.py
src/PACKAGE/serving/predict.py
src/PACKAGE/serving/predictions.py
src/PACKAGE/serving/protocol.py
src/PACKAGE/serving/rows.py
src/PACKAGE/serving/run.py
src/PACKAGE/serving/runtime.py
src/PACKAGE/serving/schema.py
src/PACKAGE/serving/server.py
src/PACKAGE/serving/service.py
src/PACKAGE/serving/settings.py
src/PACKAGE/serving/workers.py
src/PACKAGE/stage.py
src/PACKAGE/terminal.py
tests/__init__.py
tests/conftest.py
tests/serving.py
tests/data/flights.csv
tests/test_actions.py
tests/test_adopt.py
tests/test_backtest.py
tests/test_champion.py
tests/test_changes.py
tests/test_compact.py
tests/test_compare.py
tests/test_contract.py
tests/test_decide.py
tests/test_demo.py
tests/test_doctor.py
tests/test_drift.py
tests/test_encounter.py
tests/test_git.py
tests/test_export.py
tests/test_handover.py
tests/test_image.py
tests/test_ingest.py
tests/test_metrics.py
tests/test_model.py
tests/test_package.py
tests/test_page.py
tests/test_policies.py
tests/test_predictions.py
tests/test_promote.py
tests/test_propose.py
tests/test_publish.py
tests/test_releases.py
tests/test_report.py
tests/test_rollout.py
tests/test_score.py
tests/test_serving.py
tests/test_serving_process.py
tests/test_setup.py
tests/test_signals.py
tests/test_sources.py
tests/test_split.py
tests/test_storage.py
tests/test_verify.py
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
    return bake(**request.param, storage_url=STORAGE_URLS[request.param["storage"]])


def committed(project: Path) -> list[Path]:
    """What is in git: a maintainer's caches may lie about in the template, and git ignores them."""
    return [project / name for name in git(project, "ls-files").splitlines()]


def test_exactly_these_files(baked: Path) -> None:
    """At the level manual without the one that is there for its schedule alone."""
    package = re.sub("[-.]", "_", baked.name.lower())
    names = {path.relative_to(baked).as_posix() for path in committed(baked)}
    expected = {name.replace("PACKAGE", package) for name in FILES}
    params = yaml.safe_load((baked / "params.yaml").read_text(encoding="utf-8"))
    expected |= set(ROLLED_OUT[params["deploy"]["target"]])
    if params["retrain"]["automation"] == "manual":
        expected.remove(".github/workflows/monitor.yml")
    assert names - expected == set(), "not in the list"
    assert expected - names == set(), "not in the project"


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
    for storage, url in STORAGE_URLS.items():
        project = bake(storage=storage, storage_url=url)
        assert f"url = {url or '../.storage'}\n" in (project / ".dvc" / "config").read_text(encoding="utf-8")
        pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        (dvc,) = [one for one in pyproject["project"]["dependencies"] if one.startswith("dvc")]
        assert ("[" in dvc) == (storage != "github")


def test_an_existing_repository_is_not_touched(bake: Bake, cookiecutter_config: Path) -> None:
    """Generated again over itself, a project keeps its history; the difference is the user's to commit."""
    project = bake()
    git(project, "switch", "--quiet", "--create", "mine")
    options = ["--no-input", "--overwrite-if-exists", "--config-file", str(cookiecutter_config)]
    said = run("cookiecutter", str(ROOT), *options, "license=BSD-3-Clause", cwd=project.parent)
    assert "existing repository" in said
    assert git(project, "branch", "--show-current") == "mine"
    assert git(project, "diff", "--name-only").splitlines() == ["LICENSE", "README.md"]


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


def test_ruff_is_content_with_the_template_itself() -> None:
    run("ruff", "check", "--no-cache", "--quiet", ".", cwd=ROOT)


@pytest.mark.slow
def test_the_types_hold(project: Path) -> None:
    """mypy, strict, in the environment of the generated project."""
    uv_run(project, "mypy")
