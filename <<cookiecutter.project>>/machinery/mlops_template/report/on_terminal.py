"""A comparison on the terminal."""

from collections.abc import Iterator

from rich.table import Table

from ..champion.opponent import compare_with_champion
from ..settings.params import load_params
from . import changes
from .metric_table import metric_table
from .tables import held_table


def differences(revision: str) -> Iterator[Table | str]:
    """The challenger against the champion of a revision, then what changed since; nothing is written.

    Raises ProjectError when no commit has that name, or there is no challenger.
    """
    params = load_params()
    comparison = compare_with_champion(params, revision, record=False)
    if comparison is None:
        yield f"unchanged: the challenger is the champion of {revision}"
    else:
        yield metric_table(comparison, params)
        yield f"verdict: {comparison.verdict}"
        yield from (f"  {reason}" for reason in comparison.reasons)
    for change in changes.parameters(revision) + changes.libraries(revision):
        sides = ("not set" if side is None else side for side in (change.before, change.after))
        yield f"{change.name}: {' → '.join(sides)}"
    data = changes.data(revision, params)
    if data:
        yield "data: " + ", ".join(f"{name} {before} → {after}" for name, before, after in held_table(data).rows)
        moved = [f"{one.column} (PSI {one.index:.2f})" for one in data.drifts if one.moved]
        yield f"columns that moved: {', '.join(moved) or 'none'}"
    code = changes.code(revision)
    if code:
        yield f"code: {code}"
