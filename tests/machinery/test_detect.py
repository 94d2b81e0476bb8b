"""Alarms come when something has changed, and hardly ever else: in the mean no more than was asked for."""

import numpy as np
import pandas as pd
import pytest
from mlops_template.monitor.bins import bins_of, rarities
from mlops_template.monitor.detect import Alarm, detect, e_values, p_values
from mlops_template.monitor.figures import Means, Pools, drift_figure, judged, mean_figure, nearest, share_figure, usual_distance
from mlops_template.monitor.relations import relations, with_shuffled


def alarms_of(p: np.ndarray, weights: np.ndarray, allowed: float) -> list[Alarm]:
    """Where the reference is known without error."""
    evidence = e_values(p, 1e9)
    return detect(p, evidence, weights, allowed)[0]


def test_no_more_alarms_than_allowed_whatever_the_number_of_figures() -> None:
    """200 years in which nothing changes, for one figure and for a hundred."""
    random = np.random.default_rng(0)
    for figures in (1, 100):
        weights = np.full(figures, 1 / figures)
        for allowed in (1.0, 4.0):
            years = 200 if figures == 1 else 60
            found = [len(alarms_of(random.random((365, figures)), weights, allowed)) for _ in range(years)]
            assert np.mean(found) <= allowed, (figures, allowed)


def test_the_mean_of_an_e_value_is_at_most_one() -> None:
    p = np.random.default_rng(0).random(1_000_000)
    assert e_values(p, 1e9).mean() < 1.02
    assert e_values(p, 30).mean() < 1
    assert e_values(np.array([np.nan]), 30).tolist() == [1.0], "a day that cannot be judged says nothing"


def test_one_figure_of_a_hundred_that_changed_is_found_and_blamed() -> None:
    p = np.random.default_rng(1).random((365, 100))
    p[200:260, 42] *= 0.02
    alarms, level = detect(p, e_values(p, 1e9), np.full(100, 0.01), 1.0)
    [alarm] = [one for one in alarms if one.blamed[0] == 42]
    assert 200 < alarm.day < 215
    assert alarm.over is not None
    assert 260 <= alarm.over < 275
    assert level[alarm.day] >= 1


def test_what_lasts_is_told_once() -> None:
    """And is not over; the days of it raise no second alarm."""
    p = np.random.default_rng(2).random((365, 3))
    p[100:, 1] = 0.001
    alarms = alarms_of(p, np.full(3, 1 / 3), 1.0)
    assert [(alarm.blamed, alarm.over) for alarm in alarms] == [([1], None)]


def test_p_values_are_those_of_ranks_and_of_a_tail_beyond_them() -> None:
    reference = np.arange(100) / 100
    p = p_values(np.array([0.0, 0.5, 0.95, 2.0, np.nan]), reference, 0.01)
    assert p[0] == 1.0
    assert p[1] == pytest.approx(0.505, abs=0.01)
    assert 0.02 < p[2] < 0.1
    assert p[3] < 1e-5, "a hundred days reach no such value by rank"
    assert np.isnan(p[4])


def test_a_reference_that_hardly_varies_makes_no_alarm_of_next_to_nothing() -> None:
    assert p_values(np.array([0.001]), np.zeros(100), 0.005)[0] > 0.05
    assert p_values(np.array([0.2]), np.zeros(100), 0.005)[0] < 1e-6


def test_the_fewer_days_of_reference_the_less_is_believed_of_them() -> None:
    few, many = (e_values(np.array([0.001]), days)[0] for days in (10, 400))
    assert many > 2 * few


def test_a_week_of_unusual_weather_is_not_seven_reasons() -> None:
    """Days that follow one another are alike: what a day says that the one before did not, counts."""
    random = np.random.default_rng(0)

    def weather(days: int) -> np.ndarray:
        found = np.zeros(days)
        for day in range(1, days):
            found[day] = 0.8 * found[day - 1] + random.normal()
        return found

    counts = []
    for _ in range(40):
        reference = np.repeat(weather(365)[:, None], 5, axis=1)
        rows = np.full(365, 500)
        figure = judged("x", "drift", "x", weather(365), rows, lambda size, known=reference: known, 0.01)
        counts.append(len(detect(figure.p[:, None], figure.evidence[:, None], np.array([1.0]), 1.0)[0]))
    assert np.mean(counts) < 1


