"""The machinery need not lie in the project: many projects can have one copy, from a package index or by a git tag."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support import cli, commit, git, run

pytestmark = pytest.mark.slow

IN_THE_PROJECT = """[tool.uv.workspace]
members = ["machinery"]

[tool.uv.sources]
mlops-template = { workspace = true }
"""


def by_index(machinery: Path, folder: Path) -> str:
    """What pyproject.toml says once a wheel of the machinery lies in an index, here a directory."""
    run("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(machinery), cwd=folder)
    index = f'[[tool.uv.index]]\nname = "team"\nurl = "{folder.as_posix()}"\nformat = "flat"\n\n'
    return f'{index}[tool.uv.sources]\nmlops-template = {{ index = "team" }}\n'


def by_tag(machinery: Path, folder: Path) -> str:
    """What pyproject.toml says once the machinery is a repository of its own with a tag."""
    git(machinery.parent, "subtree", "split", "--prefix", "machinery", "--branch", "machinery")
    git(folder, "init", "--quiet", "--bare")
    git(machinery.parent, "push", "--quiet", "--no-verify", str(folder), "machinery:refs/tags/v1")
    return f'[tool.uv.sources]\nmlops-template = {{ git = "file://{folder.as_posix()}", tag = "v1" }}\n'


@pytest.mark.parametrize("published", [by_index, by_tag])
def test_the_machinery_is_installed_from_elsewhere(
    published: Callable[[Path, Path], str], project: Path, tmp_path: Path
) -> None:
    """The model stays the same to the byte, and an edit of one's own still runs what it affects."""
    copy, store = tmp_path / project.name, tmp_path / "published"
    store.mkdir()
    git(tmp_path, "clone", "--quiet", str(project), str(copy))
    git(copy, "fetch", "--quiet", "origin", "dvc-storage:dvc-storage")
    settings = (copy / "pyproject.toml").read_text(encoding="utf-8")
    assert IN_THE_PROJECT in settings
    settings = settings.replace(IN_THE_PROJECT, published(copy / "machinery", store))
    (copy / "pyproject.toml").write_text(settings, encoding="utf-8")
    git(copy, "rm", "-r", "--quiet", "machinery")
    run("uv", "sync", "--quiet", cwd=copy)
    cli(copy, "pull")
    said = cli(copy, "run")
    assert "dvc.yaml: train no longer depends on machinery/mlops_template/training/train.py" in said
    pipeline = (copy / "dvc.yaml").read_text(encoding="utf-8")
    assert "machinery" not in pipeline
    assert pipeline.count("- uv.lock") == 4 and f"- src/{project.name.replace('-', '_')}/pipeline.py" in pipeline
    assert "challenger   the champion" in cli(copy, "status")
    commit(copy, "The team's machinery")

    features = copy / "src" / project.name.replace("-", "_") / "features.py"
    features.write_text(features.read_text(encoding="utf-8").replace("[-1, 5,", "[-1, 6,"), encoding="utf-8")
    assert "train" in next(line for line in cli(copy, "status").splitlines() if line.startswith("out of date"))
    git(copy, "checkout", "--quiet", ".")
    assert "18 passed" in cli(copy, "check")
    cli(copy, "deploy", "package")
