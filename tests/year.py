"""The sample's year, lived by a project on the GitHub of these tests: a feed that brings a month at a time."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from act.github import GitHub, github
from stored import take_out
from support import uv_run

MONTHS = range(4, 13)
"""Those that come after the project was made of the first three."""
BROKEN = 5
"""The month that also exists with the distances of a week in metres."""

WRITE_FEED = f"""
import sys
from mlops_template.data.sample import year
rows = year("late")
month = rows["departure"].dt.month
for number in range({MONTHS.start}, {MONTHS.stop}):
    rows[month == number].to_parquet(f"{{sys.argv[1]}}/{{number:02}}.parquet", index=False)
broken = rows[month == {BROKEN}].copy()
broken.loc[broken["departure"].dt.day <= 7, "distance"] *= 1609
broken.to_parquet(f"{{sys.argv[1]}}/broken.parquet", index=False)
"""
SCORE = """
import json, sys
from pathlib import Path
from sklearn.metrics import roc_auc_score
from mlops_template.data.sample import year
from mlops_template.training.artifact import load_model
rows = year("late")
month = rows["departure"].dt.month
def auc(model, number):
    chosen = rows[month == number]
    return roc_auc_score(chosen["late"], load_model(Path(model)).predict(chosen)["probability_1"])
frozen, serving = sys.argv[1], sys.argv[2:]
pairs = zip(map(int, serving[::2]), serving[1::2])
print(json.dumps([[auc(frozen, number), auc(model, number)] for number, model in pairs]))
"""
SMALL_TEST = '''\
"""The project's own tests are run elsewhere; this one fails when somebody asks for it."""

from pathlib import Path


def test_that_nobody_wants_to_fail() -> None:
    assert not Path("fault.txt").exists()
'''


@dataclass(frozen=True)
class Feed:
    """What the upstream system has delivered so far: a folder that the project's source reads."""

    kept: Path
    delivered: Path

    @classmethod
    def of(cls, project: Path, folder: Path) -> "Feed":
        """All months of the sample, none of them delivered."""
        feed = cls(folder / "kept", folder / "delivered")
        for part in (feed.kept, feed.delivered):
            part.mkdir(parents=True)
        uv_run(project, "python", "-c", WRITE_FEED, str(feed.kept))
        return feed

    def deliver(self, month: int, broken: bool = False) -> None:
        """A month is there; delivered again, it is replaced."""
        source = self.kept / ("broken.parquet" if broken else f"{month:02}.parquet")
        shutil.copy(source, self.delivered / f"{month:02}.parquet")


@contextmanager
def lived(project: Path, folder: Path, level: str) -> Iterator[tuple[GitHub, Feed]]:
    """A project of that level of automation on a GitHub, with its feed.

    A year passes in minutes, so retrainings may follow each other at once. The project's own tests are cut to a
    single one, which its workflows really run.
    """
    for name in ("github", "environments"):
        (folder / name).mkdir(parents=True)
    feed = Feed.of(project, folder / "feed")
    with github(folder / "github", project, folder / "environments") as hub:
        with hub.working_on("main", "A year in minutes") as clone:
            params = clone / "params.yaml"
            text = params.read_text(encoding="utf-8")
            for before, after in (
                ("source: sample", f'source: files\n  files: {{ paths: ["{feed.delivered}/*.parquet"] }}'),
                ("retrain:\n  automation: pull-request", f"retrain:\n  automation: {level}"),
                ("cool_down: 12 hours, per_week: 7", "cool_down: 0 hours, per_week: 100"),
            ):
                assert text.count(before) == 1, before
                text = text.replace(before, after)
            params.write_text(text, encoding="utf-8")
            shutil.rmtree(clone / "tests")
            (clone / "tests").mkdir()
            (clone / "tests" / "test_small.py").write_text(SMALL_TEST, encoding="utf-8")
        yield hub, feed
    shutil.rmtree(folder / "environments")


def decisions(hub: GitHub) -> list[dict[str, object]]:
    """The lines of the log of decisions."""
    return [json.loads(line) for line in hub.show("retrain-log", "decisions.jsonl").splitlines()]


@dataclass(frozen=True)
class Month:
    """What a month brought: the model that served it, and what came of the retraining on its rows."""

    number: int
    serving: str
    outcome: str


@dataclass(frozen=True)
class Scored:
    """The area under the ROC curve on the flights of a month: of the first model, and of the one that served."""

    number: int
    frozen: float
    serving: float
    outcome: str


def scores(hub: GitHub, project: Path, months: list[Month]) -> list[Scored]:
    """Score the first model and those that served, each on the flights of its month."""
    models = [take_out(hub, month.serving) for month in months]
    served = [part for month, model in zip(months, models, strict=True) for part in (str(month.number), str(model))]
    found = json.loads(uv_run(project, "python", "-c", SCORE, str(models[0]), *served).splitlines()[-1])
    return [Scored(month.number, *pair, month.outcome) for month, pair in zip(months, found, strict=True)]
