"""Whether to retrain: what speaks for it, held against what speaks for waiting."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import pandas as pd

from ..champion.decision import Decision, Signal
from ..champion.opponent import champion_digest, model_directory
from ..errors import ProjectError
from ..integrations import actions, dvc, git
from ..integrations.revisions import pipeline_digests, text_digest
from ..render.json_file import write_json
from ..settings import paths
from ..settings.operation import Budget
from ..settings.params import Params
from ..storage import storage
from . import decision_log
from .decision_log import Log
from .signals import Signals, measure

INPUTS = ("params.yaml", "contract.yaml", "dvc.yaml", "dvc.lock", "uv.lock", "models", "src", "machinery", "tests")
"""What a result depends on beside the data: where none of it changed, the same data comes to the same end."""


@dataclass(frozen=True)
class Situation:
    """The data that is held and everything else a result depends on, by their digests."""

    data: str
    inputs: str
    trained: bool
    """Whether the last training was on this data."""


def decide(params: Params, force: str = "", production: Sequence[Signal] = ()) -> Decision:
    """Look at the rows held and at what was decided before. Nothing is written.

    `force`, where given, is why it is to be done whatever speaks against it; `production` is what is known from there.
    Raises ProjectError when there is no data.
    """
    state = situation()
    if not paths.RAW.is_dir():
        storage.pull(paths.RAW)
    champion = champion_digest("HEAD")
    if champion is None:
        measured = Signals(0, 0, None, [Signal("champion", True, "there is none yet")])
    else:
        with model_directory(champion, "HEAD") as directory:
            measured = measure(params, directory)
    signals = [*measured.signals, *production]
    against = [] if force else held_back(state, measured, recall(), params.retrain.budget, decision_log.now())
    why = [f"{signal.reason}: {signal.figure}" for signal in signals if signal.given]
    why = [f"forced: {force}", *why] if force else why
    return Decision(
        at=decision_log.now().isoformat(),
        retrain=bool(why) and not against,
        why=why,
        against=against,
        signals=signals,
        newest=None if measured.newest is None else f"{measured.newest:%Y-%m-%d}",
        rows=measured.rows,
        new_rows=measured.new_rows,
        data=state.data,
        inputs=state.inputs,
    )


def situation() -> Situation:
    """What a training now would start from. Raises ProjectError when there is no data."""
    data = dvc.output_digest(paths.RAW_POINTER)
    if data is None:
        raise ProjectError(f"{paths.RAW} holds no data: `ingest` brings it, `setup` a fresh project's")
    return Situation(data, inputs_digest("HEAD"), pipeline_digests("HEAD").get(paths.RAW.as_posix()) == data)


def inputs_digest(revision: str) -> str:
    """One digest of everything that a result depends on at a revision, beside the data."""
    return text_digest(git.git("ls-tree", "-r", revision, "--", *INPUTS))


def held_back(state: Situation, measured: Signals, history: Log, budget: Budget, now: datetime) -> list[str]:
    """What speaks against retraining now, though there may be reason to."""
    against = []
    if state.trained:
        against.append("the data is that of the last training")
    tried = history.outcome(state.data, state.inputs)
    if tried:
        against.append(f"this was tried on {tried['at'][:10]}, with the outcome: {tried['outcome']}")
    if measured.rows and measured.new_rows < budget.min_new_rows:
        against.append(
            f"{measured.new_rows:,} more rows to train on are too few (min_new_rows: {budget.min_new_rows:,})"
        )
    last = history.last_outcome()
    if last and now - last < pd.Timedelta(budget.cool_down):
        against.append(f"the last retraining ended at {last:%Y-%m-%d %H:%M} UTC (cool_down: {budget.cool_down})")
    lately = history.attempts(since=now - timedelta(days=7))
    if len(lately) >= budget.per_week:
        against.append(f"there were {len(lately)} retrainings in seven days (per_week: {budget.per_week})")
    return against


def record(decision: Decision, params: Params) -> None:
    """Keep a decision: in the log and, where it is to retrain, with the results that follow from it."""
    if decision.retrain:
        write_json(paths.DECISION, asdict(decision))
    keep(asdict(decision))
    actions.output("retrain", str(decision.retrain).lower())
    actions.output("automation", params.retrain.automation)
    actions.summary(f"**{decision.sentence}**\n")


def record_outcome(outcome: str, detail: str) -> None:
    """Keep what came of the decision that lies with the results."""
    made = json.loads(paths.DECISION.read_text(encoding="utf-8"))
    identity = {name: made[name] for name in ("data", "inputs", "newest")}
    keep({"at": decision_log.now().isoformat(), "outcome": outcome, "detail": detail, **identity})


def recall() -> Log:
    """What was decided before; on a laptop that cannot reach origin, say that it is not known."""
    try:
        return decision_log.load()
    except git.GitError as error:
        if actions.running():
            raise
        print(f"decided without the branch {decision_log.BRANCH}: {error}", flush=True)
        return Log([])


def keep(entry: decision_log.Entry) -> None:
    """Add to the log; on a laptop that cannot reach origin, say that it was not."""
    try:
        decision_log.add(entry | {"run": actions.run_address()})
    except git.GitError as error:
        if actions.running():
            raise
        print(f"not added to the branch {decision_log.BRANCH}: {error}", flush=True)
