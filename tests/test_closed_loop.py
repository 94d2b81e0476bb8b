"""The loop that closes: production gets worse, it is noticed, the model is retrained, and production is well again."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from production import ask, months

from stored import champion
from support import cli, clone_of, git
from year import decisions, lived

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Loop:
    """What happened."""

    issues: list[str]
    """The titles of the issues, the first one first."""
    reason: str
    """What the retraining was started for."""
    outcome: str
    """Of the retraining."""
    spring: str
    """How the first champion did in production, as `monitor` shows it."""
    summer: str
    """How the second one did."""
    compared: str
    """The first one beside the second, on the same requests of summer."""
    closed: str
    """The last words of the issue."""


def live(project: Path, folder: Path) -> Loop:
    """Spring with the champion of winter, a retraining for what was noticed, summer with the next champion."""
    log, scratch = folder / "predictions.db", folder / "service"
    scratch.mkdir(parents=True)
    with lived(project, folder / "lived", "automatic") as (hub, feed):
        hub.secrets["PREDICTIONS"] = str(log)
        clone = clone_of(hub.origin.as_uri(), folder, project.name)
        ask(clone, log, months("2013-04-01", "2013-06-01"), scratch)
        spring = cli(clone, "monitor", "--log", str(log))
        for month in (4, 5):
            feed.deliver(month)

        looked = hub.dispatch("monitor.yml")
        assert looked.results["production"] == "success", looked.log
        issues = hub.issues()
        assert issues
        [started] = hub.state["dispatches"]
        assert started["workflow"] == "retrain.yml"
        reason = started["inputs"]["production"]
        [cause] = [one for one in issues if "retrained" in {label["name"] for label in one["labels"]}]

        before = champion(hub)
        retrained = hub.dispatch("retrain.yml", production=reason)
        assert retrained.conclusion == "success", retrained.log
        assert champion(hub) != before, retrained.log
        decided = [one for one in decisions(hub) if one.get("retrain")]
        assert f"production: {reason}" in decided[-1]["why"]

        git(clone, "pull", "--quiet")
        cli(clone, "pull")
        params = clone / "params.yaml"
        text = params.read_text(encoding="utf-8")
        params.write_text(text.replace("shadow: null", "shadow: 1"), encoding="utf-8")
        ask(clone, log, months("2013-06-01", "2013-06-22"), scratch)
        summer = cli(clone, "monitor", "--log", str(log))
        compared = cli(clone, "compare", "--live", "--log", str(log))

        again = hub.dispatch("monitor.yml")
        assert again.results["production"] == "success", again.log
        numbers = {issue["number"] for issue in hub.issues()}
        assert not numbers & {issue["number"] for issue in issues}, "they are over"
        return Loop(
            issues=[issue["title"] for issue in issues],
            reason=reason,
            outcome=str(decisions(hub)[-1]["outcome"]),
            spring=spring,
            summer=summer,
            compared=compared,
            closed=hub.comments(cause["number"])[-1].splitlines()[0],
        )


def test_what_became_worse_is_noticed_mended_and_told_to_be_over(project: Path, tmp_path: Path) -> None:
    """Nobody does anything in between; the champion of before, beside the new one, is worse on the same flights."""
    loop = live(project, tmp_path)
    print(json.dumps(loop.__dict__, indent=1, ensure_ascii=False))
    assert loop.closed.startswith("Over, as champion 2 does in production")
    found = re.search(r"roc_auc +(\S+) +(\S+) +(\S+) ", loop.compared)
    assert found, loop.compared
    new, old = float(found[1]), float(found[2])
    assert new > old, loop.compared
