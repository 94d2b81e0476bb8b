"""The pages of the site: what is wrong now, the life so far, production, each model, the last backtest."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ..monitor import monitoring_page as production
from ..monitor import show
from ..monitor.monitoring import Problem
from ..render.cells import Link, Strong, Table
from ..render.markup import document, from_markdown, grid, paragraph, rendered, section
from ..render.numbers import format_interval, format_number
from ..render.svg import Plot
from ..report import page as report
from ..report import tables
from ..report.plots import CaptionedPlot
from .life import ChampionChange, Incident, Life

MAX_DATES = 4
"""Under an axis."""

INDEX, PRODUCTION, BACKTEST = "index.html", "production.html", "backtest.html"

GOT_WORSE = (
    "The predictions have become worse. `monitor.yml` has `retrain.yml` retrain for it once, within its budget; where "
    "the cause lies in the data's source, mend that first. The champion before comes back by `git revert` of its "
    "promotion, or by a run of Deploy with its number."
)
LOOK_AT_IT = (
    "The rows are others than those that the model was trained on. If a source broke, mend it: the model need not "
    "change. If the world has changed, watch the performance, and retrain where it suffers."
)


def pages(life: Life) -> Iterator[tuple[str, str]]:
    """(file, content) of every page."""
    yield INDEX, index(life)
    if life.monitoring:
        yield PRODUCTION, production.html(life.monitoring, life.project, around(life, PRODUCTION))
    if life.backtest:
        yield BACKTEST, life.backtest
    for promotion in life.promotions:
        yield file_of(promotion), model(life, promotion)


def around(life: Life, here: str) -> list[Link]:
    """The pages of the site, as one in the same folder, or below it, leads to them."""
    up = "../" if "/" in here else ""
    listed = [("Life", INDEX)]
    listed += [("Production", PRODUCTION)] if life.monitoring else []
    listed += [("Backtest", BACKTEST)] if life.backtest else []
    listed += [(f"Champion {life.promotions[-1].champion.number}", file_of(life.promotions[-1]))]
    return [Link(name, "" if address == here else up + address) for name, address in listed]


def file_of(promotion: ChampionChange) -> str:
    """The page of a champion."""
    return f"models/{promotion.champion.number}.html"


def index(life: Life) -> str:
    """The first page."""
    last = life.promotions[-1]
    parts = [
        *section("What is wrong now", list(wrong(life))),
        *section("Through time", [grid(map(report.figure, plots(life)))]),
        *section("Champions", [rendered(champions(life))]),
    ]
    if life.alerts:
        parts += section("Alerts", [rendered(alerts(life))])
    parts += [paragraph(note, "small") for note in life.notes]
    verdict = production.verdict(life.monitoring) if life.monitoring else "promote"
    if life.open and verdict == "promote":
        verdict = "keep"
    said = f"champion {last.champion.number} since {show.date(last.at)}"
    if life.monitoring and life.monitoring.open:
        said += f", and {counted(len(life.monitoring.open), 'problem')} in production"
    elif life.open:
        said += f", and {counted(len(life.open), 'open alert')}"
    return document(life.project, verdict, f"🏁 {said}", parts, around(life, INDEX))


def counted(number: int, name: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {name}{'s' if number > 1 else ''}"


def wrong(life: Life) -> Iterator[str]:
    """The problems of production and the open alerts, with what to do."""
    problems = life.monitoring.open if life.monitoring else []
    for advice in (GOT_WORSE, LOOK_AT_IT):
        alike = [problem for problem in problems if what_to_do(problem) == advice]
        if alike:
            yield from (paragraph(show.sentence(problem), "reason") for problem in alike)
            yield from_markdown(advice)
    others = [alert for alert in life.open if not alert.key.startswith("production")]
    if others:
        yield rendered(Table(["open alert", "since"], [[entry(alert), show.date(alert.begin)] for alert in others]))
    if not problems and not others:
        yield paragraph("Nothing that is known here." if life.notes else "Nothing.")


def what_to_do(problem: Problem) -> str:
    """As Markdown."""
    return GOT_WORSE if problem.of_performance else LOOK_AT_IT


def plots(life: Life) -> Iterator[CaptionedPlot]:
    """The metric of each champion, then how the last one does in production."""
    measured = [one for one in life.promotions if one.measured and one.measured.value is not None]
    if measured:
        yield of_champions(life, measured)
    if life.monitoring:
        yield from production.plots(life.monitoring)


def of_champions(life: Life, measured: list[ChampionChange]) -> CaptionedPlot:
    """The primary metric of each champion on its day."""
    caption = (
        "Each champion on the rows held out from it, with the 95 % interval; the rows differ. Red: an earlier champion "
        "came back. Dotted: a batch of fresh data was refused."
    )
    begin = life.promotions[0].at
    refused = [alert for alert in life.alerts if alert.of_data and alert.begin >= begin]
    end = max([one.at for one in life.promotions] + [alert.begin for alert in refused])
    ends = [end for one in measured for end in production.ends(one.measured)]
    low, high = min(ends), max(ends)
    room = (high - low or abs(high) or 1.0) * 0.05
    across = max((end - begin) / timedelta(days=1), 1.0)
    plot = Plot(
        f"{life.metric} when promoted",
        caption,
        (-0.02 * across, 1.02 * across),
        (low - room, high + room),
        ("", life.metric),
        {
            across * place / (MAX_DATES - 1): f"{begin + timedelta(days=across * place / (MAX_DATES - 1)):%y-%m-%d}"
            for place in range(MAX_DATES)
        },
    )

    def days(moment: datetime) -> float:
        return (moment - begin) / timedelta(days=1)

    for alert in refused:
        x, words = days(alert.begin), f"{show.date(alert.begin)}: a batch was refused"
        plot.line([(x, low), (x, high)], "reference", words)
    points = [(one, days(one.at), one.measured) for one in measured]
    plot.line([(x, value.value or 0.0) for _, x, value in points if value], "challenger", life.metric)
    for one, x, value in points:
        if value is None or value.value is None:
            continue
        kind = "worse" if one.returned is not None else "challenger"
        if value.low is not None and value.high is not None:
            plot.whiskers([(x, value.low, value.high)], kind)
        words = f"champion {one.champion.number}, {show.date(one.at)}, {one.how}: {show.shown(value)}"
        plot.dots([(x, value.value)], kind, [words])
    return CaptionedPlot(plot, caption)


def champions(life: Life) -> Table:
    """Every champion, the newest first."""
    rows: list[list[str]] = []
    for one in reversed(life.promotions):
        number = Link(str(one.champion.number), file_of(one))
        rows.append([number, show.date(one.at), *metric(one), one.how, f"{one.subject} ({one.author})"])
    return Table(["number", "since", life.metric, "95 % interval", "how", "commit"], rows, (1, 2, 3))


def metric(one: ChampionChange) -> tuple[str, str]:
    """The value and its interval."""
    if one.measured is None:
        return "–", ""
    value = one.measured
    return format_number(value.value), format_interval({"low": value.low, "high": value.high})


def alerts(life: Life) -> Table:
    """Everything that went wrong, the newest first."""
    rows = [
        [entry(alert), show.date(alert.begin), show.date(alert.end) if alert.end else Strong("open")]
        for alert in reversed(life.alerts)
    ]
    return Table(["alert", "from", "to"], rows)


def entry(alert: Incident) -> Link:
    """The title, which leads to the issue."""
    return Link(alert.title, alert.address)


def model(life: Life, one: ChampionChange) -> str:
    """A champion: where it came from, the comparison that promoted it, its card."""
    number = one.champion.number
    links = [
        [title if place == 0 else "", line]
        for title, lines in one.lineage.links.items()
        if title not in ("comparison", "now")  # the page tells of both
        for place, line in enumerate(lines)
    ]
    parts = [*section("Lineage", [rendered(Table(["", ""], links))])]
    verdict = "unchanged"
    if one.comparison:
        verdict = one.comparison.verdict
        parts += section("Why it was promoted", [paragraph(reason, "reason") for reason in one.comparison.reasons])
        parts += report.metrics(one.comparison, life.params)
        parts += report.slices(one.comparison, life.params)
        parts += section("Gates", [rendered(tables.gate_table(one.comparison))])
    else:
        parts += section(
            "Why it was promoted", [paragraph(f"No comparison is recorded: it became champion {one.how}.")]
        )
    if one.card:
        parts += section("Model card", [from_markdown(one.card)])
    between = neighbours(life, number)
    said = f"champion {number}, since {show.date(one.at)}, {one.how}"
    return document(life.project, verdict, f"🏷 {said}", [*between, *parts], around(life, file_of(one)))


def neighbours(life: Life, number: int) -> list[str]:
    """The champions before and after."""
    numbers = [one.champion.number for one in life.promotions if abs(one.champion.number - number) == 1]
    if not numbers:
        return []
    cells = [Link(f"champion {other}", f"{other}.html") for other in numbers]
    names = ["before" if other < number else "after" for other in numbers]
    return [rendered(Table(names, [list(cells)]))]
