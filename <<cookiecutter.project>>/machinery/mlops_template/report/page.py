"""The report as one page that needs nothing else: the figures of the Markdown, and real plots."""

from collections.abc import Sequence
from html import escape

from ..champion.model_card import alternatives_table, beside, importance_table
from ..evaluation.comparison import Comparison, Difference
from ..evaluation.export import described
from ..render.markup import document, grid, paragraph, rendered, section
from ..render.svg import interval
from ..settings.params import Params
from ..training.metrics import higher_is_better
from . import plots, summary, tables
from .facts import Facts
from .metric_table import opponent

MAX_COLUMNS = 24


def page(facts: Facts, accept: str | None = None) -> str:
    """The page. `accept` is why the change is accepted in spite of the verdict."""
    comparison = facts.comparison
    if comparison is None:
        text = f"The pipeline gives what it gave at {facts.base_name}: {summary.models(facts)}."
        return document(facts.project, "unchanged", summary.UNCHANGED, [paragraph(text), *what_changed(facts)])
    notes = [paragraph(reason, "reason") for reason in comparison.reasons]
    if accept and comparison.verdict != "promote":
        notes.insert(0, paragraph(f"Accepted in spite of the verdict: {accept}", "accepted"))
    if comparison.forced:
        notes.insert(0, paragraph(f"Promoted against the verdict: {comparison.forced['why']}", "accepted"))
    notes += [paragraph(line, "reason") for line in (summary.standing(facts), *facts.doubts) if line]
    if facts.decision:
        notes += [paragraph(f"Retrained because of {reason}", "reason") for reason in facts.decision.why]
    parts = [*notes, *metrics(comparison, facts.params), *curves(facts), *slices(comparison, facts.params)]
    parts += [*what_changed(facts), *drift(facts)]
    serving = [paragraph(f"Serving: {described(facts.serving)}")] if facts.serving else []
    parts += section("Size and latency", [rendered(tables.cost_table(comparison, facts.params)), *serving])
    if facts.importance:
        listed = importance_table(facts.importance, facts.params.gates.primary).cut(summary.MAX_ROWS)
        parts += section("Permutation importance", [rendered(listed)])
    if beside(facts.alternatives):
        listed = alternatives_table(facts.alternatives, facts.params.gates.primary)
        parts += section("Beside other models", [rendered(listed)])
    if len(facts.search) > 1:
        parts += section("Candidates, by cross-validation", [rendered(facts.candidates().cut(summary.MAX_ROWS))])
    parts += section("Gates", [rendered(tables.gate_table(comparison))])
    return document(facts.project, comparison.verdict, summary.VERDICTS[comparison.verdict], parts)


def metrics(comparison: Comparison, params: Params) -> Sequence[str]:
    """The metric table, each difference drawn beside its figures."""
    if not comparison.metrics:
        return []
    content = tables.metric_table(comparison, params)
    names = sorted(comparison.metrics, key=lambda name: name != params.gates.primary)
    drawn = []
    for name in names:
        delta = comparison.metrics[name].difference
        reach = max((abs(end) for end in (delta.low, delta.high, delta.value) if end is not None), default=1.0)
        drawn.append(drawing(delta, name, reach, {"zero": 0.0}, name))
    legend = (
        "▲ better, ▼ worse beyond noise: the whole 95 % interval says so. ↑ more is better, ↓ less is better. "
        "Each drawing has a scale of its own, with zero in the middle."
    )
    return section(
        "Metrics",
        [paragraph(tables.rows_met(comparison, params)), rendered(content, drawn, 4), paragraph(legend, "small")],
    )


def curves(facts: Facts) -> Sequence[str]:
    """The curves and distributions of both models."""
    if facts.scored is None or facts.comparison is None:
        return []
    other = opponent(facts.comparison)
    figures = [figure(plot) for plot in plots.of_scores(*facts.scored, other)]
    return section("Both models on the same rows", [legend("this change", other), grid(figures)])


def slices(comparison: Comparison, params: Params) -> Sequence[str]:
    """Every slice, its difference drawn on one scale."""
    if not comparison.slices:
        return []
    primary = params.gates.primary
    ordered = sorted(comparison.slices, key=lambda one: (not one.worse, one.p, one.slice))
    ends = [end for one in ordered for end in (one.difference.low, one.difference.high) if end is not None]
    reach = max(map(abs, ends), default=1.0)
    margin = params.gates.slice_margin
    better = higher_is_better(primary)
    marks = {"zero": 0.0} | ({"margin": -margin if better else margin} if 0 < margin <= reach else {})
    drawn = [drawing(one.difference, primary, reach, marks, one.slice) for one in ordered]
    scale = "All drawings have one scale, with zero in the middle"
    scale += "; the dotted line is the margin beyond which no slice may be worse." if "margin" in marks else "."
    content = tables.slice_table(ordered, comparison, params)
    return section("Slices", [rendered(content, drawn), paragraph(scale, "small")])


def what_changed(facts: Facts) -> Sequence[str]:
    """Parameters, libraries, code and data against the base, and the stages that ran for it."""
    parts = []
    settings = facts.parameters + facts.libraries
    if settings:
        parts.append(rendered(tables.change_table(settings)))
    if facts.data:
        parts.append(rendered(tables.held_table(facts.data)))
    parts.append(paragraph(f"Code: {facts.code or 'nothing changed'}."))
    if facts.stages:
        parts.append(rendered(tables.stage_table(facts.stages)))
    return section(f"What changed since {facts.base_name}", parts)


def drift(facts: Facts) -> Sequence[str]:
    """The columns of the raw data before and after, the furthest moved first."""
    change = facts.data
    if change is None:
        return []
    if change.unknown:
        return section("Data", [paragraph(f"Distributions were {summary.distributions(facts)}.")])
    figures = [figure(plots.of_drift(one, change.compared)) for one in change.drifts[:MAX_COLUMNS]]
    content = [legend(change.compared[1], change.compared[0]), rendered(tables.drift_table(change))]
    more = len(change.drifts) - len(figures)
    hidden = [paragraph(f"{more} more columns, which moved less, are not drawn.", "small")] if more else []
    return section("Data", [*content, grid(figures), *hidden])


def legend(ours: str, theirs: str) -> str:
    """Which colour is whose."""
    names = f'<span class="challenger">{escape(ours)}</span> <span class="champion">{escape(theirs)}</span>'
    return f'<p class="legend">{names}</p>'


def figure(drawn: plots.CaptionedPlot) -> str:
    """A plot with its title and caption."""
    title, caption = escape(drawn.plot.title), escape(drawn.caption)
    return f"<figure><h3>{title}</h3>{drawn.plot}<figcaption>{caption}</figcaption></figure>"


def drawing(delta: Difference, metric: str, reach: float, marks: dict[str, float], name: str) -> str:
    """A difference with its interval, in the colour of what it means; empty where it is undefined."""
    if delta.value is None or delta.low is None or delta.high is None:
        return ""
    kind = {"▲": "better", "▼": "worse", "": "noise"}[delta.sign(higher_is_better(metric))]
    return interval((delta.low, delta.high), delta.value, (-reach, reach), marks, kind, f"{name}: {delta}")