def days_of(values: np.ndarray, days: int) -> np.ndarray:
    """The day of each value, in equal shares."""
    return np.repeat(np.arange(days), len(values) // days)


def test_a_season_that_was_seen_is_usual_and_one_that_was_not_is_not() -> None:
    """A summer is unlike the mean of a year, but like the summer before."""
    random = np.random.default_rng(0)
    season = 10 * np.sin(2 * np.pi * np.arange(365) / 365)
    year = pd.Series((season[:, None] + random.normal(0, 3, (365, 200))).ravel(), name="heat")
    bins = bins_of(year)
    counts = bins.by_block(year, days_of(year, 365), 365)
    summer = pd.Series((season[60:120, None] + random.normal(0, 3, (60, 200))).ravel())
    after = bins.by_block(summer, days_of(summer, 60), 60)
    whole = drift_figure("heat", "drift", counts, after, Pools.over(365))
    winter = drift_figure("heat", "drift", counts[182:], after, Pools.over(183))
    assert np.median(whole.p) > 0.2
    assert np.median(winter.p) < 0.03


def test_fewer_rows_are_farther_off_by_chance_and_that_is_reckoned_with() -> None:
    random = np.random.default_rng(0)
    year = pd.Series(random.normal(size=100_000), name="x")
    bins = bins_of(year)
    counts = bins.by_block(year, days_of(year, 100), 100)
    few = pd.Series(random.normal(size=50 * 40))
    figure = drift_figure("x", "drift", counts, bins.by_block(few, days_of(few, 50), 50), Pools.over(100))
    assert np.median(figure.values) > 3 * usual_distance(counts, Pools.over(100), 1)
    assert 0.3 < np.median(figure.p) < 0.9


def test_bins_tell_new_and_missing_values_from_others() -> None:
    numbers = bins_of(pd.Series(np.arange(1000.0), name="x"))
    assert numbers.places(pd.Series([-1.0, 0.0, 999.0, 1000.0, np.nan])).tolist() == [
        numbers.count - 2,
        0,
        9,
        numbers.count - 2,
        numbers.count - 1,
    ]
    names = bins_of(pd.Series([f"c{place}" for place in range(50) for _ in range(100 - place)], name="x"))
    places = names.places(pd.Series(["c0", "c49", "other", None]))
    assert places.tolist() == [0, 30, names.count - 2, names.count - 1]
    few = bins_of(pd.Series([1.0, 2.0, 3.0] * 5, name="x"))
    assert few.places(pd.Series([1.0, 2.0, 3.0])).tolist() == [0, 1, 2]


def test_the_ends_of_the_reference_are_new_to_its_other_days() -> None:
    """Else every new maximum of production would be unheard of, though each year has some."""
    values = pd.Series([1.0, 5.0, 2.0, 3.0, 9.0, 8.0, np.nan, 2.0], name="x")
    day = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    assert rarities(bins_of(values), values, day, 4).tolist() == [1, 0, 2, 0]
    texts = pd.Series(["a", "b", "a", "c", "c", None, "a", "d"], name="x")
    assert rarities(bins_of(texts), texts, day, 4).tolist() == [1, 0, 0, 1]


def test_rare_values_and_losses_are_judged_by_how_they_vary_from_day_to_day() -> None:
    random = np.random.default_rng(0)
    rows = np.full(100, 500)
    missing = random.binomial(500, random.uniform(0, 0.02, 100))
    usual = share_figure("missing", "x", missing, rows, np.full(20, 8), np.full(20, 500))
    worse = share_figure("missing", "x", missing, rows, np.full(20, 50), np.full(20, 500))
    assert usual.p.min() > 0.1
    assert worse.p.max() < 0.005
    block = np.repeat(np.arange(60), 300)
    loss = random.gamma(2, 1, 18_000) + random.normal(0, 0.2, 60)[block]
    reference = Means.of(loss, block, 60)
    after = Means.of(random.gamma(2, 1, 1000) + np.repeat([0.0, 1.5], 500), np.repeat([0, 1], 500), 2)
    figure = mean_figure("the loss", "performance", "", reference, after, 0.02)
    assert figure.p[0] > 0.05
    assert figure.p[1] < 0.001


def test_a_day_with_hardly_a_row_is_not_judged() -> None:
    figure = share_figure("missing", "x", np.zeros(50), np.full(50, 500), np.array([5, 5]), np.array([10, 500]))
    assert np.isnan(figure.p[0]) and figure.evidence[0] == 1.0
    assert np.isnan(figure.values[0])
    assert figure.p[1] < 1


def test_too_few_days_of_reference_judge_nothing() -> None:
    figure = share_figure("missing", "x", np.zeros(10), np.full(10, 500), np.array([400]), np.array([500]))
    assert figure.evidence.tolist() == [1.0]


def test_a_column_that_was_shuffled_fits_no_longer() -> None:
    """Though its own distribution is the same; one that has to do with no other is not judged."""
    random = np.random.default_rng(0)
    first = random.integers(0, 10, 6000)
    places = np.column_stack([first, (first + random.integers(0, 3, 6000)) % 10, random.integers(0, 5, 6000)])
    for categorical in ([False] * 3, [True] * 3):
        found = relations(places, categorical, np.repeat(np.arange(60), 100), 60)
        assert [relation.column for relation in found] == [0, 1]
        mixed = with_shuffled(places, 1, random)
        assert found[1].of(mixed).mean() > found[1].of(places).mean() + found[1].scale


def test_the_nearest_pool_counts() -> None:
    assert nearest(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [0.75, 0.25]])).tolist() == [0.25]
    assert Pools.over(100).last.max() == 100
    assert Pools.over(10).last.tolist() == [10]
