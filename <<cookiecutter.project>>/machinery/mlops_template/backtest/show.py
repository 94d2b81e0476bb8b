"""A backtest on the terminal, in Markdown and as a page: table, charts and the recommendation."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from rich.table import Table as Terminal

from ..render.cells import Strong, Table
from ..render.markdown import folded, table, words
from ..render.markup import document, grid, paragraph, rendered, section
from ..render.numbers import format_number as written
from ..render.svg import Plot
from ..report import page, report
from ..report.mermaid import chart
from ..report.plots import Figure
from ..report.tables import with_sign
from ..settings.project import load_project
from ..training.metrics import higher_is_better
from .backtest import Backtest, Period
from .plan import Policy

COLOURS = {
    "grey": "#6b7280",
    "blue": "#3b82f6",
    "orange": "#d97706",
    "green": "#059669",
    "purple": "#9333ea",
    "red": "#dc2626",
    "teal": "#0891b2",
    "pink": "#db2777",
}
"""Of the lines, `never` first; those of the page stand in its style sheet in the same order."""

MAX_NAMES = 5
"""Under an axis."""


def terminal(found: Backtest) -> Iterator[Terminal | str]:
    """The table and, in words, the recommendation."""
    content = standings(found)
    shown = Terminal(title=window(found), title_justify="left")
    for number, name in enumerate(content.header[:-1]):
        shown.add_column(name, justify="right" if number in content.figures else "left", no_wrap=number > 0)
    for row in content.rows:
        shown.add_row(*row[:-1], style="bold" if isinstance(row[0], Strong) else None)
    yield shown
    yield f"recommended: {found.advice.sentence}"


def write(found: Backtest, out: Path | None, drawn: Path | None) -> None:
    """Write the report, the page, or both, where asked for."""
    if out:
        report.write(out, markdown(found))
    if drawn:
        report.write(drawn, html(found, load_project().name))


def markdown(found: Backtest) -> str:
    """The report for GitHub."""
    names = list(COLOURS)
    lines = [(COLOURS[names[place]], drawn) for place, drawn in enumerate(courses(found).values())]
    legend = ", ".join(f"{policy} {names[place]}" for place, policy in enumerate(courses(found)))
    picture = chart(f"{primary(found)}: {legend}", labels(found), primary(found), lines) if drawable(found) else []
    parts = [
        "# Backtest: how often to retrain",
        "",
        f"**{words(found.advice.sentence)}.**",
        "",
        *table(standings(found)),
        "",
        words(f"{window(found)}. {method(found)}"),
        "",
        *picture,
        *folded("By period", table(by_period(found))),
    ]
    return "\n".join(parts) + "\n"


def html(found: Backtest, project: str) -> str:
    """The page, in the dress of the report's."""
    rows = found.advice.standings
    ends = [end for one in rows for end in (one.over_never.low, one.over_never.high) if end is not None]
    reach = max(map(abs, ends), default=1.0) or 1.0
    drawings = [page.drawing(one.over_never, primary(found), reach, {"zero": 0.0}, str(one.policy)) for one in rows]
    legend = " ".join(
        f'<span class="policy policy-{place}">{escape(str(policy))}</span>'
        for place, policy in enumerate(courses(found))
    )
    figures = [page.figure(one) for one in plots(found)]
    parts = [
        paragraph(f"{window(found)}. {method(found)}"),
        *section("Policies", [rendered(standings(found), drawings, 3)]),
        *section("Over time", [f'<p class="legend">{legend}</p>', grid(figures)]),
        *section("By period", [rendered(by_period(found))]),
    ]
    return document(project, "promote", f"🔁 {found.advice.sentence}", parts)


def primary(found: Backtest) -> str:
    """The metric that counts."""
    return found.params.gates.primary


def window(found: Backtest) -> str:
    """What was scored."""
    return f"{found.rows:,} rows of {found.start:%Y-%m-%d} to {found.last:%Y-%m-%d}"


