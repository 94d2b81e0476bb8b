"""What docs/monitoring.md of a project promises of alarms, on planted streams: see benchmarks/streams.py."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import streams

pytestmark = pytest.mark.slow

SEEDS = int(os.environ.get("STREAM_SEEDS", "16"))
"""Of a year each; the table of docs/monitoring.md is of 200."""


@cache
def played() -> list[dict[str, list[tuple[int, list[str]]]]]:
    """By seed and fault, the alarms: day, and the columns that they blame."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(streams.play, range(SEEDS)))


@pytest.mark.parametrize("calm", [streams.SHORT, "nothing, seasons as in the reference"])
def test_of_a_year_in_which_nothing_goes_wrong_at_most_one_alarm(calm: str) -> None:
    """In the mean, as `false_per_year: 1` says."""
    assert sum(len(one[calm]) for one in played()) <= SEEDS


@pytest.mark.parametrize("fault", [name for name in streams.FAULTS if not name.startswith("nothing")])
def test_what_goes_wrong_is_noticed_within_90_days(fault: str) -> None:
    """In each of the years, and not before."""
    for one in played():
        days = [day - streams.BEGIN for day, _ in one[fault]]
        assert any(0 <= day < 90 for day in days), days


@pytest.mark.parametrize(
    ("fault", "figure"),
    [
        ("a sudden shift: a price 35 % higher", "the distribution of price"),
        ("a unit changed: Celsius to Fahrenheit", "values never seen before of heat"),
        ("a new category in 5 % of the rows", "values never seen before of region"),
        ("missing values rising to 15 % in 30 days", "missing values of price"),
        ("a join that shuffles a column", "how channel fits the other columns"),
        ("the concept: the probability halved, inputs unchanged", "the loss"),
    ],
)
def test_what_went_wrong_is_blamed_first(fault: str, figure: str) -> None:
    """In nine of ten years at least: an alarm of something else may come first."""
    first = [next(blamed[0] for day, blamed in one[fault] if day >= streams.BEGIN) for one in played()]
    assert first.count(figure) >= 0.9 * SEEDS, first
