"""All that a report tells, gathered once: the comparison, both models' predictions, and what changed since the base."""

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..champion.decision import Decision, decided
from ..champion.model_card import search_table
from ..champion.opponent import challenger_digest, champion_digest, evaluation, opponent
from ..champion.stages import differs
from ..errors import ProjectError
from ..evaluation.comparison import Comparison, digest_of, load_comparison
from ..evaluation.doubts import Importance, doubts, load_alternatives, load_importance
from ..evaluation.matchup import prepare_matchup
from ..integrations import actions, dvc, git
from ..integrations.revisions import commit_of_result
from ..render.cells import Table
from ..settings import paths
from ..settings.params import Params
from ..settings.project import load_project
from ..training.card import load_card
from ..training.metrics import higher_is_better
from ..training.scored import Scored
from . import changes
from .changes import Change, DataChange, Stage


@dataclass(frozen=True)
class Facts:
    """What `report` tells, in Markdown and as a page, of the working tree against the revision `base`."""

    project: str
    params: Params
    base: str
    challenger: str
    champion: str | None
    """That of the base."""
    comparison: Comparison | None
    """None where the model is that of the base."""
    scored: tuple[Scored, Scored] | None
    """The challenger's and its opponent's predictions for the same rows; None where these are too few or not known."""
    parameters: list[Change]
    libraries: list[Change]
    data: DataChange | None
    stages: list[Stage]
    code: str
    decision: Decision | None = None
    """To retrain, where this change follows from one."""
    serving: dict[str, Any] | None = None
    """What is to serve the challenger, where `evaluate` told."""
    importance: Importance = field(default_factory=dict)
    """What the primary metric loses without each column."""
    alternatives: dict[str, Any] = field(default_factory=dict)
    """Other models on the holdout, as `evaluate` tells of them."""
    doubts: list[str] = field(default_factory=list)
    """What speaks against the challenger whatever the gates say."""
    search: list[dict[str, Any]] = field(default_factory=list)
    """The candidates that the challenger was chosen from, as its card has them."""
    champion_commit: str | None = None
    """The commit whose pipeline made the champion, where the base holds the result of a later one."""
    commit: str = ""
    """The commit that is reported and its author; empty where that is not known."""
    promoted: bool = False
    """Whether the challenger is the champion of this change already."""

    @property
    def base_name(self) -> str:
        """The base as one would say it: a commit by its first digits."""
        return self.base[:8] if re.fullmatch("[0-9a-f]{40}", self.base) else self.base

    @property
    def changed(self) -> bool:
        """Whether anything differs from the base."""
        return bool(self.parameters or self.libraries or self.data or self.code)

    def candidates(self) -> Table:
        """The candidates with their scores, the best first."""
        primary = self.params.gates.primary
        return search_table(self.search, primary, higher_is_better(primary))


def gather(params: Params, base: str) -> Facts:
    """The facts. Raises ProjectError when the comparison with the champion of `base` was not made yet."""
    project, base = load_project().name, git.known(base)
    challenger, champion = challenger_digest(), champion_digest(base)
    comparison = scored = None
    if challenger != champion and (git.head() is None or differs(base)):
        with opponent(champion, base) as directory:
            comparison = load_comparison()
            if comparison is None or comparison.inputs != digest_of(challenger, champion, params):
                other = "none was made" if comparison is None else "the last was of other models, rows or settings"
                raise ProjectError(
                    f"challenger and champion of {base} were not compared ({other}): "
                    f"`uv run {project} compare --base {base}` first"
                )
            matchup = prepare_matchup(params, directory, partial(evaluation, champion, base))
            scored = matchup.predictions() if matchup.champion_source == comparison.champion_source else None
    importance, alternatives = load_importance(), load_alternatives()
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8")) if paths.METRICS.is_file() else {}
    return Facts(
        project=project,
        params=params,
        base=base,
        challenger=challenger,
        champion=champion,
        comparison=comparison,
        scored=scored,
        parameters=changes.parameters(base),
        libraries=changes.libraries(base),
        data=changes.data(base, params),
        stages=changes.stages(base),
        code=changes.code(base),
        decision=decided(base),
        serving=json.loads(paths.SERVING.read_text(encoding="utf-8")) if paths.SERVING.is_file() else None,
        importance=importance,
        alternatives=alternatives,
        doubts=doubts(metrics, importance, alternatives),
        commit=reported_commit(base),
        promoted=challenger == dvc.output_digest(paths.CHAMPION_POINTER),
        search=load_card(paths.CHALLENGER)["search"] if paths.CHALLENGER.is_dir() else [],
        champion_commit=earlier_commit(champion, base),
    )


def reported_commit(base: str) -> str:
    """The commit that a person made, with its author; empty where the change is in none yet.

    What a job checks out may be its merge into the base branch.
    """
    merged = git.git_or_none("rev-parse", "--verify", "--quiet", "HEAD^2") if actions.running() else None
    commit = merged or git.head()
    if commit is None or commit == git.git_or_none("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"):
        return ""
    return git.git("log", "-1", "--format=%h by %an", commit)


def earlier_commit(champion: str | None, base: str) -> str | None:
    """The commit that made the champion, where that is not the result that the base holds."""
    if champion is None or git.head() is None or dvc.output_digest(paths.CHALLENGER, base) == champion:
        return None
    return commit_of_result(champion, base)
