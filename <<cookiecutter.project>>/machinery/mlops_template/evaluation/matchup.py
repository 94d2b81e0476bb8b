"""Champion and challenger on the same held-out rows: which rows these are, and what each predicts for them.

A champion that cannot be loaded or scored here is compared by the predictions stored when it was evaluated; where too
few of these are of the held-out rows, only its metrics are known.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ProjectError
from ..settings import paths
from ..settings.params import Params
from ..training.artifact import Model, load_model
from ..training.card import load_card
from ..training.scored import Scored, as_scored
from ..training.trained_rows import trained_rows
from .comparison import ChampionSource, Evaluation, StoredEvaluation
from .evaluate import baseline

MIN_ROWS = 20
"""Unseen rows without which nothing is compared."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Matchup:
    """Both models and the held-out rows, with masks over them."""

    params: Params
    challenger: Model
    holdout: pd.DataFrame
    seen: Mask
    """What the challenger was trained on: nothing, it should be."""
    compared: Mask
    """What both are compared on: neither was trained on it."""
    directory: Path | None = None
    """That of the champion, None where the trivial baseline takes its place."""
    seen_by_champion: Mask | None = None
    """What the champion was trained on; None where nothing is known of it."""
    unknown: Mask | None = None
    """Of which rows it is not known whether the champion was trained on them; they are not compared."""
    champion: Model | None = None
    theirs: Scored | None = None
    """What the champion predicts for the rows that are compared."""
    champion_source: ChampionSource = "model"
    note: str | None = None
    """Why the champion was not compared by its model."""
    metrics: dict[str, Any] | None = None
    """Of the champion's own evaluation, where nothing else is known of it."""

    @property
    def rows(self) -> pd.DataFrame:
        """The rows that are compared."""
        return self.holdout[self.compared].reset_index(drop=True)

    @cached_property
    def own(self) -> pd.DataFrame:
        """The rows that the challenger has not seen."""
        return self.holdout[~self.seen].reset_index(drop=True)

    @cached_property
    def ours(self) -> Scored:
        """What the challenger predicts for its own rows."""
        return score(self.challenger, self.own, self.params, "challenger")

    @cached_property
    def trivial(self) -> Scored:
        """What the trivial baseline predicts for them."""
        guess, card = baseline(self.own, self.challenger.classes, self.params), self.challenger.card
        truth, threshold = self.own[self.params.columns.target], self.challenger.threshold
        return as_scored(truth, guess, self.challenger.classes, card["positive"], threshold, self.own)

    def class_named(self, index: int | None) -> str:
        """The name of a class of `Scored.truth`."""
        classes, positive = self.challenger.classes or [], self.challenger.card["positive"]
        if self.ours.kind == "binary":
            return str(next(name for name in classes if (name == positive) == bool(index)))
        return str(classes[index or 0])

    def predictions(self) -> tuple[Scored, Scored] | None:
        """What the challenger and its opponent predict for the rows that are compared.

        None where these are too few, or only metrics are known. Raises ProjectError when the predictions are of
        different kinds.
        """
        if self.compared.sum() < MIN_ROWS or self.champion_source == "metrics only":
            return None
        among = self.compared[~self.seen]
        ours, theirs = self.ours[among], self.theirs or self.trivial[among]
        if ours.kind != theirs.kind:
            raise ProjectError(
                f"the champion's task is {theirs.kind} and the challenger's {ours.kind}, which "
                "cannot be compared: start over with `git rm models/champion.dvc`, commit, and `compare`"
            )
        return ours, theirs


def prepare_matchup(params: Params, champion: Path | None, kept: StoredEvaluation = Evaluation) -> Matchup:
    """The challenger, the champion that lies in a directory (None: the baseline), and the rows to compare them on.

    `kept` gives what is known of the champion's evaluation, and is asked only where its model does not predict.
    """
    challenger, holdout = load_model(paths.CHALLENGER), pd.read_parquet(paths.HOLDOUT)
    seen = trained_rows(paths.CHALLENGER).seen(holdout[params.columns.id])
    alone = Matchup(params, challenger, holdout, seen, compared=~seen)
    if champion is None:
        return alone
    try:
        return by_model(alone, champion)
    except Exception as error:  # whatever comes of a file that is damaged or made by other libraries
        fault = one_line(error).replace(str(champion), paths.CHAMPION.as_posix())
    return by_stored_evaluation(replace(alone, directory=champion), fault, kept())


