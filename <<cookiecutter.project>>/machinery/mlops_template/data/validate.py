"""The stage `validate`: every partition against the contract as it is now, ids unique over all of them."""

from dataclasses import replace
from typing import Any

import pandas as pd

from ..console.progress import progress
from ..console.stage import run_stage
from ..errors import ProjectError
from ..render.json_file import write_json
from ..settings import paths
from ..settings.params import load_params
from . import partitions
from .contract import Contract, Violation, check, conform, load_contract, refuse_gaps
from .refusal import write_refusal
from .uniqueness import not_unique


def main() -> None:
    """Check `data/raw` and write `reports/validation.json`. Raises ProjectError when a rule is broken."""
    params, contract = load_params(), load_contract()
    columns = params.columns
    refuse_gaps(columns, contract)
    parts: list[dict[str, Any]] = []
    violations: list[Violation] = []
    for part in progress(partitions.held(), None, "partitions validated"):
        rows = conform(by_contract(partitions.read(only=[part]), contract), contract)
        violations += [
            replace(violation, rule=f"{violation.rule}, in {part.name}")
            for violation in check(rows, contract, columns.id)
        ]
        parts.append({"name": part.name, "rows": len(rows), **window(rows, columns.time)})
        del rows
    total = sum(part["rows"] for part in parts)
    if len(parts) > 1 and not violations:
        violations += not_unique(partitions.files(), columns.id, "is unique over all partitions")
    if violations:
        write_refusal(
            f"The {total:,} rows held break the contract", "Fix the rule, or the data, and `run` again.", violations
        )
        raise ProjectError(f"the data breaks {paths.CONTRACT}: {summary(violations)}. Fix the rule, or the data")
    paths.REFUSED.unlink(missing_ok=True)
    write_json(paths.VALIDATION, {"rows": total, "partitions": parts})
    print(f"validated {total:,} rows in {len(parts)} partition{'' if len(parts) == 1 else 's'}")


def by_contract(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Rows held with the columns of the contract as it is now, which may have changed since they were taken in.

    Values of a column that was added later are missing, if they may be; one that it no longer names does not count.
    """
    added = [name for name, rule in contract.columns.items() if rule.nullable and name not in rows]
    return rows[[name for name in rows if name in contract.columns]].assign(**dict.fromkeys(added, None))


def window(rows: pd.DataFrame, time: str | None) -> dict[str, str | None]:
    """The first and the last moment, where there is a time column and it can be read."""
    if time not in rows or not pd.api.types.is_datetime64_any_dtype(rows[time]) or rows[time].isna().all():
        return {"first": None, "last": None}
    return {"first": rows[time].min().isoformat(), "last": rows[time].max().isoformat()}


def summary(violations: list[Violation]) -> str:
    """The first broken rule and where to read of the others."""
    first = violations[0]
    example = f", such as {first.examples[0]}" if first.examples else ""
    more = f"; {len(violations) - 1} more in {paths.REFUSED.as_posix()}" if len(violations) > 1 else ""
    return f"{first.column} {first.rule} ({first.rows:,} rows{example}){more}"


if __name__ == "__main__":
    run_stage(main)
