"""`setup` leaves one commit where it can, and takes nothing of the user's into it where it cannot."""

import shutil
import sys
from pathlib import Path

import pytest
from mlops_template import cli
from mlops_template.commands import app
from mlops_template.champion import status
from mlops_template.integrations.git import git
from mlops_template.starter import setup

PYPROJECT = Path(__file__).parent / "data" / "pyproject.toml"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository without a commit, on a machine where git knows no author."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    shutil.copy(PYPROJECT, "pyproject.toml")
    setup.create_repository()


def commit_all(message: str) -> None:
    """A commit of somebody else's."""
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", message)


def train() -> None:
    """Stands for what the steps before the commit leave."""
    Path("dvc.lock").write_text("schema: '2.0'\n")


def history() -> list[str]:
    """The subjects of all commits, the newest first."""
    return git("log", "--format=%s").splitlines()


def test_the_first_commit_is_the_only_one_and_is_on_main() -> None:
    train()
    setup.commit()
    assert len(history()) == 1
    assert git("branch", "--show-current") == "main"
    assert not git("status", "--porcelain")


def test_the_author_of_the_project_signs_where_git_knows_none() -> None:
    author = setup.load_project()
    setup.commit()
    assert git("log", "-1", "--format=%an %ae") == f"{author.author} {author.email}"


def test_the_commit_of_an_unfinished_project_is_replaced() -> None:
    commit_all(setup.UNFINISHED)
    train()
    setup.commit()
    assert len(history()) == 1
    assert history() != [setup.UNFINISHED]
    assert not git("status", "--porcelain")


def test_what_may_be_shared_is_not_replaced() -> None:
    commit_all(setup.UNFINISHED)
    git("remote", "add", "origin", "https://example.com/project.git")
    train()
    setup.commit()
    assert history()[1:] == [setup.UNFINISHED]
    assert not git("status", "--porcelain")


def test_work_of_the_user_stays_uncommitted() -> None:
    commit_all("My work")
    Path("notes.md").write_text("half an idea")
    train()
    setup.commit()
    assert history()[1:] == ["My work"]
    assert git("status", "--porcelain") == "?? notes.md"


def test_again_nothing_is_committed() -> None:
    train()
    setup.commit()
    before = git("rev-parse", "HEAD")
    setup.commit()
    assert git("rev-parse", "HEAD") == before


def test_a_step_that_is_done_is_left_out_and_a_failure_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the next time it goes on there."""
    done: list[str] = []
    broken = [True]

    def second() -> None:
        if broken.pop():
            raise KeyboardInterrupt
        done.append("second")

    steps = (
        setup.Step("one", lambda: done.append("first"), lambda: "first" in done),
        setup.Step("two", second, lambda: "second" in done),
    )
    monkeypatch.setattr(setup, "STEPS", steps)
    monkeypatch.setattr(setup, "show_result", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        setup.setup()
    broken.append(False)
    setup.setup()
    assert done == ["first", "second"]
    assert "[1/2] one: there already\n[2/2] two\n" in capsys.readouterr().out


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "status", interrupt)
    monkeypatch.setattr(app, "project_root", lambda start: Path())
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)  # pytest is to be interrupted as before
    monkeypatch.setattr(sys, "argv", ["project", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "interrupted" in capsys.readouterr().err