def method(found: Backtest) -> str:
    """How it was done, for who doubts it."""
    delay, holdout = found.params.data.label_delay, found.params.split.holdout
    late = "" if delay.startswith("0 ") else f", whose labels come after {delay}"
    return (
        f"Each model was trained on what was known at its time{late}, less the holdout ({holdout}), met the champion "
        "of its day there at the gates of params.yaml but latency and size and, if promoted, answered the rows that "
        "followed. The intervals are 95 % for all differences together, from a paired bootstrap over days."
    )


def standings(found: Backtest) -> Table:
    """Every policy, the cheapest first, the chosen one in bold."""
    arrow = "↑" if higher_is_better(primary(found)) else "↓"
    rows: list[list[str]] = []
    for one in found.advice.standings:
        name = Strong(one.policy) if one is found.advice.chosen else str(one.policy)
        gain = with_sign(one.over_never, primary(found)) if one.retrainings else "–"
        promoted = f"{one.promotions} of {one.retrainings}" if one.retrainings else "–"
        rows.append([name, written(one.value), gain, promoted, f"{one.seconds:,.0f} s", f"{one.rows:,}"])
    header = ["policy", f"{primary(found)} {arrow}", "over never, 95 %", "promoted", "training", "rows trained on"]
    return Table(header, rows, (1, 2, 3, 4, 5))


def by_period(found: Backtest) -> Table:
    """The metric of each policy in each period."""
    policies = [one.policy for one in found.advice.standings]
    rows = [
        [label, f"{period.rows:,}", *(written(period.values[policy]) for policy in policies)]
        for label, period in zip(labels(found, defined=False), found.periods, strict=True)
    ]
    return Table(["from", "rows", *map(str, policies)], rows, tuple(range(1, len(policies) + 2)))


def labels(found: Backtest, defined: bool = True) -> list[str]:
    """The periods by their first day, or hour; `defined` leaves out those in which the metric of a policy is not."""
    days = len({period.start.date() for period in found.periods}) == len(found.periods)
    chosen = drawable(found) if defined else found.periods
    return [f"{period.start:{'%Y-%m-%d' if days else '%m-%d %H:%M'}}" for period in chosen]


def drawable(found: Backtest) -> list[Period]:
    """The periods in which the metric of every policy is defined."""
    return [period for period in found.periods if None not in period.values.values()]


def courses(found: Backtest) -> dict[Policy, list[float]]:
    """The lines of the charts: `never`, the chosen one and the best of the others, as many as there are colours."""
    better = higher_is_better(primary(found))
    first, *others = found.advice.standings
    others.sort(key=lambda one: (one.over_never.value or 0.0) * (-1 if better else 1))
    others.sort(key=lambda one: one is not found.advice.chosen)
    shown = [first, *others][: len(COLOURS)]
    return {one.policy: [period.values[one.policy] or 0.0 for period in drawable(found)] for one in shown}


def plots(found: Backtest) -> Iterator[Figure]:
    """The metric of each policy over time, and what it has over `never`."""
    lines = courses(found)
    if not drawable(found):
        return
    never = next(iter(lines.values()))
    gains = {policy: [one - other for one, other in zip(line, never, strict=True)] for policy, line in lines.items()}
    caption = f"{primary(found)} of the model that would have served in each period."
    yield plot(primary(found), caption, lines, found)
    yield plot(
        f"{primary(found)} over never", "The same, minus what the first model has, never retrained.", gains, found
    )


def plot(title: str, caption: str, lines: dict[Policy, list[float]], found: Backtest) -> Figure:
    """A line for each policy over the periods."""
    points = [value for line in lines.values() for value in line]
    room = (max(points) - min(points)) * 0.05
    named = labels(found)
    step = -(-len(named) // MAX_NAMES)
    names = {float(place): name for place, name in enumerate(named) if place % step == 0}
    frame = (min(points) - room, max(points) + room)
    drawn = Plot(title, caption, (0, len(named) - 1), frame, ("", title), names)
    for place, (policy, line) in enumerate(lines.items()):
        kind = f"policy policy-{place}"
        at = [(float(number), value) for number, value in enumerate(line)]
        drawn.line(at, kind, str(policy))
        drawn.dots(
            at, kind, [f"{policy}, from {name}: {written(value)}" for name, value in zip(named, line, strict=True)]
        )
    return Figure(drawn, caption)
