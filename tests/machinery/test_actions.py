"""What a workflow learns from a command, and that a laptop sees nothing of it."""

from pathlib import Path

import pytest
from mlops_template.integrations import actions
from mlops_template.tracking.track import track_if_possible


def test_outputs_and_summaries_are_added_to_the_files_that_the_runner_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    outputs.write_text("known=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    actions.output("changed", "true")
    actions.summary("## Verdict")
    assert outputs.read_text() == "known=1\nchanged=true\n"
    assert summary.read_text() == "## Verdict\n"


def test_an_error_stands_on_the_page_of_the_run_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    actions.error("100 %\nof it")
    assert capsys.readouterr().out == "::error::100 %25%0Aof it\n"


def test_on_a_laptop_nothing_is_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for variable in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(variable, raising=False)
    actions.output("changed", "true")
    actions.summary("## Verdict")
    actions.error("lost")
    assert capsys.readouterr().out == ""


def test_a_job_fills_no_store_that_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert track_if_possible().startswith("not tracked")
