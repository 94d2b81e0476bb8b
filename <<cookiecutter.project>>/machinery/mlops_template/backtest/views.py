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
from ..report.plots import CaptionedPlot
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

MAX_NAMES = 4
"""Under an axis."""


def terminal(backtest: Backtest) -> Iterator[Terminal | str]:
    """The table and, in words, the recommendation."""
    content = standings(backtest)
    shown = Terminal(title=window(backtest), title_justify="left")
    for number, name in enumerate(content.header[:-1]):
        shown.add_column(name, justify="right" if number in content.figures else "left", no_wrap=number > 0)
    for row in content.rows:
        shown.add_row(*row[:-1], style="bold" if isinstance(row[0], Strong) else None)
    yield shown
    advice = backtest.advice
    yield f"recommended: {advice.sentence}" if advice.recommends else advice.sentence


def write(backtest: Backtest, out: Path | None, drawn: Path | None) -> None:
    """Write the report, the page, or both, where asked for."""
    if out:
        report.write(out, markdown(backtest))
    if drawn:
        report.write(drawn, html(backtest, load_project().name))


def markdown(backtest: Backtest) -> str:
    """The report for GitHub."""
    names = list(COLOURS)
    lines = [(COLOURS[names[place]], drawn) for place, drawn in enumerate(courses(backtest).values())]
    legend = ", ".join(f"{policy} {names[place]}" for place, policy in enumerate(courses(backtest)))
    picture = (
        chart(f"{primary(backtest)}: {legend}", labels(backtest), primary(backtest), lines)
        if drawable(backtest)
        else []
    )
    parts = [
        "# Backtest: how often to retrain",
        "",
        f"**{words(backtest.advice.sentence)}.**",
        "",
        *table(standings(backtest)),
        "",
        words(f"{window(backtest)}. {method(backtest)}"),
        "",
        *picture,
        *folded("By period", table(by_period(backtest))),
    ]
    return "\n".join(parts) + "\n"


def html(backtest: Backtest, project: str) -> str:
    """The page, in the dress of the report's."""
    rows = backtest.advice.standings
    ends = [end for one in rows for end in (one.over_never.low, one.over_never.high) if end is not None]
    reach = max(map(abs, ends), default=1.0) or 1.0
    drawings = [page.drawing(one.over_never, primary(backtest), reach, {"zero": 0.0}, str(one.policy)) for one in rows]
    legend = " ".join(
        f'<span class="policy policy-{place}">{escape(str(policy))}</span>'
        for place, policy in enumerate(courses(backtest))
    )
    figures = [page.figure(one) for one in plots(backtest)]
    parts = [
        paragraph(f"{window(backtest)}. {method(backtest)}"),
        *section("Policies", [rendered(standings(backtest), drawings, 3)]),
        *section("Over time", [f'<p class="legend">{legend}</p>', grid(figures)]),
        *section("By period", [rendered(by_period(backtest))]),
    ]
    return document(project, "promote", f"🔁 {backtest.advice.sentence}", parts)


def primary(backtest: Backtest) -> str:
    """The metric that counts."""
    return backtest.params.gates.primary


def window(backtest: Backtest) -> str:
    """What was scored."""
    return f"{backtest.rows:,} rows of {backtest.start:%Y-%m-%d} to {backtest.last:%Y-%m-%d}"


def method(backtest: Backtest) -> str:
    """How it was done, for who doubts it."""
    delay, holdout = backtest.params.data.label_delay, backtest.params.split.holdout
    late = "" if delay.startswith("0 ") else f", whose labels come after {delay}"
    return (
        f"Each model was trained on what was known at its time{late}, less the holdout ({holdout}), compared there "
        "with the champion of its day by the gates of params.yaml except latency and size and, if promoted, predicted "
        "the rows that followed. The intervals are 95 % for all differences together, from a paired bootstrap over "
        "days."
    )


def standings(backtest: Backtest) -> Table:
    """Every policy, the cheapest first, the chosen one in bold."""
    arrow = "↑" if higher_is_better(primary(backtest)) else "↓"
    rows: list[list[str]] = []
    for one in backtest.advice.standings:
        name = Strong(one.policy) if backtest.advice.recommends and one is backtest.advice.chosen else str(one.policy)
        gain = with_sign(one.over_never, primary(backtest)) if one.retrainings else "–"
        promoted = f"{one.promotions} of {one.retrainings}" if one.retrainings else "–"
        rows.append([name, written(one.value), gain, promoted, f"{one.seconds:,.0f} s", f"{one.rows:,}"])
    header = ["policy", f"{primary(backtest)} {arrow}", "over never, 95 %", "promoted", "training", "rows trained on"]
    return Table(header, rows, (1, 2, 3, 4, 5))


def by_period(backtest: Backtest) -> Table:
    """The metric of each policy in each period."""
    policies = [one.policy for one in backtest.advice.standings]
    rows = [
        [label, f"{period.rows:,}", *(written(period.values[policy]) for policy in policies)]
        for label, period in zip(labels(backtest, defined=False), backtest.periods, strict=True)
    ]
    return Table(["from", "rows", *map(str, policies)], rows, tuple(range(1, len(policies) + 2)))


def labels(backtest: Backtest, defined: bool = True) -> list[str]:
    """The periods by their first day, or hour; `defined` leaves out those in which the metric of a policy is not."""
    days = len({period.start.date() for period in backtest.periods}) == len(backtest.periods)
    chosen = drawable(backtest) if defined else backtest.periods
    return [f"{period.start:{'%Y-%m-%d' if days else '%m-%d %H:%M'}}" for period in chosen]


def drawable(backtest: Backtest) -> list[Period]:
    """The periods in which the metric of every policy is defined."""
    return [period for period in backtest.periods if None not in period.values.values()]


def courses(backtest: Backtest) -> dict[Policy, list[float]]:
    """The lines of the charts: `never`, the chosen one and the best of the others, as many as there are colours."""
    better = higher_is_better(primary(backtest))
    first, *others = backtest.advice.standings
    others.sort(key=lambda one: (one.over_never.value or 0.0) * (-1 if better else 1))
    others.sort(key=lambda one: one is not backtest.advice.chosen)
    shown = [first, *others][: len(COLOURS)]
    return {one.policy: [period.values[one.policy] or 0.0 for period in drawable(backtest)] for one in shown}


def plots(backtest: Backtest) -> Iterator[CaptionedPlot]:
    """The metric of each policy over time, and what it has over `never`."""
    lines = courses(backtest)
    if not drawable(backtest):
        return
    never = next(iter(lines.values()))
    gains = {policy: [one - other for one, other in zip(line, never, strict=True)] for policy, line in lines.items()}
    caption = f"{primary(backtest)} of the model that would have served in each period."
    yield plot(primary(backtest), caption, lines, backtest)
    yield plot(
        f"{primary(backtest)} over never", "The same, minus what the first model has, never retrained.", gains, backtest
    )


def plot(title: str, caption: str, lines: dict[Policy, list[float]], backtest: Backtest) -> CaptionedPlot:
    """A line for each policy over the periods."""
    points = [value for line in lines.values() for value in line]
    room = (max(points) - min(points)) * 0.05
    named = labels(backtest)
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
    return CaptionedPlot(drawn, caption)
