"""The stage `validate`: every partition against the contract as it is now, ids unique over all of them."""

import json

import numpy as np
import pandas as pd

from .. import paths
from ..errors import ProjectError
from ..params import load_params
from ..stage import run_stage
from . import partitions
from .contract import check, conform, load_contract


def main() -> None:
    """Check `data/raw` and write `reports/validation.json`. Raises ProjectError when a rule is broken."""
    params, contract = load_params(), load_contract()
    time, id_column = params.columns.time, params.columns.id
    described, broken, hashes = [], [], []
    for part in partitions.files():
        rows = conform(partitions.read(only=[part]), contract)
        first, last = (rows[time].min().isoformat(), rows[time].max().isoformat()) if time else (None, None)
        described.append({"name": part.name, "rows": len(rows), "first": first, "last": last})
        broken += [
            f"{part.name}: {found.column} {found.rule} ({found.rows:,} rows, such as {found.examples})"
            for found in check(rows, contract, id_column)
        ]
        hashes.append(pd.util.hash_array(rows[id_column].to_numpy(dtype=object)))
    if not described:
        raise ProjectError(f"{paths.RAW} holds no data: `ingest` brings it, `pull` fetches what this commit points to")
    ids = np.concatenate(hashes)
    if len(np.unique(ids)) < len(ids):
        broken.append(f"{id_column} is unique over all partitions ({len(ids) - len(np.unique(ids)):,} rows)")
    if broken:
        raise ProjectError(
            f"the data breaks contract.yaml: {'; '.join(broken)}. Mend the rule, or the data with `ingest`"
        )
    paths.REPORTS.mkdir(exist_ok=True)
    report = {"rows": len(ids), "partitions": described}
    paths.VALIDATION.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8", newline="\n")
    print(f"validated {len(ids):,} rows in {len(described)} partitions")


if __name__ == "__main__":
    run_stage(main)
