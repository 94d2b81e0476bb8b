"""The metrics of a comparison on the terminal, read without the libraries that made them."""

from rich import box
from rich.table import Table

from ..evaluation.comparison import Comparison, MetricPair
from ..render.numbers import format_number, format_period
from ..settings.params import Params

TOO_FEW = "too few to judge"
"""In place of an interval that the rows, or those of a class, do not give."""


def opponent(comparison: Comparison) -> str:
    """Who the challenger met."""
    return "champion" if comparison.champion else "baseline"


def metric_table(comparison: Comparison, params: Params, of: str = "held-out rows") -> Table:
    """The metrics of both models, for the terminal; `of` says which rows they are of."""
    by = "" if comparison.champion_source == "model" else f"; of the champion {comparison.champion_source}"
    title = f"{comparison.rows:,} {of}{format_period(comparison.window)}{by}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("metric", opponent(comparison), "challenger", "difference", "95 % interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, pair in comparison.metrics.items():
        style = "bold" if name == params.gates.primary else None
        table.add_row(*row(name, pair), style=style)
    return table


def row(name: str, pair: MetricPair) -> list[str]:
    """A metric as the cells of a table."""
    delta = pair.difference
    undefined = "" if delta.value is None else TOO_FEW
    interval = undefined if delta.low is None or delta.high is None else f"[{delta.low:+.4f}, {delta.high:+.4f}]"
    return [
        name,
        format_number(pair.champion),
        format_number(pair.challenger),
        format_number(delta.value, "+"),
        f"{delta.sign(pair.higher_is_better)} {interval}".strip(),
    ]
