"""Nothing that was pushed is ever lost, whoever else pushes; what is missing is named."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.storage import branch, hooks, storage

from .conftest import ADA, CONFIG, Clone, rows, save


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


def test_after_a_change_of_branch_the_files_of_the_other_are_told_from_stages_to_run(first: Path) -> None:
    """`status` names `pull` then: nothing has to be trained."""
    save("a", "other rows")
    git("checkout", "--quiet", "HEAD~1")
    assert dvc.status() == dvc.OutOfDate(["data/raw.dvc"], files_only=True)
    storage.pull()
    assert not dvc.status().files_only
    assert rows("a") == "rows of a\n"
    Path("dvc.yaml").write_text("stages: { train: { cmd: x, deps: [data/raw], outs: [model] } }")
    assert not dvc.status().files_only


def test_two_who_push_at_once_lose_nothing(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one's push is refused, because the first was faster; theirs come together."""
    second = clone("second")
    monkeypatch.chdir(second)
    storage.pull()
    save("b", "rows of b")

    pushed = branch.pushed

    def too_late(seen: str | None) -> bool:
        monkeypatch.setattr(branch, "pushed", pushed)
        monkeypatch.chdir(first)
        save("c", "rows of c")
        storage.push()
        monkeypatch.chdir(second)
        return pushed(seen)

    monkeypatch.setattr(branch, "pushed", too_late)
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main:second")
    monkeypatch.chdir(first)
    git("push", "--quiet", "--no-verify", "origin", "main")

    for head, name in (("second", "b"), ("main", "c")):
        monkeypatch.chdir(clone(f"of-{head}", f"--branch={head}"))
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
    assert git("rev-parse", branch.BRANCH) == git("-C", str(origin), "rev-parse", branch.BRANCH)
    assert len(branch.contents()) > 4


def test_without_origin_the_branch_is_filled(first: Path) -> None:
    git("remote", "remove", "origin")
    save("b", "rows of b")
    assert "2 files" in storage.push()
    assert {file.key for file in dvc.versioned(Path(".storage"))} <= branch.contents().keys()


