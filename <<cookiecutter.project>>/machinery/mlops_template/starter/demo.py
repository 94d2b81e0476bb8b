"""What the demo tells: the project's own commands in order, with the reason for each before it."""

import json
import shutil
import time
from calendar import month_name
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from ..data import sample
from ..data.contract import conform, load_contract
from ..errors import ProjectError
from ..evaluation.matchup import score
from ..settings import paths
from ..settings.params import Params, load_params
from ..settings.project import load_project
from ..training.artifact import load_model
from ..training.metrics import higher_is_better, metric_named
from .chart import Month, chart
from .scratch import WIDEST, Say, Scratch, scratch

BROKEN = 6
"""The month whose rows come wrong at first."""

KILOMETRES, TWICE = 1.609, 25
"""What is wrong with them: distances in another unit, and so many rows that come twice."""


def demo(months: int, keep: Path | None, say: Say, wait: Callable[[], object] = lambda: None) -> None:
    """Live through the sample's year until `months` have followed the first three, then go back by one.

    `wait` is called between the steps; what it takes is not counted. Raises ProjectError when the project is not about
    the sample feed any more.
    """
    params = load_params()
    if params.data.source != "sample":
        raise ProjectError(
            f"the demo tells of the sample feed, but data.source is {params.data.source} here: "
            "generate a fresh project from the template to see it"
        )
    began, pauses = time.monotonic(), list[float]()

    def pause() -> None:
        paused = time.monotonic()
        wait()
        pauses.append(time.monotonic() - paused)

    rows = conform(sample.year(params.columns.target), load_contract())
    say("Flights through a year, in a copy of this project. The project itself is not touched.")
    with scratch(keep, say) as there:
        Story(there, params, rows, pause).tell(months)
    minutes, seconds = divmod(round(time.monotonic() - began - sum(pauses)), 60)
    say(f"\nIt took {minutes} min {seconds} s. {ending(there, keep)}")


def ending(there: Scratch, keep: Path | None) -> str:
    """Where to go from here."""
    name = load_project().name
    if keep is None:
        return f"The copy is gone; `uv run {name} demo --keep DIR` leaves it to look round in."
    return f"To look round: `cd {there.project}`, then `uv run {name} status`, `report`, `lineage champion` or `ui`."


