"""Nothing that was pushed is ever lost, whoever else pushes; what is missing is named."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from << cookiecutter.__package >>.errors import ProjectError
from << cookiecutter.__package >>.ops import dvc, storage, storage_branch
from << cookiecutter.__package >>.ops.git import git

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
CONFIG = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../.storage\n"

Clone = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def no_settings_of_the_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No identity, hook or signature of the one who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / "no-config"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `first`, a project with one version of its data, and with `origin`, to which it was pushed."""
    folder = tmp_path_factory.mktemp("shared")
    git("init", "--quiet", "--bare", "--initial-branch=main", str(folder / "origin"))
    (folder / "first" / ".dvc").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "first")
        shutil.copy(PYPROJECT, "pyproject.toml")
        Path(".dvc/config").write_text(CONFIG)
        Path(".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
        Path(".gitignore").write_text("/.storage\n/data/raw\n")
        git("init", "--quiet", "--initial-branch=main")
        git("remote", "add", "origin", "../origin")
        save("a", "rows of a\n")
        storage.push()
        git("push", "--quiet", "--no-verify", "origin", "main")
    return folder


@pytest.fixture
def first(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, beside its origin; the current directory."""
    shutil.copytree(shared, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "first")
    git("remote", "set-url", "origin", str(tmp_path / "origin"))
    return tmp_path / "first"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """What GitHub would be."""
    return tmp_path / "origin"


@pytest.fixture
def clone(tmp_path: Path, origin: Path) -> Clone:
    """`clone("second", "--depth=1")` brings a copy of what is at origin."""

    def clone(name: str, *options: str) -> Path:
        git("clone", "--quiet", *options, origin.as_uri(), str(tmp_path / name))
        return tmp_path / name

    return clone


def save(name: str, text: str) -> None:
    """A partition, versioned and committed."""
    Path("data/raw").mkdir(parents=True, exist_ok=True)
    Path("data/raw", name).write_bytes(text.encode())
    dvc.add(Path("data/raw"))
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", name)


def rows(name: str) -> str:
    """What a partition holds, to the last byte."""
    return Path("data/raw", name).read_bytes().decode()


@pytest.mark.parametrize(
    "options",
    [[], ["--single-branch"], ["--depth=1"], ["--config=core.autocrlf=true"]],
    ids=["whole", "one branch", "shallow", "as on Windows"],
)
def test_a_clone_gets_everything(
    first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(clone("second", *options))
    storage.pull()
    assert rows("a") == "rows of a\n"
    assert not dvc.out_of_date()
    assert not git("status", "--porcelain")
    assert Path(".git/hooks/pre-push").exists()


def test_two_who_push_at_once_lose_nothing(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one's push is refused, because the first was faster; theirs come together."""
    second = clone("second")
    monkeypatch.chdir(second)
    storage.pull()
    save("b", "rows of b")

    pushed = storage_branch.pushed

    def too_late(seen: str | None) -> bool:
        monkeypatch.setattr(storage_branch, "pushed", pushed)
        monkeypatch.chdir(first)
        save("c", "rows of c")
        storage.push()
        monkeypatch.chdir(second)
        return pushed(seen)

    monkeypatch.setattr(storage_branch, "pushed", too_late)
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main:second")
    monkeypatch.chdir(first)
    git("push", "--quiet", "--no-verify", "origin", "main")

    for branch, name in (("second", "b"), ("main", "c")):
        monkeypatch.chdir(clone(f"of-{branch}", f"--branch={branch}"))
        storage.pull()
        assert [rows("a"), rows(name)] == ["rows of a\n", f"rows of {name}"]


def test_storages_begun_apart_come_together(
    first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch, origin: Path
) -> None:
    """Work begun with no connection to origin loses nothing when there is one again."""
    monkeypatch.chdir(clone("second"))
    git("remote", "set-url", "origin", str(origin / "away"))
    save("b", "rows of b")
    with pytest.raises(ProjectError, match="away"):
        storage.push()
    git("remote", "set-url", "origin", str(origin))
    storage.push()
    assert git("rev-parse", storage_branch.BRANCH) == git("-C", str(origin), "rev-parse", storage_branch.BRANCH)
    assert len(storage_branch.contents()) > 4


def test_without_origin_the_branch_is_filled(first: Path) -> None:
    git("remote", "remove", "origin")
    save("b", "rows of b")
    assert "2 files" in storage.push()
    assert {file.key for file in dvc.versioned(Path(".storage"))} <= storage_branch.contents()


def test_a_second_push_has_nothing_to_do(first: Path) -> None:
    before = git("rev-parse", storage_branch.BRANCH)
    assert storage.push().startswith("0 files")
    assert git("rev-parse", storage_branch.BRANCH) == before


def test_a_file_that_github_refuses_is_never_committed(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_branch, "LIMIT", 1000)
    before = git("rev-parse", storage_branch.BRANCH)
    save("big", "row\n" * 1000)
    with pytest.raises(ProjectError, match=r"data/raw/big has .* dvc remote modify storage url"):
        storage.push()
    assert git("rev-parse", storage_branch.BRANCH) == before


def test_what_nobody_pushed_is_named_with_the_one_who_has_it(
    first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("b", "rows of b")
    git("push", "--quiet", "--no-verify", "origin", "main")
    monkeypatch.chdir(clone("second"))
    for command in (storage.pull, storage.push):
        with pytest.raises(ProjectError, match=r"data/raw .*: Ada, who made commit \w+, has it: .* push` there"):
            command()


def test_what_lies_half_done_in_the_worktree_is_mended(first: Path, origin: Path) -> None:
    """Deleted and changed files come back; a half-written one of DVC does not get in."""
    one, other = sorted(Path(".storage/files").rglob("??????????????????????????????*"))[:2]
    for path in (one, other):
        path.chmod(0o644)
    one.unlink()
    other.write_text("damaged")
    Path(".storage/files/.half.tmp").write_text("half")
    before = storage_branch.contents()
    save("b", "rows of b")
    storage.push()
    assert one.exists()
    assert other.read_text() != "damaged"
    assert before < storage_branch.contents()
    assert not any(key.endswith(".tmp") for key in storage_branch.contents())


def test_a_copied_project_leaves_the_original_alone(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(first, tmp_path / "copy", symlinks=True)
    before = git("rev-parse", storage_branch.BRANCH)
    monkeypatch.chdir(tmp_path / "copy")
    git("remote", "remove", "origin")
    save("b", "rows of b")
    storage.push()
    assert git("rev-parse", storage_branch.BRANCH) != before
    monkeypatch.chdir(first)
    assert git("rev-parse", storage_branch.BRANCH) == before


def test_what_dvc_pushed_before_the_worktree_was_there_is_kept(first: Path) -> None:
    storage.ensure()
    git("worktree", "remove", "--force", ".storage")
    save("b", "rows of b")
    dvc.push()
    storage.push()
    assert {file.key for file in dvc.versioned(Path(".storage"))} <= storage_branch.contents()


def test_a_bucket_needs_no_branch(first: Path, tmp_path: Path) -> None:
    """Any other URL in `.dvc/config` is DVC's own affair, here a directory elsewhere."""
    bucket = tmp_path / "bucket"
    Path(".dvc/config").write_text(CONFIG.replace("../.storage", bucket.as_posix()))
    before = git("rev-parse", storage_branch.BRANCH)
    save("b", "rows of b")
    assert str(bucket) in storage.push()
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data/raw")
    storage.pull()
    assert rows("b") == "rows of b"
    assert git("rev-parse", storage_branch.BRANCH) == before


def test_git_push_carries_the_data(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook calls the project's own push, once, and no branch of data goes by hand."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    assert storage.install_hook() is None
    assert storage.install_hook() is None
    save("b", "rows of b")
    git("push", "--quiet", "origin", "main")
    assert (tmp_path / "called").read_text().split()[-1] == "push"
    storage.ensure()
    dvc.push()
    storage_branch.commit()
    done = subprocess.run(["git", "push", "--all"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "travels by itself" in done.stderr
    storage.push()
    assert len((tmp_path / "called").read_text().splitlines()) == 1


def test_a_hook_of_the_users_own_stays(first: Path, tmp_path: Path) -> None:
    hook = Path(".git/hooks/pre-push")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntrue\n")
    assert "add `uv run --no-sync" in str(storage.install_hook())
    assert hook.read_text() == "#!/bin/sh\ntrue\n"
    git("config", "core.hooksPath", str(tmp_path / "hooks"))
    assert str(tmp_path / "hooks") in str(storage.install_hook())
    assert not (tmp_path / "hooks").exists()
