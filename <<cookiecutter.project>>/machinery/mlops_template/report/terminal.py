"""A comparison on the terminal."""

from collections.abc import Iterator

from rich.table import Table

from ..champion.opponent import compare_with_champion
from ..evaluation.compare import Comparison, MetricPair
from ..render.numbers import format_number, format_period
from ..settings.params import Params, load_params
from . import changes
from .tables import held_table, opponent


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


def metric_table(comparison: Comparison, params: Params) -> Table:
    """The metrics of both models, for the terminal."""
    by = "" if comparison.champion_source == "model" else f"; of the champion {comparison.champion_source}"
    table = Table(
        title=f"{comparison.rows:,} held-out rows{format_period(comparison.window)}{by}", title_justify="left"
    )
    for name in ("metric", opponent(comparison), "challenger", "difference", "95 % interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, pair in comparison.metrics.items():
        style = "bold" if name == params.gates.primary else None
        table.add_row(*row(name, pair), style=style)
    return table


def row(name: str, pair: MetricPair) -> list[str]:
    """A metric as the cells of a table."""
    delta = pair.difference
    interval = "" if delta.low is None or delta.high is None else f"[{delta.low:+.4f}, {delta.high:+.4f}]"
    return [
        name,
        format_number(pair.champion),
        format_number(pair.challenger),
        format_number(delta.value, "+"),
        interval,
    ]
