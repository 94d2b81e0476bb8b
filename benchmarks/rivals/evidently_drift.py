"""Evidently's drift report at its defaults: python evidently_drift.py REFERENCE.parquet CURRENT.parquet [BLOCK].

Prints the seconds and the most memory that the report of the whole took or, with the name of a column of block numbers,
how many reports of single blocks flag a column, and how many the table. Needs evidently 0.7 and pandas<3.
"""

import json
import resource
import sys
import time
import warnings
from typing import Any

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

DEFAULT_SHARE = 0.5
"""Of drifted columns, from which on the table counts as drifted."""


def report(current: pd.DataFrame, reference: pd.DataFrame) -> list[dict[str, Any]]:
    """The metrics of one."""
    return Report([DataDriftPreset()]).run(current_data=current, reference_data=reference).dict()["metrics"]


def main() -> None:
    """One line of JSON."""
    warnings.simplefilter("ignore")
    reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
    if len(sys.argv) == 3:
        begun = time.perf_counter()
        metrics = report(current, reference)
        seconds = time.perf_counter() - begun
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "megabytes": megabytes, "columns": len(metrics) - 1}))
        return
    block = current.pop(sys.argv[3])
    columns = tables = 0
    for number in sorted(block.unique()):
        counted = next(one for one in report(current[block == number], reference) if "count" in str(one["value"]))
        columns += counted["value"]["count"] > 0
        tables += counted["value"]["share"] >= DEFAULT_SHARE
    print(json.dumps({"blocks": int(block.nunique()), "columns": int(columns), "tables": int(tables)}))


if __name__ == "__main__":
    main()
