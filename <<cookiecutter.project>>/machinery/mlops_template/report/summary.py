"""The report in Markdown, for a reviewer with one minute: the verdict first, the rest folded."""

from ..champion.model_card import alternatives_table, beside, importance_table
from ..evaluation.export import described
from ..integrations import actions
from ..render.markdown import code, folded, one_line, table, words
from . import mermaid, tables
from .facts import Facts
from .metric_table import opponent

LIMIT = 64_000
"""Bytes, of which there are as many as characters, or more. A comment on GitHub holds 65,536 characters."""

VERDICTS = {
    "promote": "✅ promote: the challenger may become champion",
    "keep": "⏸️ keep: the champion stays",
    "fail": "❌ fail: the challenger must not go live",
}
UNCHANGED = "➖ model unchanged"

OTHER_GATES = ("slices", "groups", "latency", "size", "enough rows", "enough of each class")
"""Those without a line in the metric table."""

MAX_AT_A_GLANCE = 5
MAX_REASONS = 6
MAX_ROWS = 60


def markdown(facts: Facts, accept: str | None = None) -> str:
    """The report. `accept` is why it is accepted in spite of the verdict."""
    comparison = facts.comparison
    if comparison is None:
        return joined([f"## {UNCHANGED}", "", unchanged(facts), *what_changed(facts)], [])
    head = [f"## {VERDICTS[comparison.verdict]}", ""]
    if accept and comparison.verdict != "promote":
        head += [f"⚠️ **Accepted in spite of the verdict:** {words(accept)}", ""]
    if comparison.forced:
        head += [f"⚠️ **Promoted against the verdict:** {words(comparison.forced['why'])}", ""]
    head += [f"- {words(reason, 400)}" for reason in comparison.reasons[:MAX_REASONS]]
    if len(comparison.reasons) > MAX_REASONS:
        head.append(f"- … and {len(comparison.reasons) - MAX_REASONS} more")
    if standing(facts):
        head.append(f"- {words(standing(facts), 400)}")
    for doubt in facts.doubts:
        head += ["", f"⚠️ {words(doubt, 600)}"]
    if facts.decision:
        head += ["", "**Retrained because**", "", *(f"- {words(reason, 400)}" for reason in facts.decision.why)]
    head += ["", tables.rows_met(comparison, facts.params), ""]
    if comparison.metrics:
        head += [*table(tables.metric_table(comparison, facts.params)), ""]
        head.append("▲ better, ▼ worse beyond noise: the whole interval says so. ↑ more is better, ↓ less is better.")
    head += ["", costs(facts), *served(facts), *slices_that_moved(facts), *what_changed(facts)]
    return joined(head, details(facts), footer())


def standing(facts: Facts) -> str:
    """Whose change it is, and whether its model was promoted; empty where neither is known."""
    commit = f"commit {facts.commit}" if facts.commit else ""
    promoted = "promoted already: it is champion once this is merged" if facts.promoted else ""
    return "; ".join(part for part in (commit, promoted) if part)


def unchanged(facts: Facts) -> str:
    """What it means that there is nothing to compare."""
    return f"The pipeline gives what it gave at {code(facts.base_name)}: {models(facts)}."


def models(facts: Facts) -> str:
    """Which model it gives, and which is champion."""
    if facts.challenger == facts.champion:
        return f"champion {facts.champion[:8]}"
    champion = f"champion {facts.champion[:8]}" if facts.champion else "no champion yet"
    return f"challenger {facts.challenger[:8]}, {champion}"


def costs(facts: Facts) -> str:
    """Size and latency of both models, on one line."""
    comparison = facts.comparison
    if comparison is None or comparison.cost is None:
        return ""
    parts = [
        f"**{row[0]}** {row[2]} ({opponent(comparison)} {row[1]}, at most {row[3]})"
        for row in tables.cost_table(comparison, facts.params).rows
    ]
    marks = {gate.gate: tables.mark(gate) for gate in comparison.gates}
    others = [f"{mark} {name}" for name, mark in marks.items() if name in OTHER_GATES or name.endswith("unseen")]
    return f"- {', '.join(parts)}\n- other gates: {', '.join(others)}"


def served(facts: Facts) -> list[str]:
    """What is to serve the challenger."""
    return [f"- **serving:** {words(described(facts.serving), 400)}"] if facts.serving else []


def slices_that_moved(facts: Facts) -> list[str]:
    """The slices to look at."""
    comparison = facts.comparison
    if comparison is None or not comparison.slices:
        return []
    moved = tables.moved(comparison, facts.params)
    if not moved:
        return ["", f"**Slices:** none of {len(comparison.slices)} moved beyond noise."]
    shown = tables.slice_table(moved, comparison, facts.params).cut(MAX_AT_A_GLANCE)
    return ["", f"**Slices that moved:** {len(moved)} of {len(comparison.slices)}", "", *table(shown)]


