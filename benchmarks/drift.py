"""Measures the drift of columns beside Evidently 0.7, which has an environment of its own.

uv run python benchmarks/drift.py [ROWS …]: for each number of rows (100,000 and 10,000,000) of 20 columns, how long the
distances, PSI, missing and new values of all columns take beside Evidently's report of the same two tables. Then the
false alarms of both at their defaults, on the streams of `streams.py` in which nothing goes wrong.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streams
from mlops_template.data.drift import index_of
from mlops_template.monitor.bins import bins_of
from mlops_template.monitor.figures import Pools, nearest

RIVAL = Path(__file__).parent / "rivals" / "evidently_drift.py"
RIVALS = ["evidently==0.7.*", "pandas<3", "pyarrow"]
SIZES = [100_000, 10_000_000]
NUMBERS, CATEGORIES = 14, 6
DAYS = 60
"""Of the reference, in which `monitor` looks for the stretch that is nearest."""
SEEDS = 5


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers of several shapes, and categories, with gaps."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for number in range(NUMBERS):
        values = random.gamma(2, 2, rows) if number % 2 else random.normal(number, 1 + number, rows)
        columns[f"n{number}"] = np.where(random.random(rows) < 0.01, np.nan, values)
    for number in range(CATEGORIES):
        columns[f"c{number}"] = pd.Categorical.from_codes(
            random.integers(0, 5 + 3 * number, rows), list("abcdefghijklmnopqrst")[: 5 + 3 * number]
        )
    return pd.DataFrame(columns).astype({f"c{number}": "str" for number in range(CATEGORIES)})


def distances(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """By column what `monitor` shows of it: distance, PSI, shares of missing and of new values."""
    day, pools = np.arange(len(reference)) * DAYS // len(reference), Pools.over(DAYS)
    found = {}
    for name in reference:
        bins = bins_of(reference[name])
        usual = bins.by_block(reference[name], day, DAYS)
        counts = np.bincount(bins.places(current[name]), minlength=bins.count)
        far = nearest(counts[None] / counts.sum(), pools.of(usual))[0]
        psi = index_of(usual.sum(axis=0), counts)[0]
        found[str(name)] = (float(far), psi, counts[-1] / counts.sum(), counts[-2] / counts.sum())
    return found


def ours(reference: str, current: str) -> dict[str, float]:
    """The seconds and the most memory of this process, which should do nothing else."""
    tables = pd.read_parquet(reference), pd.read_parquet(current)
    begun = time.perf_counter()
    found = distances(*tables)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "columns": len(found),
    }


def told(command: list[str]) -> dict[str, float]:
    """The line of JSON that a program ends with."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print both tables."""
    if sys.argv[1:2] == ["ours"]:
        print(json.dumps(ours(*sys.argv[2:4])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = str(folder / "env/bin/python")
        subprocess.run(["uv", "venv", "-q", str(folder / "env")], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", python, *RIVALS], check=True)
        files = [str(folder / f"{name}.parquet") for name in ("reference", "current")]
        print("| rows of each table, 20 columns | this | Evidently 0.7 | ratio of the time |\n|---|---|---|---|")
        for rows in map(int, sys.argv[1:] or SIZES):
            for seed, file in enumerate(files):
                table(rows, seed).to_parquet(file)
            mine = told([sys.executable, __file__, "ours", *files])
            theirs = told([python, str(RIVAL), *files])
            assert mine["columns"] == theirs["columns"] == NUMBERS + CATEGORIES
            cells = [f"{one['seconds']:.1f} s, {one['megabytes']:,.0f} MB" for one in (mine, theirs)]
            print(f"| {rows:,} | {' | '.join(cells)} | {mine['seconds'] / theirs['seconds']:.2f} |", flush=True)
        print("\n| a year in which nothing goes wrong, a report a week | flagged |\n|---|---|")
        alarms, counted = 0, {"blocks": 0.0, "columns": 0.0, "tables": 0.0}
        for seed in range(SEEDS):
            usual, day = streams.world(seed, 0, streams.YEAR)
            reference = streams.learned(usual, day, streams.YEAR, seed)
            now, day = streams.world(seed + 100_000, streams.YEAR, streams.YEAR)
            alarms += len(streams.alarms_of(reference, streams.rows_of(now, day, streams.YEAR, seed)[0]))
            usual.to_parquet(files[0])
            now.assign(week=day // 7).to_parquet(files[1])
            for name, value in told([python, str(RIVAL), *files, "week"]).items():
                counted[name] += value
        print(f"| this, at most one false alarm a year allowed | {alarms / SEEDS:.1f} alarms a year |")
        print(
            f"| Evidently, at its defaults | a column in {counted['columns'] / counted['blocks']:.0%} of the reports, "
            f"the table in {counted['tables'] / counted['blocks']:.0%} |"
        )


if __name__ == "__main__":
    main()
