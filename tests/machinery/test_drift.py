"""A column that moved is found, one that did not is left alone, whatever its type."""

import numpy as np
import pandas as pd
import pytest
from mlops_template.data.drift import MISSING, OTHER, drift

RANDOM = np.random.default_rng(0)


def numbers(rows: int = 2000, mean: float = 0.0) -> pd.Series:
    """A bell curve."""
    return pd.Series(RANDOM.normal(mean, 1, rows), name="x")


def test_the_index_is_that_of_the_formula() -> None:
    """Sum of (new - old) * log(new / old) over the bins: 30 and 70 of a hundred against 50 and 50."""
    found = drift(pd.Series(["a"] * 3000 + ["b"] * 7000), pd.Series(["a"] * 5000 + ["b"] * 5000))
    assert found.index == pytest.approx(0.2 * np.log(5 / 3) - 0.2 * np.log(5 / 7), abs=1e-3)
    assert found.before == [0.7, 0.3] and found.after == [0.5, 0.5]


def test_a_category_is_told_by_what_moved_most_a_number_by_its_median() -> None:
    found = drift(pd.Series(["a", "b", "c", "c"] * 25), pd.Series(["a", "a", "b", "b", "c"] * 20))
    assert found.typical == ("c: 50.0%", "c: 20.0%")
    assert drift(pd.Series(range(101)), pd.Series(range(50, 151))).typical == ("median 50", "median 100")


def test_what_moved_is_found_and_chance_is_not() -> None:
    assert drift(numbers(), numbers(mean=1)).moved
    assert not drift(numbers(), numbers()).moved


def test_a_handful_of_rows_proves_nothing() -> None:
    """Ten bins of twelve rows differ by far more than 0.1, by chance alone."""
    found = [drift(numbers(), numbers(rows=12)) for _ in range(50)]
    assert sum(one.index > 0.1 for one in found) > 40
    assert sum(one.moved for one in found) < 10


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (range(100), range(50, 150), "number"),
        ([1, 2, 3] * 50, [3, 3, 2] * 50, "category"),
        ([True, False] * 50, [True] * 100, "category"),
        (["a", "b"] * 50, ["b", "c"] * 50, "category"),
        (pd.date_range("2024-01-01", periods=100), pd.date_range("2025-01-01", periods=100), "date"),
        ([7.0] * 100, [8.0] * 100, "category"),
        ([1.5, None] * 50, [None, None, None, 1.5] * 25, "category"),
        ([None] * 100, ["a"] * 100, "category"),
        ([None] * 100, [float(number) for number in range(100)], "category"),
        (["1", "2"] * 50, range(100), "category"),
    ],
)
def test_every_type_of_column_is_compared(before: list, after: list, kind: str) -> None:
    found = drift(pd.Series(before, name="x"), pd.Series(after, name="x"))
    assert (found.kind, found.moved) == (kind, True)
    assert len(found.before) == len(found.after) == len(found.bins) - (kind != "category")
    for side in (found.before, found.after):
        assert sum(side) == pytest.approx(1, abs=1e-4)


def test_absent_values_are_a_bin_of_their_own() -> None:
    full, half = numbers(), numbers().where(pd.Series(range(2000)) % 2 == 0)
    found = drift(full, half)
    assert found.moved and found.missing == (0.0, 0.5)
    assert drift(full.map(str), half.map(str, na_action="ignore")).bins[-1] == MISSING


def test_rare_categories_are_summed_up() -> None:
    many = pd.Series([f"c{number}" for number in range(100)] * 10)
    found = drift(many, many)
    assert found.bins[-1] == OTHER and found.index == 0 and not found.moved
    assert sum(found.before) == pytest.approx(1, abs=1e-4)