def what_changed(facts: Facts) -> list[str]:
    """Parameters, libraries, data and code against the base, and what ran for it."""
    if not facts.changed and facts.comparison is None:
        return []
    lines = ["", f"**What changed** since {code(facts.base_name)}", ""]
    settings = facts.parameters + facts.libraries
    if settings:
        lines += [*table(tables.change_table(settings).cut(MAX_AT_A_GLANCE)), ""]
    bullets = []
    if facts.data:
        rows = {row[0]: f"{row[1]} → {row[2]}" for row in tables.held_table(facts.data).rows}
        bullets.append(f"data: {', '.join(f'{name} {values}' for name, values in rows.items())}")
        bullets.append(f"distributions: {distributions(facts)}")
    if facts.code:
        bullets.append(f"code: {words(facts.code)}")
    if facts.champion_commit:
        trained = code(facts.champion_commit[:7])
        bullets.append(f"the metrics are held against the champion of {trained}, trained before that")
    if not facts.changed:
        bullets.append("no parameter, library, data or code")
    bullets += [f"stages: {stages(facts)}"] if any(stage.ran is not None for stage in facts.stages) else []
    return [*lines, *(f"- {bullet}" for bullet in bullets)]


def distributions(facts: Facts) -> str:
    """The columns that moved furthest."""
    change = facts.data
    if change is None or change.unknown:
        return "not compared, since the rows of one side are neither here nor in the storage"
    moved = [one for one in change.drifts if one.moved]
    if not moved:
        return f"none of {len(change.drifts)} columns moved"
    named = [
        f"{code(one.column, 40)} (PSI {one.index:.2f}, {words(one.typical[0], 40)} → {words(one.typical[1], 40)})"
        for one in moved[:3]
    ]
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return f"{len(moved)} of {len(change.drifts)} columns moved: {', '.join(named)}{more}"


def stages(facts: Facts) -> str:
    """What ran, with its time, and what was cached."""
    ran = [f"{words(stage.name)} {stage.seconds:.1f} s" for stage in facts.stages if stage.ran]
    cached = [words(stage.name) for stage in facts.stages if stage.ran is False]
    return "; ".join([*([", ".join(ran)] if ran else []), *([f"{', '.join(cached)} cached"] if cached else [])])


def details(facts: Facts) -> list[tuple[str, list[str]]]:
    """What is read on demand, each with its title, the most important first."""
    comparison = facts.comparison
    if comparison is None:
        return []
    folds: list[tuple[str, list[str]]] = [(f"{len(comparison.gates)} gates", table(tables.gate_table(comparison)))]
    if comparison.slices:
        primary, ordered = facts.params.gates.primary, sorted(comparison.slices, key=lambda one: one.p)
        drawn = mermaid.slice_chart(comparison.slices, primary, opponent(comparison))
        listed = table(tables.slice_table(ordered, comparison, facts.params).cut(MAX_ROWS))
        folds.append((f"{primary} on {len(ordered)} slices", [*drawn, "", *listed]))
    if facts.importance:
        listed = table(importance_table(facts.importance, facts.params.gates.primary).cut(MAX_ROWS))
        folds.append((f"Permutation importance of {len(facts.importance)} columns", listed))
    if beside(facts.alternatives):
        listed = table(alternatives_table(facts.alternatives, facts.params.gates.primary))
        folds.append(("Beside other models", listed))
    if len(facts.search) > 1:
        listed = table(facts.candidates().cut(MAX_ROWS))
        folds.append((f"{len(facts.search)} candidates, by cross-validation", listed))
    settings = facts.parameters + facts.libraries
    if len(settings) > MAX_AT_A_GLANCE:
        folds.append((f"{len(settings)} settings and libraries", table(tables.change_table(settings).cut(MAX_ROWS))))
    if facts.data and facts.data.drifts:
        moved = table(tables.drift_table(facts.data).cut(MAX_ROWS))
        folds.append((f"Distributions of {len(facts.data.drifts)} columns", moved))
    if facts.scored:
        drawn = mermaid.score_chart(*facts.scored, opponent(comparison))
        title = "Errors" if facts.scored[0].kind == "regression" else "Calibration"
        folds += [(title, drawn)] if drawn else []
    if facts.stages:
        folds.append(("Stages and their inputs", table(tables.stage_table(facts.stages))))
    return folds


def footer() -> list[str]:
    """Where the plots are: in the artifacts of this run of a workflow, else a command away."""
    run = actions.run_address()
    if run:
        return ["", f"All plots: `report.html` in the [artifacts of this run]({run}#artifacts)."]
    return ["", "All plots: `report --html report.html`."]


def joined(head: list[str], details: list[tuple[str, list[str]]], foot: list[str] | None = None) -> str:
    """The report as one text. Details that would not go into a comment are left out, from the last on, and named."""
    left_out: list[str] = []
    while True:
        lines = [*head, *(line for title, lines in details for line in folded(title, lines)), *(foot or [])]
        if left_out:
            names = ", ".join(one_line(title) for title in left_out)
            lines += ["", f"Shortened to go into a comment; the page has the rest: {names}."]
        text = "\n".join(lines) + "\n"
        if len(text.encode()) <= LIMIT or not details:
            return text
        left_out.insert(0, details[-1][0])
        details = details[:-1]
