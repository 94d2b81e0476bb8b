"""At which of Google's levels of MLOps a project is, by what is set in it, and what the next one asks."""

import re
from pathlib import Path

from ..integrations import git
from ..settings.params import Params

RETRAIN = Path(".github/workflows/retrain.yml")
PRODUCTION = "deploy.environments.production in params.yaml"


def level(params: Params) -> str:
    """The level, and what it lacks for the next.

    0: everything is done by hand. 1: the pipeline retrains by itself on a schedule. 2: what passes is tested, merged or
    proposed, and rolled out to servers by itself. See docs/levels.md.
    """
    missing = lacks_for_1(params)
    if missing:
        return f"0 of 2, by hand: for 1 {missing}"
    missing = lacks_for_2(params)
    if missing:
        return f"1 of 2, it retrains by itself: for 2 {missing}"
    return "2 of 2: it retrains and is rolled out by itself"


def lacks_for_1(params: Params) -> str:
    """What keeps it from retraining by itself, empty where nothing does."""
    if not git.has_origin():
        return "push it to GitHub, where the workflows run"
    if params.retrain.automation == "manual":
        return "set retrain.automation in params.yaml"
    if not RETRAIN.is_file() or not re.search(r"^  schedule:", RETRAIN.read_text(encoding="utf-8"), re.MULTILINE):
        return f"{RETRAIN.as_posix()} needs a schedule"
    return ""


def lacks_for_2(params: Params) -> str:
    """What keeps it from being rolled out by itself, empty where nothing does."""
    if params.deploy.target == "image":
        return "`update --answer deploy=swarm`, or kubernetes"
    if params.deploy.environments.production.server is None:
        return f"name a server under {PRODUCTION}"
    return ""
