"""A retraining on a laptop, from fresh rows to the verdict: what the workflow spreads over its jobs."""

from collections.abc import Callable, Sequence

from ..champion.decision import Signal
from ..champion.ingestion import ingest
from ..champion.opponent import compare_with_champion
from ..champion.promote import promote
from ..champion.stages import train
from ..doctor.checklist import renew_badge
from ..settings import paths
from ..settings.params import Params
from .decide import decide, record, record_outcome


def retrain(params: Params, force: str, production: Sequence[Signal], say: Callable[[object], None]) -> None:
    """Take in what is fresh, decide and, if there is reason, train, compare and promote. Nothing is committed.

    `force`, where given, is why it is to be done whatever speaks against it, `production` what is known from there.
    Raises ProjectError where a batch is refused or a stage fails; to call it again goes on.
    """
    say(ingest())
    decision = decide(params, force, production)
    say(decision)
    record(decision, params)
    if not decision.retrain:
        return
    say(train())
    comparison = compare_with_champion(params, "HEAD")
    renew_badge()
    if comparison is None:
        record_outcome("unchanged", "the challenger is the champion")
        say("the challenger is the champion: nothing to promote")
        return
    say(f"verdict: {comparison.verdict}")
    for reason in comparison.reasons:
        say(f"  {reason}")
    if comparison.verdict == "promote":
        say(promote(params))
    record_outcome({"promote": "promoted", "keep": "kept", "fail": "failed"}[comparison.verdict], "on this machine")
    if comparison.verdict == "fail":
        pointer = paths.RAW_POINTER.as_posix()
        say(f"nothing of it should be committed: `git checkout -- {pointer} reports dvc.lock`, then `pull`")
    else:
        say("next: `git add --all`, `git commit`, `git push`")