def test_much_is_pushed_in_portions(first: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since GitHub refuses a push of more than 2 GB; also what has to be put on top of others' files."""
    monkeypatch.setattr(branch, "PORTION", 5000)
    pushed = []
    transfer = branch.transfer

    def noted(*arguments: str) -> None:
        pushed.extend(argument for argument in arguments if argument.endswith(branch.HERE))
        transfer(*arguments)

    monkeypatch.setattr(branch, "transfer", noted)
    for name in "bcd":
        save(name, os.urandom(1500).hex())
    git("update-ref", branch.HERE, git("rev-parse", f"{branch.HERE}^"), cwd=origin)
    storage.push()
    assert len(pushed) > 2
    assert git("rev-parse", branch.HERE) == git("rev-parse", branch.HERE, cwd=origin)
    assert {file.key for file in dvc.versioned(Path(".storage"))} <= branch.contents().keys()


def test_a_second_push_has_nothing_to_do(first: Path) -> None:
    before = git("rev-parse", branch.BRANCH)
    assert storage.push().startswith("0 files")
    assert git("rev-parse", branch.BRANCH) == before


def test_a_file_that_github_refuses_is_never_committed(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "LIMIT", 1000)
    before = git("rev-parse", branch.BRANCH)
    save("big", "row\n" * 1000)
    with pytest.raises(ProjectError, match=r"data/raw/big has .* dvc remote modify storage url"):
        storage.push()
    assert git("rev-parse", branch.BRANCH) == before


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
    before = branch.contents().keys()
    save("b", "rows of b")
    storage.push()
    assert one.exists()
    assert other.read_text() != "damaged"
    assert before < branch.contents().keys()
    assert not any(key.endswith(".tmp") for key in branch.contents())


def test_a_copied_project_leaves_the_original_alone(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(first, tmp_path / "copy", symlinks=True)
    before = git("rev-parse", branch.BRANCH)
    monkeypatch.chdir(tmp_path / "copy")
    git("remote", "remove", "origin")
    save("b", "rows of b")
    storage.push()
    assert git("rev-parse", branch.BRANCH) != before
    monkeypatch.chdir(first)
    assert git("rev-parse", branch.BRANCH) == before


def test_what_dvc_pushed_before_the_worktree_was_there_is_kept(first: Path) -> None:
    storage.ensure()
    git("worktree", "remove", "--force", ".storage")
    save("b", "rows of b")
    dvc.push()
    storage.push()
    assert {file.key for file in dvc.versioned(Path(".storage"))} <= branch.contents().keys()


def test_a_bucket_needs_no_branch(first: Path, tmp_path: Path) -> None:
    """Any other URL in `.dvc/config` is DVC's own affair, here a directory elsewhere."""
    bucket = tmp_path / "bucket"
    Path(".dvc/config").write_text(CONFIG.replace("../.storage", bucket.as_posix()))
    before = git("rev-parse", branch.BRANCH)
    save("b", "rows of b")
    assert str(bucket) in storage.push()
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data/raw")
    storage.pull()
    assert rows("b") == "rows of b"
    assert git("rev-parse", branch.BRANCH) == before


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of uv: a program that fails once the file `fails` lies beside this one, which has a line for each call."""
    uv, file = tmp_path / "bin" / "uv", tmp_path / "called"
    uv.parent.mkdir()
    uv.write_text(f'#!/bin/sh\necho "$@" >> "{file}"\n[ ! -e "{file.with_name("fails")}" ]\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    return file


def test_git_push_carries_the_data(first: Path, calls: Path) -> None:
    """The hook calls the project's own push, once, and no branch of data goes by hand."""
    assert hooks.install() == []
    assert hooks.install() == []
    save("b", "rows of b")
    git("push", "--quiet", "origin", "main")
    assert calls.read_text().split()[-2:] == ["push", git("rev-parse", "main")]
    storage.ensure()
    dvc.push()
    branch.commit()
    done = subprocess.run(["git", "push", "--all"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "travels by itself" in done.stderr
    storage.push()
    assert len(calls.read_text().splitlines()) == 1


def test_a_commit_is_checked_before_it_is_made(first: Path, calls: Path) -> None:
    """By the project's own command."""
    calls.with_name("fails").touch()
    hooks.install()
    Path("params.yaml").write_text("seed: 1")
    git("add", "params.yaml")
    git(*ADA, "commit", "--quiet", "--message", "Where nothing is installed")
    assert not calls.exists()
    Path(".venv/bin").mkdir(parents=True)
    Path(".venv/bin/flight-delays").touch()
    Path("params.yaml").write_text("seed: 2")
    git("add", "params.yaml")
    with pytest.raises(ProjectError):
        git(*ADA, "commit", "--quiet", "--message", "Seed")
    assert calls.read_text().split()[-2:] == ["check", "--staged"]
    assert git("log", "-1", "--format=%s") == "Where nothing is installed"


def test_each_commit_that_is_pushed_has_its_data(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the last one, and not only those of the branch that is checked out."""
    git("switch", "--quiet", "--create", "other")
    save("x", "rows of x")
    git("switch", "--quiet", "main")
    for name in "bc":
        Path("data/raw/b").unlink(missing_ok=True)
        save(name, f"rows of {name}")
    storage.push("other")
    git("push", "--quiet", "--no-verify", "origin", "main", "other")
    monkeypatch.chdir(clone("second"))
    for revision, name in (("main", "c"), ("main~1", "b"), ("other", "x")):
        git("checkout", "--quiet", "--detach", f"origin/{revision}")
        storage.pull()
        assert rows(name) == f"rows of {name}"


def test_stages_that_never_ran_are_no_hindrance(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dvc.yaml").write_text("stages: {late: {cmd: 'true', outs: [model]}}\n")
    save("b", "rows of b")
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main")
    monkeypatch.chdir(clone("second"))
    storage.pull()
    assert rows("b") == "rows of b"


def test_whoever_makes_something_gets_the_hook_but_a_job(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a clone where nobody ran `setup` or `pull`."""
    hook = Path(".git/hooks/pre-push")
    hook.unlink(missing_ok=True)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    hooks.install_outside_jobs()
    assert not hook.exists()
    monkeypatch.delenv("GITHUB_ACTIONS")
    hooks.install_outside_jobs()
    assert "uv run --no-sync flight-delays push" in hook.read_text()


def test_a_hook_of_an_earlier_version_is_written_anew(first: Path) -> None:
    """Whatever that called: it is no hook of the user's own."""
    hook = Path(".git/hooks/pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n# Written by `flight-delays setup` or `pull`: so it was\nexec old\n")
    assert hooks.install() == []
    assert hook.read_text().endswith("exec uv run --no-sync flight-delays check --staged\n")


def test_a_hook_of_the_users_own_stays(first: Path, tmp_path: Path) -> None:
    hook = Path(".git/hooks/pre-push")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntrue\n")
    (line,) = hooks.install()
    assert "add `uv run --no-sync flight-delays push` to it" in line
    assert hook.read_text() == "#!/bin/sh\ntrue\n"
    git("config", "core.hooksPath", str(tmp_path / "hooks"))
    assert [str(tmp_path / "hooks") in line for line in hooks.install()] == [True, True]
    assert not (tmp_path / "hooks").exists()


@pytest.mark.parametrize("options", [[], ["--depth=1"]], ids=["whole", "shallow"])
def test_a_check_of_a_complete_storage_leaves_nothing_to_push(
    first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """As in a job that may only read; and what it brought is all that a later `pull` needs."""
    monkeypatch.chdir(clone("second", "--single-branch", *options))
    assert "has all that this commit names" in storage.check()
    assert git("rev-parse", branch.HERE) == git("rev-parse", branch.AT_ORIGIN)
    git("remote", "set-url", "--push", "origin", "/nowhere")
    storage.check()
    git("remote", "set-url", "origin", "/nowhere")
    storage.check_out()
    assert rows("a") == "rows of a\n"


def test_a_check_names_the_branch_that_origin_lacks(
    first: Path, clone: Clone, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And on whose machine it is."""
    git("update-ref", "-d", branch.HERE, cwd=origin)
    with pytest.raises(ProjectError, match=r"origin has no branch dvc-storage, .* push` here$"):
        storage.check()
    monkeypatch.chdir(clone("second", "--depth=1"))
    with pytest.raises(ProjectError, match=r"origin has no branch dvc-storage, .* whoever set .* push` there$"):
        storage.check()
    git("remote", "set-url", "origin", str(origin / "away"))
    with pytest.raises(ProjectError, match=r"could not be asked .*`gh auth setup-git`"):
        storage.check()


def test_a_check_names_what_was_not_pushed(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the machine that has it, in a clone, and in a shallow one, which cannot know who it was."""
    save("b", "rows of b")
    with pytest.raises(ProjectError, match=r"data/raw, data/raw/b are not in the storage, but here: .* push`$"):
        storage.check()
    git("push", "--quiet", "--no-verify", "origin", "main")
    for name, depth, who in (
        ("whole", "100", r"Ada, who made commit \w+, has it"),
        ("shallow", "1", r"whoever last changed data/raw.dvc \(`git log -1 data/raw.dvc` .* has it"),
    ):
        monkeypatch.chdir(clone(name, f"--depth={depth}"))
        with pytest.raises(ProjectError, match=rf"data/raw is not in the storage: {who}: .* push` there$"):
            storage.check()


def test_a_check_of_a_bucket_asks_for_every_file(first: Path, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    Path(".dvc/config").write_text(CONFIG.replace("../.storage", bucket.as_posix()))
    storage.push()
    assert str(bucket) in storage.check()
    next(path for path in bucket.rglob("*") if path.is_file() and path.suffix != ".dir").unlink()
    with pytest.raises(ProjectError, match=r"data/raw/a is not in the storage, but here"):
        storage.check()


def test_locks_of_a_git_that_was_killed_are_no_hindrance(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "TIMEOUT", 0)
    (worktree,) = Path(".git/worktrees").iterdir()
    for lock in (worktree / "index.lock", worktree / "HEAD.lock", Path(".git/refs/heads/dvc-storage.lock")):
        lock.touch()
    save("b", "rows of b")
    assert storage.push().startswith("2 files")


def test_a_commit_goes_on_where_the_project_is_not_installed(first: Path) -> None:
    """An environment may be there without the project in it, as after `uv venv`; the commit says what was left out."""
    hooks.install()
    for environment in ("nowhere", "empty"):
        Path("empty", "bin").mkdir(parents=True, exist_ok=True)
        hook = subprocess.run(
            ["sh", ".git/hooks/pre-commit"],
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": environment},
            capture_output=True,
            encoding="utf-8",
        )
        assert hook.returncode == 0
        assert hook.stderr == "this commit was not searched for secrets: `uv sync` installs what does it\n"