class Story:
    """Steps, numbered as they come, and what the models reached on the way."""

    def __init__(self, there: Scratch, params: Params, rows: pd.DataFrame, pause: Callable[[], None]) -> None:
        self.there, self.params, self.rows, self.pause = there, params, rows, pause
        self.steps = 0
        self.months: list[Month] = []
        self.first = there.feed.with_name("first")
        """The first champion, never retrained."""

    def tell(self, months: int) -> None:
        """From the first day to the chart."""
        self.begin()
        self.by_hand(sample.FIRST_MONTHS + 1)
        for month in range(sample.FIRST_MONTHS + 2, sample.FIRST_MONTHS + 1 + months):
            if month == BROKEN:
                self.refused(month)
            self.retrained(month)
        self.back()
        self.end()

    def step(self, title: str, why: str) -> None:
        """Begin the next step."""
        if self.steps:
            self.pause()
        self.steps += 1
        self.there.say(f"\n{self.steps}. {title}\n   {why}")

    def begin(self) -> None:
        """The first quarter and the first champion."""
        self.step(
            "The first day", "Three months of flights are there. Data, model and champion come under version control."
        )
        self.there.arrive("2013-01_2013-03", self.rows[self.rows["departure"].dt.month <= sample.FIRST_MONTHS])
        self.there.command("setup", table=False)
        shutil.copytree(self.there.project / paths.CHAMPION, self.first)

    def by_hand(self, month: int) -> None:
        """Each command of a retraining by itself."""
        name = month_name[month]
        self.step(
            f"{name} arrives", "Rows newer than the newest are taken in as one dated file, if they keep contract.yaml."
        )
        self.arrive(month)
        self.there.command("ingest")
        self.step(
            "Is there reason to retrain?",
            "More rows, an old champion, drifted columns, worse predictions: each alone is enough (params.yaml).",
        )
        self.there.command("retrain", "--decide")
        self.step(
            "A challenger",
            "Trained on all but the newest four weeks, on which it then meets the champion; neither has seen them.",
        )
        self.there.command("run")
        self.step(
            "The promotion",
            "The gates in params.yaml give the verdict. The champion is one line in git: a commit makes it real.",
        )
        self.promoted(name)

    def promoted(self, name: str) -> None:
        """Promote, where the verdict says so, and commit."""
        if self.verdict() == "promote":
            self.there.command("promote")
        else:
            self.there.say("     the champion stays, and the data moves on")
        self.there.commit(f"{name}: data, model and the record of the comparison")

    def retrained(self, month: int) -> None:
        """All of that in one command."""
        name = month_name[month]
        self.step(
            f"{name}, in one command", "What the schedule does on GitHub: ingest, decide, train, compare, promote."
        )
        self.arrive(month)
        self.there.command("retrain")
        self.there.commit(f"{name}: data, model and the record of the comparison")

    def refused(self, month: int) -> None:
        """Rows that break the contract."""
        name = month_name[month]
        self.step(
            f"{name} comes broken",
            f"Distances in kilometres, {TWICE} rows twice: the whole batch is refused, the champion serves on.",
        )
        rows = self.rows_of(month)
        wrong = rows.assign(distance=(rows["distance"] * KILOMETRES).round().astype("int64"))
        self.there.arrive(file_of(month), pd.concat([wrong, wrong.head(TWICE)]))
        self.there.command("ingest", fails=True)
        for line in (self.there.project / paths.REFUSED).read_text(encoding="utf-8").splitlines():
            if line.startswith("|"):
                self.there.say(f"     {line if len(line) < WIDEST else line[:WIDEST] + ' …'}")
        changed = self.there.git("status", "--porcelain")
        self.there.say(f"   $ git status --short\n     {changed or '(nothing: the data is as it was)'}")

    def back(self) -> None:
        """To the champion before the last one, if there was one."""
        pointer = paths.CHAMPION_POINTER.as_posix()
        last, *before = self.there.git("log", "--format=%h", "--", pointer).split()
        if not before:
            return
        now = self.champion()
        self.step("A way back", "Should the last champion disappoint, the line of the one before is taken from git.")
        self.there.git("checkout", f"{last}^", "--", pointer)
        self.there.say(f"   $ git checkout {last}^ -- {pointer}")
        self.there.command("pull")
        self.there.commit("Back to the champion before")
        self.there.say(f"     the champion was {now[:8]} and is {self.champion()[:8]}")
        self.step("It stays that way", "The next run of the schedule knows what was trained on these rows.")
        self.there.command("retrain")

    def end(self) -> None:
        """The chart."""
        self.step(
            "What it was good for",
            "Every month as it was predicted on its arrival, before any model had learned from it.",
        )
        primary = self.params.gates.primary
        for line in chart(self.months, primary, higher_is_better(primary)):
            self.there.say(f"   {line}")

    def arrive(self, month: int) -> None:
        """Let the feed have a month, and note what both models say of it."""
        rows = self.rows_of(month)
        self.there.arrive(file_of(month), rows)
        reached = [self.value(folder, rows) for folder in (self.there.project / paths.CHAMPION, self.first)]
        self.months.append(Month(month_name[month], *reached))

    def value(self, model: Path, rows: pd.DataFrame) -> float:
        """The primary metric of a model on some rows."""
        scored = score(load_model(model), rows, self.params, "champion")
        return metric_named(self.params.gates.primary, scored).value(scored)

    def rows_of(self, month: int) -> pd.DataFrame:
        """The flights of a month."""
        chosen: pd.DataFrame = self.rows[self.rows["departure"].dt.month == month]
        return chosen

    def verdict(self) -> str:
        """Of the last comparison."""
        record = json.loads((self.there.project / paths.COMPARISON).read_text(encoding="utf-8"))
        return str(record["verdict"])

    def champion(self) -> str:
        """The digest of the champion."""
        pointer = YAML(typ="safe").load(self.there.project / paths.CHAMPION_POINTER)
        return str(pointer["outs"][0]["md5"])


def file_of(month: int) -> str:
    """The name of a month's file in the feed."""
    return f"2013-{month:02}"
