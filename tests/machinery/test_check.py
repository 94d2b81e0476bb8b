"""`check` runs everything that `test.yml` asks for, and ends with what failed."""

from pathlib import Path

import pytest
from mlops_template.doctor import check
from mlops_template.errors import ProjectError


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of linters and tests: Python itself, which ends as it is told."""
    monkeypatch.chdir(tmp_path)
    code = "from pathlib import Path; Path('{name}').touch(); raise SystemExit({status})"
    monkeypatch.setattr(
        check,
        "CHECKS",
        {
            name: ["python", "-c", code.format(name=name, status=status)]
            for name, status in {"one": 0, "two": 1, "three": 0, "four": 2}.items()
        },
    )


def test_all_run_whatever_fails_and_the_error_names_the_ones_that_did(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ProjectError, match=r"^two, four failed, .* then `uv run python .* && uv run python ") as failed:
        check.check(said.append)
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "three", "four"}
    assert [line.partition(" after")[0] for line in said if " after" in line] == [
        "one: passed",
        "two: FAILED",
        "three: passed",
        "four: FAILED",
    ]
    assert "\n" not in str(failed.value)


def test_the_types_are_checked_beside_the_others_and_told_last(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other's file: one after the other, the first would fail."""
    wait = "import pathlib, time; pathlib.Path('{own}').touch(); print('{own}', flush=True)\n"
    wait += "for _ in range(400): pathlib.Path('{other}').exists() and exit(); time.sleep(0.05)\n"
    wait += "exit(1)"
    commands = {name: wait.format(own=name, other=other) for name, other in (("tests", "types"), ("types", "tests"))}
    monkeypatch.setattr(check, "CHECKS", {name: ["python", "-c", code] for name, code in commands.items()})
    assert check.check(lambda line: None) == "all 2 checks passed"
    assert capfd.readouterr().out.split() == ["tests", "types"]


def test_where_nothing_fails_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHECKS", {"one": ["python", "-c", ""]})
    assert check.check(print) == "all 1 checks passed"


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHECKS", {"one": ["no-such-linter"]})
    with pytest.raises(ProjectError, match="no-such-linter is not installed here: `uv sync`"):
        check.check(print)
