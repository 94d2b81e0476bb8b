"""The level that a project has, and what the next one asks."""

from pathlib import Path

import pytest
from mlops_template.champion.level import RETRAIN, level
from mlops_template.integrations.git import git
from mlops_template.settings.operation import Deploy, Retrain
from mlops_template.settings.params import Params

SERVER = {"server": "ssh://me@example.com", "url": "https://example.com"}


def params(automation: str = "pull-request", **deploy: object) -> Params:
    """As far as the level depends on them."""
    retrain = Retrain.model_validate({"automation": automation})
    return Params.model_construct(retrain=retrain, deploy=Deploy.model_validate(deploy))


def test_each_level_asks_what_the_next_one_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    assert level(params()) == "0 of 2, by hand: for 1 push it to GitHub, where the workflows run"
    git("remote", "add", "origin", "https://github.com/o/p")
    assert "for 1 set retrain.automation" in level(params("manual"))
    assert level(params()).endswith("retrain.yml needs a schedule")
    RETRAIN.parent.mkdir(parents=True)
    RETRAIN.write_text("on:\n  workflow_dispatch:\n")
    assert level(params()).endswith("retrain.yml needs a schedule")
    RETRAIN.write_text('on:\n  schedule:\n    - cron: "1 1 * * *"\n')
    assert level(params()) == "1 of 2, it retrains by itself: for 2 `update --answer deploy=swarm`, or kubernetes"
    assert level(params(target="swarm")).endswith("name a server under deploy.environments.production in params.yaml")
    assert level(params("automatic", target="kubernetes", environments={"production": SERVER})).startswith("2 of 2")
