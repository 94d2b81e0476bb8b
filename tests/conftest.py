"""Projects to test: freshly generated ones for the asking, and one that is set up and trained."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

from act.github import GitHub, github
from engine.engines import require_engine
from engine.images import archives
from support import ROOT, cli, commit, environment, git, run

Bake = Callable[..., Path]
LONGEST = ("test_retrain_run.py", "test_deploy_run.py", "test_workflows_run.py", "test_image.py")


def pytest_runtest_setup() -> None:
    """Ctrl-C is part of the tests: in the background of a shell, and after a test of the service, it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first: a worker of pytest-xdist takes a whole module, and none shall end long after all."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def cookiecutter_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps cookiecutter out of the user's home directory and the user's defaults out of the tests."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    config = folder / "config.yaml"
    config.write_text(f"cookiecutters_dir: '{folder / 'cloned'}'\nreplay_dir: '{folder / 'replay'}'\n")
    return config


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory, cookiecutter_config: Path) -> Bake:
    """`bake(task="regression", …)` generates a project with these answers, without setting it up."""

    def bake(template: Path | str = ROOT, **answers: str | bool) -> Path:
        return Path(
            cookiecutter(
                str(template),
                no_input=True,
                extra_context={"setup": False, **answers},
                output_dir=str(tmp_path_factory.mktemp("baked")),
                config_file=str(cookiecutter_config),
            )
        )

    return bake


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images that no registry is asked for, `python.tar` and `haproxy.tar`, for all workers."""
    require_engine()
    folder = tmp_path_factory.getbasetemp()
    return archives(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory, cookiecutter_config: Path) -> subprocess.CompletedProcess[str]:
    """What a newcomer's one command did: all defaults, set up and trained. `args[-1]` is the folder."""
    command = ["uvx", "cookiecutter", str(ROOT), "--no-input", "--config-file", str(cookiecutter_config)]
    folder = tmp_path_factory.mktemp("generated")
    return subprocess.run(
        [*command, "--output-dir", str(folder)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


@pytest.fixture(scope="session")
def project(generated: subprocess.CompletedProcess[str]) -> Path:
    """The default project, set up and trained, to be looked at and left as it is."""
    project = Path(generated.args[-1]) / "flight-delays"
    assert (project / "models" / "champion.dvc").exists(), generated.stdout
    return project


@pytest.fixture(scope="session")
def _as_generated(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second set of the project's files, to put back what a test changed."""
    copy = tmp_path_factory.mktemp("as_generated") / project.name
    shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    return copy


@pytest.fixture
def project_copy(project: Path, _as_generated: Path) -> Iterator[Path]:
    """The default project, set up and trained, to do anything with: afterwards it is put back as it was.

    It stays where it is, because the worktree of the storage branch, MLflow's database and the
    environment's links all hold absolute paths.
    """
    yield project
    for path in project.iterdir():
        if path.name == ".venv":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.copytree(_as_generated, project, symlinks=True, dirs_exist_ok=True)
    run("uv", "sync", "--quiet", cwd=project)


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the Python environments of a GitHub's jobs stay."""
    folder = tmp_path_factory.mktemp("environments")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hub(project: Path, environments: Path, tmp_path: Path) -> Iterator[GitHub]:
    """The default project on a GitHub: its `main`, its storage branch, and nothing else."""
    with github(tmp_path, project, environments) as hub:
        yield hub


@pytest.fixture(scope="session")
def champions(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with three champions on `main`: the first, one of a merged branch, one promoted later."""
    folder = tmp_path_factory.mktemp("champions")
    origin, work = folder / "origin.git", folder / project.name
    run("git", "clone", "--quiet", "--bare", str(project), str(origin), cwd=folder)
    run("git", "clone", "--quiet", str(origin), str(work), cwd=folder)
    for key in ("user.name", "user.email"):
        git(work, "config", key, "ada@example.com")
    run("uv", "sync", "--quiet", cwd=work)
    cli(work, "pull")

    git(work, "checkout", "--quiet", "-b", "fewer-trees")
    retrain(work, "max_iter: 150", "max_iter: 5")
    cli(work, "promote", "--force", "--why", "to be quick")
    commit(work, "Fewer trees")
    git(work, "checkout", "--quiet", "main")
    git(work, "merge", "--quiet", "--no-ff", "--message", "Merge fewer trees", "fewer-trees")
    cli(work, "push")

    retrain(work, "max_iter: 5", "max_iter: 6")
    commit(work, "One more tree")
    cli(work, "promote", "--force", "--why", "one more")
    commit(work, "Promote one more tree")
    cli(work, "push")
    git(work, "push", "--quiet", "origin", "main")
    return origin


def retrain(project: Path, before: str, after: str) -> None:
    """Change a line of `params.yaml` and run the pipeline."""
    params = project / "params.yaml"
    text = params.read_text(encoding="utf-8")
    assert before in text
    params.write_text(text.replace(before, after), encoding="utf-8")
    cli(project, "run")
