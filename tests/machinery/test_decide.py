"""Reason enough is not always enough: what holds a retraining back, and that every decision is kept."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.integrations.git import GitError, git
from mlops_template.retrain import decision_log
from mlops_template.champion.decision import Decision
from mlops_template.retrain.decide import Situation, held_back, recall
from mlops_template.retrain.decision_log import Entry, Log
from mlops_template.retrain.signals import Signals
from mlops_template.settings.operation import Budget

from .conftest import Clone

NOW = datetime(2024, 5, 15, 12, tzinfo=UTC)
BUDGET = Budget(min_new_rows=100, cool_down="6 hours", per_week=2)
FRESH = Situation(data="d2", inputs="i1", trained=False)


def against(*entries: Entry, found: Situation = FRESH, new_rows: int = 500) -> list[str]:
    """What speaks against retraining after these."""
    measured = Signals(rows=1000, new_rows=new_rows, newest=pd.Timestamp("2024-05-14"), signals=[])
    return held_back(found, measured, Log(list(entries)), BUDGET, NOW)


def decision(hours: float, retrain: bool = True, data: str = "d1") -> Entry:
    """One of so many hours ago."""
    at = (NOW - timedelta(hours=hours)).isoformat()
    return {"at": at, "retrain": retrain, "why": [], "against": [], "data": data, "inputs": "i1"}


def outcome(hours: float, data: str = "d1", inputs: str = "i1") -> Entry:
    """What came of one, so many hours ago."""
    at = (NOW - timedelta(hours=hours)).isoformat()
    return {"at": at, "outcome": "kept", "detail": "", "data": data, "inputs": inputs}


def test_nothing_holds_the_first_one_back() -> None:
    assert against() == []


def test_data_that_was_trained_on_is_not_trained_on_again() -> None:
    assert against(found=Situation("d1", "i1", trained=True)) == ["the data is that of the last training"]


def test_what_was_tried_is_not_tried_again_until_something_changes() -> None:
    tried = (decision(50, data="d2"), outcome(49, data="d2"))
    assert against(*tried) == ["this was tried on 2024-05-13, with the outcome: kept"]
    assert against(*tried, found=Situation("d3", "i1", trained=False)) == []
    assert against(*tried, found=Situation("d2", "i2", trained=False)) == []


def test_what_died_is_tried_again_at_once() -> None:
    """It has no outcome."""
    assert against(decision(1, data="d2")) == []


def test_few_new_rows_are_waited_for() -> None:
    assert against(new_rows=99) == ["99 more rows to train on are too few (min_new_rows: 100)"]
    assert against(new_rows=100) == []


def test_after_a_retraining_comes_a_pause() -> None:
    assert "cool_down: 6 hours" in against(decision(6), outcome(5.9))[0]
    assert against(decision(6.2), outcome(6.1)) == []


def test_so_many_in_a_week_are_enough() -> None:
    """A decision against one does not count."""
    assert against(decision(160), decision(30)) == ["there were 2 retrainings in seven days (per_week: 2)"]
    assert against(decision(169), decision(30)) == []
    assert against(decision(100, retrain=False), decision(30)) == []


def test_a_decision_reads_as_a_sentence() -> None:
    def said(*why: str, against: tuple[str, ...] = ()) -> str:
        retrain = bool(why) and not against
        return Decision("", retrain, list(why), list(against), [], None, 0, 0, "", "").sentence

    assert said("age: 61 days") == "retrain: age: 61 days"
    assert said("age: 61 days", against=("too few rows",)) == "do not retrain: age: 61 days, but too few rows"
    assert said(against=("too few rows", "a pause")) == (
        "do not retrain: nothing speaks for it, and too few rows; a pause"
    )


def test_every_decision_is_kept_at_origin_and_no_branch_of_anybody_moves(
    first: Path, origin: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a shallow clone as from any other, the oldest first, and as a page to be read."""
    before = git("for-each-ref", "refs/heads", cwd=origin)
    decision_log.add(decision(3, retrain=False))
    monkeypatch.chdir(clone("job", "--depth=1"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "robot")
    decision_log.add(decision(2))
    decision_log.add(outcome(1))
    assert decision_log.load().entries == [decision(3, retrain=False), decision(2), outcome(1)]
    assert git("show", "retrain-log:README.md", cwd=origin).count("| 2024-05-15") == 3
    assert git("log", "--format=%s", "retrain-log", cwd=origin).splitlines() == [
        "Outcome: kept",
        "Decision: retrain",
        "Decision: do not retrain",
    ]
    after = git("for-each-ref", "refs/heads", cwd=origin).splitlines()
    assert "\n".join(line for line in after if "retrain-log" not in line) == before


def test_two_at_once_are_both_kept(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is faster between looking and pushing."""
    decision_log.add(decision(3))
    other, tips = clone("other"), decision_log.tip
    monkeypatch.setattr(decision_log.time, "sleep", lambda seconds: None)

    def tip() -> str | None:
        found = tips()
        if not os.environ.get("HURRIED"):
            monkeypatch.setenv("HURRIED", "yes")
            with monkeypatch.context() as elsewhere:
                elsewhere.chdir(other)
                decision_log.add(decision(2, data="theirs"))
        return found

    monkeypatch.setattr(decision_log, "tip", tip)
    decision_log.add(decision(1, data="ours"))
    assert [entry["data"] for entry in decision_log.load().entries] == ["d1", "theirs", "ours"]


def test_without_an_origin_the_log_is_here(first: Path) -> None:
    git("remote", "remove", "origin")
    assert decision_log.load().entries == []
    decision_log.add(decision(1))
    assert decision_log.load().entries == [decision(1)]
    assert json.loads(git("show", "retrain-log:decisions.jsonl"))["retrain"] is True


def test_a_laptop_that_cannot_reach_origin_decides_all_the_same(
    first: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job does not: what it does not remember it would do again."""
    git("remote", "set-url", "origin", "nowhere")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert recall().entries == []
    assert capsys.readouterr().out.startswith("decided without the branch retrain-log: ")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(GitError):
        recall()
