"""Planted streams: days of a world with seasons, weeks and weather, in which something goes wrong on a known day.

uv run python benchmarks/streams.py [SEEDS]: plays each kind of fault, and none, over so many seeds (200) of a year of
reference and a year of production, judged as `monitor` does. It prints the table of docs/monitoring.md of a project.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from mlops_template.monitor.detect import detect
from mlops_template.monitor.figures import DRAWS
from mlops_template.monitor.judge import Reference, Rows, figures_of, learn, tally
from mlops_template.training.scored import Scored

YEAR, ROWS = 365, 200
BEGIN = 30
"""The day of production on which something goes wrong."""

COLUMNS = ["heat", "load", "price", "age", "region", "channel"]


def world(seed: int, first: int, days: int, seasons: bool = True) -> tuple[pd.DataFrame, np.ndarray]:
    """(rows, the day of each). Every column has its way to vary: by season, by day, by week, or not at all."""
    random = np.random.default_rng([seed, first])
    rows = random.poisson(ROWS * (1 - 0.4 * ((np.arange(days) + first) % 7 >= 5)))
    day = np.repeat(np.arange(days), rows)
    season = np.sin(2 * np.pi * (np.arange(days) + first) / YEAR) * seasons
    weather = np.zeros(days)
    for number in range(1, days):
        weather[number] = 0.7 * weather[number - 1] + random.normal(0, 0.7)
    n = len(day)
    heat = 10 * season[day] + 2 * weather[day] + random.normal(0, 3, n)
    load = 0.5 * heat + random.gamma(2, 2, n)
    price = np.exp(random.normal(3, 0.5, n) + 0.05 * random.normal(0, 1, days)[day])
    age = np.clip(random.normal(40, 12, n), 18, 90).round()
    region = random.choice(["north", "south", "east", "west"], n, p=[0.4, 0.3, 0.2, 0.1])
    channel = np.where(random.random(n) < 0.2 + 0.3 * (age < 35), "app", "web")
    table = pd.DataFrame({"heat": heat, "load": load, "price": price, "age": age, "region": region, "channel": channel})
    return table, day


def chance(table: pd.DataFrame) -> np.ndarray:
    """The true probability of the target, which the model knows."""
    logit = 0.05 * table["heat"] + 0.1 * table["load"] - 0.02 * table["price"] + (table["channel"] == "app") - 0.5
    return np.asarray(1 / (1 + np.exp(-logit)))


def auc(scored: Scored) -> float:
    """The area under the ROC curve by ranks, since that of scikit-learn takes a hundred times as long on few rows."""
    positive = scored.truth.sum()
    pairs = positive * (len(scored.truth) - positive)
    if not pairs:
        return float("nan")
    ranks = np.argsort(np.argsort(scored.prediction, kind="stable"), kind="stable") + 1
    return float((ranks[scored.truth == 1].sum() - positive * (positive + 1) / 2) / pairs)


def rows_of(
    table: pd.DataFrame, day: np.ndarray, days: int, seed: int, truth: np.ndarray | None = None
) -> tuple[Rows, Scored]:
    """What is monitored of the rows: columns, prediction, log loss and ROC AUC; and predictions with outcomes."""
    predicted = chance(table.fillna(table.median(numeric_only=True)))
    happened = np.random.default_rng([seed, days, 1]).random(len(table)) < (predicted if truth is None else truth)
    loss = -np.log(np.where(happened, predicted, 1 - predicted))
    scored = Scored("binary", happened.astype(int), predicted)
    metric = np.array([-auc(scored[day == number]) for number in range(days)])
    return Rows(table, day, days, pd.DataFrame({"prediction": predicted}), loss, metric), scored


def learned(table: pd.DataFrame, day: np.ndarray, days: int, seed: int) -> Reference:
    """What is usual."""
    rows, scored = rows_of(table, day, days, seed)
    of_days = [scored[day == number] for number in range(days)]

    def metric_of_days(size: int) -> np.ndarray:
        random = np.random.default_rng(0)
        return np.array(
            [[-auc(one[random.integers(0, len(one.truth), size)]) for _ in range(DRAWS)] for one in of_days]
        )

    return learn(rows, {}, metric_of_days=metric_of_days, margin=0.01)


Fault = Callable[[pd.DataFrame, np.ndarray, np.random.Generator], pd.DataFrame]


def since(day: np.ndarray) -> np.ndarray:
    """Whether rows came after something went wrong."""
    return day >= BEGIN


def gradual(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table.assign(age=table["age"] + 12 * np.clip((day - BEGIN) / 90, 0, 1))


def sudden(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table.assign(price=np.where(since(day), table["price"] * 1.35, table["price"]))


def stuck(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table.assign(load=np.where(since(day), table["load"].median(), table["load"]))


def unit(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table.assign(heat=np.where(since(day), table["heat"] * 1.8 + 32, table["heat"]))


def category(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table.assign(region=table["region"].where(~(since(day) & (random.random(len(table)) < 0.05)), "centre"))


def missing(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    share = 0.15 * np.clip((day - BEGIN) / 30, 0, 1)
    return table.assign(price=table["price"].where(random.random(len(table)) >= share))


def shuffled(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    values = table["age"].to_numpy().copy()
    for number in np.unique(day[since(day)]):
        values[day == number] = random.permutation(values[day == number])
    return table.assign(age=values)


def nothing(table: pd.DataFrame, day: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    return table


FAULTS: dict[str, Fault] = {
    "nothing, seasons as in the reference": nothing,
    "a sudden shift: a price 35 % higher": sudden,
    "a gradual shift: one standard deviation in 90 days": gradual,
    "a column stuck at one value": stuck,
    "a unit changed: Celsius to Fahrenheit": unit,
    "a new category in 5 % of the rows": category,
    "missing values rising to 15 % in 30 days": missing,
    "a join that shuffles a column": shuffled,
    "the concept: the probability halved, inputs unchanged": nothing,
}


SHORT = "nothing, no seasons, a reference of 90 days"


def play(seed: int) -> dict[str, list[tuple[int, list[str]]]]:
    """By fault, the alarms of a year: day, and the columns that it blames."""
    found = {}
    table, day = world(seed, 0, 90, seasons=False)
    reference = learned(table, day, 90, seed)
    table, day = world(seed + 100_000, YEAR, YEAR, seasons=False)
    found[SHORT] = alarms_of(reference, rows_of(table, day, YEAR, seed)[0])
    table, day = world(seed, 0, YEAR)
    reference = learned(table, day, YEAR, seed)
    table, day = world(seed + 100_000, YEAR, YEAR)
    for name, fault in FAULTS.items():
        random = np.random.default_rng(seed)
        changed = fault(table, day, random)
        truth = np.where(since(day), 0.5, 1.0) * chance(table) if name.startswith("the concept") else None
        found[name] = alarms_of(reference, rows_of(changed, day, YEAR, seed, truth)[0])
    return found


def alarms_of(reference: Reference, rows: Rows) -> list[tuple[int, list[str]]]:
    """Day and blamed figures of each alarm, where one false one a year is allowed."""
    figures = figures_of(reference, tally(reference, rows))
    weights = np.array([figure.weight for figure in figures])
    p, evidence = (np.column_stack([getattr(figure, name) for figure in figures]) for name in ("p", "evidence"))
    alarms, _ = detect(p, evidence, weights, 1.0)
    return [(alarm.day, [figures[place].name for place in alarm.blamed]) for alarm in alarms]


def main() -> None:
    """Play all seeds and print the table."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with ProcessPoolExecutor(2) as pool:
        played = list(pool.map(play, range(seeds)))
    print(f"{seeds} seeds of {YEAR} days with about {ROWS} rows each; something goes wrong on day {BEGIN}.\n")
    print("| what goes wrong | noticed within 90 days | day, median (90 %) | rows, median | blamed first |")
    print("|---|---|---|---|---|")
    for name in (SHORT, *FAULTS):
        alarms = [one[name] for one in played]
        if name.startswith("nothing"):
            calm = f"{sum(map(len, alarms)) / seeds:.2f} false alarms a year"
            blamed = named(alarm[1][0] for one in alarms for alarm in one)
            print(f"| {name} | {calm} | | | {blamed} |")
            continue
        first = [next((alarm for alarm in one if alarm[0] >= BEGIN), (10**6, [""])) for one in alarms]
        days = np.array([alarm[0] - BEGIN + 1 for alarm in first])
        caught, middle, most = (days <= 90).mean(), np.median(days), np.quantile(days, 0.9)
        blamed = named(alarm[1][0] for alarm in first if alarm[1][0])
        print(f"| {name} | {caught:.1%} | {middle:.0f} ({most:.0f}) | {middle * ROWS * 6.2 / 7:,.0f} | {blamed} |")


def named(figures: Iterable[str]) -> str:
    """The most frequent ones."""
    return ", ".join(f"{name} ({count})" for name, count in Counter(figures).most_common(2))


if __name__ == "__main__":
    main()
