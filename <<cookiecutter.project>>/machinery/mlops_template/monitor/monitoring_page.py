"""The monitoring as a page: one file that fetches nothing, with the performance through time and what moved when."""

from collections.abc import Iterable, Iterator
from html import escape

from ..render.cells import Link
from ..render.markup import document, grid, paragraph, rendered, section
from ..render.numbers import format_number
from ..render.svg import Plot
from ..report.page import figure
from ..report.plots import CaptionedPlot
from . import show
from .monitoring import Monitoring, Value, Window

MAX_NAMES = 6
"""Under an axis."""

MAX_HEATED = 30
"""Columns of the heat map, what matters most first."""

STEPS = 6
"""Of the heat map's colours."""


def html(monitoring: Monitoring, project: str, around: Iterable[Link] = ()) -> str:
    """The whole page; `around` are the pages beside it."""
    over = [show.sentence(problem) for problem in monitoring.problems if problem.over is not None]
    parts = [
        *[paragraph(show.sentence(problem), "reason") for problem in monitoring.open],
        *[paragraph(note, "small") for note in [*show.accuracy(monitoring), *monitoring.notes]],
        *section("Performance", [paragraph(show.performance_title(monitoring)), grid(map(figure, plots(monitoring)))]),
        rendered(show.performance(monitoring, len(monitoring.windows))),
        *section("What moved, and when", [paragraph(HEAT), heat_map(monitoring)]),
        *section("Columns in the latest window", [rendered(show.columns(monitoring, len(monitoring.drifted)))]),
    ]
    if monitoring.slices:
        parts += section(
            "Slices", [paragraph(f"{show.SLICES}."), rendered(show.slices(monitoring, len(monitoring.slices)))]
        )
    if monitoring.versions:
        parts += section("Models", [paragraph(f"{show.VERSIONS}."), rendered(show.versions(monitoring))])
    served = show.service(monitoring, len(monitoring.windows))
    if served.rows:
        parts += section("The service", [rendered(served)])
    if over:
        parts += section("What is over", [paragraph(one) for one in over])
    return document(project, verdict(monitoring), f"🔎 {show.headline(monitoring)}", parts, around)


def verdict(monitoring: Monitoring) -> str:
    """The colour of the page."""
    return (
        "fail"
        if any(problem.of_performance for problem in monitoring.open)
        else "keep"
        if monitoring.open
        else "promote"
    )


HEAT = (
    "How far each column is from the nearest 28 days of the reference, as the share of rows that would have to be "
    "others. What moved most, by how much the model stands on it, comes first; what is usual is pale."
)


def plots(monitoring: Monitoring) -> Iterator[CaptionedPlot]:
    """The metric, real and estimated, and the rows of each window."""
    windows = monitoring.windows
    points = [end for one in windows for value in (one.real, one.estimated) for end in ends(value)]
    points += ends(monitoring.promoted)
    if points:
        caption = (
            "Blue: with outcomes, and their 95 % interval. Orange: estimated. Dotted: when the model was promoted, "
            f"{show.shown(monitoring.promoted)}."
        )
        drawn = plot(monitoring.metric, caption, windows, (min(points), max(points)))
        if monitoring.promoted and monitoring.promoted.value is not None:
            level = monitoring.promoted.value
            drawn.line([(0.0, level), (float(max(len(windows) - 1, 1)), level)], "reference")
        for kind, name, values in (
            ("champion", "estimated", [one.estimated for one in windows]),
            ("challenger", "real", [one.real for one in windows]),
        ):
            at = [
                (float(place), value.value, value)
                for place, value in enumerate(values)
                if value and value.value is not None
            ]
            drawn.line([(x, y) for x, y, _ in at], kind, name)
            if kind == "challenger":
                known = [(x, value.low, value.high) for x, _, value in at]
                drawn.whiskers([(x, low, high) for x, low, high in known if low is not None and high is not None], kind)
            words = [f"{name}, from {show.date(windows[int(x)].begin)}: {show.shown(value)}" for x, _, value in at]
            drawn.dots([(x, y) for x, y, _ in at], kind, words)
        yield CaptionedPlot(drawn, caption)
    caption = "Blue: rows predicted. Orange: rows whose outcome is known."
    most = max((one.rows for one in windows), default=1)
    drawn = plot("rows", caption, windows, (0.0, float(most)))
    for kind, name, counts in (
        ("challenger", "rows", [one.rows for one in windows]),
        ("champion", "with outcomes", [one.known for one in windows]),
    ):
        line = [(float(place), float(count)) for place, count in enumerate(counts)]
        drawn.line(line, kind, name)
        words = [f"{name}, from {show.date(one.begin)}: {count:,}" for one, count in zip(windows, counts, strict=True)]
        drawn.dots(line, kind, words)
    yield CaptionedPlot(drawn, caption)


def ends(value: Value | None) -> list[float]:
    """What has to be on a plot of a metric."""
    return [] if value is None else [one for one in (value.value, value.low, value.high) if one is not None]


def plot(title: str, caption: str, windows: list[Window], frame: tuple[float, float]) -> Plot:
    """Axes over the windows."""
    room = (frame[1] - frame[0]) * 0.05
    step = -(-len(windows) // MAX_NAMES)
    names = {float(place): f"{one.begin:%m-%d}" for place, one in enumerate(windows) if place % step == 0}
    across = (0.0, float(max(len(windows) - 1, 1)))
    return Plot(title, caption, across, (frame[0] - room, frame[1] + room), ("", title), names)


def heat_map(monitoring: Monitoring) -> str:
    """A table of columns and windows, coloured by how far beyond the usual each cell is."""
    head = "".join(f"<th>{window.begin:%m-%d}</th>" for window in monitoring.windows)
    rows = []
    for one in monitoring.drifted[:MAX_HEATED]:
        cells = "".join(heat(distance, one.usual) for distance in one.distances[-len(monitoring.windows) :])
        rows.append(f'<tr><th scope="row">{escape(one.column)}</th>{cells}</tr>')
    table = f"<table><thead><tr><th>column</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def heat(distance: float | None, usual: float) -> str:
    """A cell."""
    if distance is None:
        return "<td>–</td>"
    step = min(int(max(distance - usual, 0.0) * 2 * STEPS), STEPS - 1)
    return f'<td class="figure heat-{step}">{format_number(distance)[:4]}</td>'