def by_model(alone: Matchup, directory: Path) -> Matchup:
    """The champion predicts the rows itself, unless it was asked something else than the challenger."""
    params, champion = alone.params, load_model(directory)
    if (champion.card["task"], champion.card["target"]) != (params.task, params.columns.target):
        print(f"the champion predicts another target ({champion.card['target']}): the baseline takes its place")
        return alone
    matchup = replace(unseen_by_champion(alone, directory), directory=directory, champion=champion)
    if matchup.compared.sum() < MIN_ROWS:
        return matchup
    return replace(matchup, theirs=score(champion, matchup.rows, params, "champion", alone.challenger.card["positive"]))


def by_stored_evaluation(alone: Matchup, fault: str, kept: Evaluation) -> Matchup:
    """The champion is compared by its stored predictions or, where they do not serve, by its metrics."""
    if kept.predictions is None:
        return by_metrics(alone, fault, "its predictions are not stored", kept)
    try:
        matchup = by_predictions(alone, kept.predictions)
    except Exception as error:  # they may be as damaged as the model
        return by_metrics(alone, fault, f"its stored predictions do not serve ({one_line(error)})", kept)
    count = int(matchup.compared.sum())
    if count < MIN_ROWS:
        return by_metrics(alone, fault, f"its predictions share {count} rows with the holdout, not {MIN_ROWS}", kept)
    basis = f"compared with the champion's stored predictions, on {count:,} of {len(alone.holdout):,} held-out rows"
    return replace(
        matchup,
        champion_source="stored predictions",
        note=f"{basis}, since the model cannot be loaded or scored: {fault}",
    )


def by_metrics(alone: Matchup, fault: str, lack: str, kept: Evaluation) -> Matchup:
    """Nothing is known of the champion but its metrics."""
    note = f"only the champion's metrics are known, since the model cannot be loaded or scored and {lack}: {fault}"
    return replace(alone, champion_source="metrics only", note=note, metrics=kept.metrics)


def by_predictions(alone: Matchup, file: Path) -> Matchup:
    """The champion is compared on the rows that it predicted when it was evaluated and that neither has seen."""
    params, directory = alone.params, alone.directory or paths.CHAMPION
    card, stored = load_card(directory), pd.read_parquet(file)
    ids = params.columns.id
    unseen = unseen_by_champion(alone, directory)
    matchup = replace(unseen, compared=unseen.compared & alone.holdout[ids].isin(stored[ids]).to_numpy())
    predictions = stored.drop_duplicates(ids).set_index(ids).loc[matchup.rows[ids]].reset_index(drop=True)
    classes = card["classes"]
    names = ["prediction"] if classes is None else [f"probability_{name}" for name in classes]
    positive = same_positive(card, alone.challenger.card["positive"])
    truth = matchup.rows[params.columns.target]
    theirs = as_scored(truth, predictions[names], classes, positive, card["threshold"], matchup.rows)
    return replace(matchup, theirs=theirs)


def unseen_by_champion(alone: Matchup, directory: Path) -> Matchup:
    """The match on the rows that the champion of a directory is known not to be trained on, by their ids."""
    ids, trained_on = alone.holdout[alone.params.columns.id], trained_rows(directory)
    seen, unknown = trained_on.seen(ids), trained_on.unknown(ids)
    return replace(alone, seen_by_champion=seen, unknown=unknown, compared=alone.compared & ~seen & ~unknown)


def score(model: Model, rows: pd.DataFrame, params: Params, who: str, positive: Any = None) -> Scored:
    """A model's predictions for the rows, beside their truth."""
    missing = [name for name in model.request if name not in rows]
    if missing:
        raise ProjectError(
            f"the data no longer has {', '.join(missing)}, which the {who} takes: bring it back, or leave it out "
            "of `columns` in params.yaml and `run`"
        )
    positive = same_positive(model.card, positive)
    return as_scored(rows[params.columns.target], model.predict(rows), model.classes, positive, model.threshold, rows)


def same_positive(card: dict[str, Any], positive: Any) -> Any:
    """The class whose probability is scored: for both models the same, if both know it."""
    return positive if positive in (card["classes"] or ()) else card["positive"]


def one_line(error: Exception) -> str:
    """What an error says, with its type where that is not one of ours."""
    said = " ".join(str(error).split())
    return said if isinstance(error, ProjectError) else f"{type(error).__name__}: {said}"
