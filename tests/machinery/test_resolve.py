"""A merge of two promotions: results are settled by a command, what people wrote is left to them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlops_template.champion.resolve import refuse_unmerged, resolve
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import GitError, git

FILES = ("params.yaml", "dvc.lock", "models/champion.dvc", "reports/metrics.json", "data/raw.dvc")
"""Each holds the name of the branch whose version it is."""
WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")

Change = Callable[..., None]


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose branches `one`, `two` and `three` each made a model; `one` is merged. On `two`."""
    monkeypatch.chdir(tmp_path)
    data = Path(__file__).parent / "data" / "pyproject.toml"
    Path("pyproject.toml").write_text(data.read_text(encoding="utf-8"), encoding="utf-8")
    Path("dvc.yaml").write_text("stages: {}\n")
    git("init", "--quiet", "--initial-branch=main")
    save("start", "reports/old.json")
    for branch in ("one", "two", "three"):
        git("checkout", "--quiet", "-b", branch, "main")
        save(branch, "reports/old.json")
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "one")
    git("checkout", "--quiet", "two")
    return tmp_path


def save(version: str, *others: str) -> None:
    """Commit a version of all files."""
    for name in (*FILES, *others):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(f"{version}\n")
    git("add", "--all")
    git(*WHO, "commit", "--quiet", "--message", version)


def versions() -> dict[str, str]:
    """Whose version each file of results is."""
    return {name: Path(name).read_text().strip() for name in FILES[1:]}


def conflict(*command: str) -> None:
    """A command of git that ends in conflicts."""
    with pytest.raises(GitError):
        git(*WHO, *command)


def test_a_branch_takes_the_results_of_main(three: Path) -> None:
    """Twice, for a third branch meets what the second one made."""
    for branch, held in (("two", "one"), ("three", "two")):
        git("checkout", "--quiet", branch)
        conflict("merge", "main")
        with pytest.raises(ProjectError, match=r"conflicts in data/raw\.dvc, dvc\.lock, models/champion\.dvc and 3 more: `uv"):
            refuse_unmerged()
        said = resolve()
        assert set(versions().values()) == {held}
        assert "<<<<<<<" in Path("params.yaml").read_text()
        assert "yours to edit, then to `git add`: params.yaml" in said
        assert "come again with `ingest`" in said
        save(branch)
        assert resolve() == "nothing is in conflict"
        git("checkout", "--quiet", "main")
        git("merge", "--quiet", branch)


def test_main_keeps_its_own(three: Path) -> None:
    git("checkout", "--quiet", "main")
    conflict("merge", "two")
    resolve()
    assert set(versions().values()) == {"one"}


def test_a_rebase_takes_those_of_main_too(three: Path) -> None:
    conflict("rebase", "main")
    resolve()
    assert set(versions().values()) == {"one"}


def test_a_report_that_main_no_longer_has_goes(three: Path) -> None:
    git("checkout", "--quiet", "main")
    git("rm", "--quiet", "reports/old.json")
    git(*WHO, "commit", "--quiet", "--message", "no longer made")
    git("checkout", "--quiet", "two")
    conflict("merge", "main")
    resolve()
    assert not Path("reports/old.json").exists()
    assert git("diff", "--name-only", "--diff-filter=U") == "params.yaml"


def test_what_is_not_in_conflict_stays(three: Path) -> None:
    git("checkout", "--quiet", "-b", "four", "one")
    Path("params.yaml").write_text("four\n")
    git(*WHO, "commit", "--quiet", "--all", "--message", "a parameter")
    git("checkout", "--quiet", "main")
    Path("params.yaml").write_text("main\n")
    git(*WHO, "commit", "--quiet", "--all", "--message", "another")
    git("checkout", "--quiet", "four")
    conflict("merge", "main")
    before = versions()
    assert resolve() == "yours to edit, then to `git add`: params.yaml\nnext: `git commit`"
    assert versions() == before


def test_every_command_says_so_first(three: Path) -> None:
    conflict("merge", "main")
    for words in (["status"], ["run"], ["promote"], ["storage", "check"]):
        done = subprocess.run([sys.executable, "-m", "mlops_template.cli", *words], capture_output=True, encoding="utf-8")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("resolve` settles what no person writes"), done.stderr
    done = subprocess.run([sys.executable, "-m", "mlops_template.cli", "resolve"], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
