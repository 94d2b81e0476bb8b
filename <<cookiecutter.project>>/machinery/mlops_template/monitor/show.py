"""The monitoring on the terminal and in Markdown: what is wrong, then how well the model does, then what moved."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from rich.table import Table as Terminal

from ..render.cells import Code, Table
from ..render.markdown import table, words
from ..render.numbers import format_interval, format_number
from ..training.metrics import higher_is_better
from .figures import MIN_ROWS
from .monitoring import Monitoring, Problem, Value

MAX_COLUMNS = 8
"""That are listed, what matters most first."""

SLICES = "Slices in the latest window with outcomes, what became worst first"

VERSIONS = "Models in the latest window, each on the rows that it predicted"

MAX_SHOWN_WINDOWS = 8
"""On the terminal; the latest ones."""


def terminal(monitoring: Monitoring) -> Iterator[Terminal | str]:
    """All of it, in 80 columns."""
    yield headline(monitoring)
    yield from (f"  {sentence(problem)}" for problem in monitoring.open)
    for title, content in (
        (performance_title(monitoring), performance(monitoring, MAX_SHOWN_WINDOWS)),
        ("Columns in the latest window, what matters most first", columns(monitoring)),
        (SLICES, slices(monitoring)),
        (VERSIONS, versions(monitoring)),
        ("The service", service(monitoring, MAX_SHOWN_WINDOWS)),
    ):
        if not content.rows:
            continue
        yield f"\n{title}"  # as a title of the table it would break where the table is narrow
        shown = Terminal()
        for number, name in enumerate(content.header):
            shown.add_column(name, justify="right" if number in content.figures else "left", no_wrap=True)
        for row in content.rows:
            shown.add_row(*map(str, row))
        yield shown
    yield from [*accuracy(monitoring), *monitoring.notes]


def markdown(monitoring: Monitoring) -> str:
    """The same for GitHub."""
    served = service(monitoring, len(monitoring.windows))
    of_service = ["### The service", "", *table(served), ""] if served.rows else []
    over = [problem for problem in monitoring.problems if problem.over is not None]
    parts = [
        f"**{words(headline(monitoring))}**",
        "",
        *[f"- {words(sentence(problem))}" for problem in monitoring.open],
        "",
        f"### {words(performance_title(monitoring))}",
        "",
        *table(performance(monitoring, len(monitoring.windows))),
        "",
        "### Columns in the latest window",
        "",
        *table(columns(monitoring)),
        "",
        *([f"### {SLICES}", "", *table(slices(monitoring)), ""] if monitoring.slices else []),
        *([f"### {VERSIONS}", "", *table(versions(monitoring)), ""] if monitoring.versions else []),
        *of_service,
        *[f"- {words(sentence(problem))}" for problem in over],
        *[f"- {words(note)}" for note in [*accuracy(monitoring), *monitoring.notes]],
    ]
    return "\n".join(parts) + "\n"


def headline(monitoring: Monitoring) -> str:
    """The state in one line."""
    name = f"champion {monitoring.champion.number}"
    if monitoring.open:
        since = min(problem.since for problem in monitoring.open)
        return f"{name} needs attention since {date(since)}"
    if not monitoring.judged_days:
        return f"{name} cannot be judged yet: no day with {MIN_ROWS} predictions or more is over"
    return f"{name} does as expected: nothing has changed that is more than chance"


def sentence(problem: Problem) -> str:
    """A problem, since when, and whether it is over."""
    over = f", over on {date(problem.over)}" if problem.over else ""
    return f"{date(problem.since)}: {listed(problem.figures)} changed{over}"


def listed(names: list[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def accuracy(monitoring: Monitoring) -> list[str]:
    """How good the estimates were, where the truth arrived."""
    off = [
        abs(window.estimated.value - window.real.value)
        for window in monitoring.windows
        if window.estimated and window.real and window.known == window.rows
        if window.estimated.value is not None and window.real.value is not None
    ]
    if not off:
        return []
    windows = "1 window" if len(off) == 1 else f"{len(off)} windows"
    return [f"where all outcomes are known ({windows}), estimates were off by {sum(off) / len(off):.4f} in the mean"]


def performance_title(monitoring: Monitoring) -> str:
    """What the metric was when the model was promoted."""
    better = "more is better" if higher_is_better(monitoring.metric) else "less is better"
    return f"{monitoring.metric} ({better}); {shown(monitoring.promoted)} when promoted"


def performance(monitoring: Monitoring, most: int) -> Table:
    """The windows, the latest first."""
    rows = [
        [
            date(window.begin),
            f"{window.rows:,}",
            f"{window.known / window.rows:.0%}" if window.rows else "",
            shown(window.real),
            around(window.estimated),
        ]
        for window in reversed(monitoring.windows[-most:])
    ]
    return Table(["from", "rows", "known", "real", "estimated"], rows, (1, 2, 3, 4))


def service(monitoring: Monitoring, most: int) -> Table:
    """How the service did in the windows that had requests, the latest first."""
    rows = [
        [
            date(window.begin),
            f"{window.service.requests:,}",
            f"{window.service.refused:,}",
            ", ".join(f"{column} {count:,}" for column, count in window.service.refused_for),
            f"{window.service.failed:,}",
            f"≤ {1000 * window.service.p95:g} ms" if window.service.p95 else "",
        ]
        for window in reversed(monitoring.windows[-most:])
        if window.service.requests
    ]
    return Table(["from", "requests", "refused", "for", "failed", "95 % within"], rows, (1, 2, 4, 5))


def columns(monitoring: Monitoring, most: int = MAX_COLUMNS) -> Table:
    """The features by how unusual they are and how much the model stands on them."""
    rows = [
        [
            one.column,
            f"{one.importance:.0%}",
            f"{one.distance:.2f}",
            f"{one.usual:.2f}",
            f"{one.psi:.2f}",
            f"{one.missing:.1%}",
            f"{one.new:.1%}",
        ]
        for one in monitoring.drifted[:most]
    ]
    return Table(["column", "importance", "distance", "usual", "PSI", "missing", "unseen"], rows, (1, 2, 3, 4, 5, 6))


def slices(monitoring: Monitoring, most: int = MAX_COLUMNS) -> Table:
    """The primary metric of parts of the rows."""
    rows = [
        [Code(one.name), f"{one.rows:,}", shown(one.real), format_number(one.promoted.value) if one.promoted else "–"]
        for one in monitoring.slices[:most]
    ]
    return Table(["slice", "rows", "real", "promoted"], rows, (1, 2, 3))


def versions(monitoring: Monitoring) -> Table:
    """Models beside each other, each on its own rows."""
    rows = [[one.name, f"{one.rows:,}", f"{one.known:,}", shown(one.real)] for one in monitoring.versions]
    return Table(["model", "rows", "known", "real"], rows, (1, 2, 3))


def shown(value: Value | None) -> str:
    """A metric with its interval."""
    if value is None or value.value is None:
        return "–"
    return f"{format_number(value.value)} {format_interval(asdict(value))}".rstrip()


def around(value: Value | None) -> str:
    """An estimate with half the width of its interval, which is even."""
    if value is None or value.value is None or value.high is None:
        return "–"
    return f"{format_number(value.value)} ± {value.high - value.value:.4f}"


def date(moment: datetime) -> str:
    """The day."""
    return f"{moment:%Y-%m-%d}"
