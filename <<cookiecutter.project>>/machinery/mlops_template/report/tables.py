"""The tables of a report, as plain cells, so that Markdown and the page show the same figures."""

from collections.abc import Iterable

from ..evaluation.comparison import Comparison, Cost, Difference, Gate, SliceDifference
from ..render.cells import Code, Strong, Table
from ..render.numbers import format_number, format_period
from ..settings.params import Params
from ..training.metrics import higher_is_better
from .changes import Change, DataChange, DataSummary, Stage
from .metric_table import TOO_FEW, opponent


def side(comparison: Comparison) -> str:
    """The opponent, and what of it was compared where that is not its model."""
    return opponent(comparison) + ("" if comparison.champion_source == "model" else f" ({comparison.champion_source})")


def rows_met(comparison: Comparison, params: Params) -> str:
    """On which rows they met, and how small a difference these could have shown."""
    rows = f"{comparison.rows:,} held-out rows{format_period(comparison.window)}"
    if comparison.champion_source == "metrics only":
        return f"{rows}, which this change has not seen; the champion's metrics are of its own holdout."
    met, primary = f"{rows}, which neither has seen.", params.gates.primary
    pair = comparison.metrics.get(primary)
    if pair is None or pair.difference.findable is None:
        return met
    size = f"{pair.difference.findable:.2g} in {primary}"
    return f"{met} A true difference of {size} would be found on them in four cases of five."


def with_sign(delta: Difference, metric: str) -> str:
    """The difference with its interval and what it means."""
    if delta.value is None:
        return "–"
    sign = TOO_FEW if delta.low is None or delta.high is None else delta.sign(higher_is_better(metric))
    return f"{delta} {sign}".strip()


def metric_table(comparison: Comparison, params: Params) -> Table:
    """Every metric of both models; the primary one first."""
    primary = params.gates.primary
    names = sorted(comparison.metrics, key=lambda name: name != primary)
    rows: list[list[str]] = []
    for name in names:
        pair, arrow = comparison.metrics[name], "↑" if higher_is_better(name) else "↓"
        label = f"{name} {arrow}"
        figures = [format_number(pair.champion), format_number(pair.challenger), with_sign(pair.difference, name)]
        rows.append([Strong(label) if name == primary else label, *figures, gates_of(name, comparison, params)])
    return Table(["metric", side(comparison), "this change", "difference, 95 % interval", "gate"], rows, (1, 2, 3))


def gates_of(metric: str, comparison: Comparison, params: Params) -> str:
    """The gates that stand on a metric, each with its mark and what it asks for."""
    gates, asked = params.gates, {}
    more = higher_is_better(metric)
    if metric in gates.limits:
        asked[f"{metric} limit"] = f"{'≥' if more else '≤'} {gates.limits[metric]:g}"
    if metric == gates.primary:
        margin = "" if gates.policy == "better" or not gates.margin else f" {'−' if more else '+'} {gates.margin:g}"
        asked["champion"] = f"{'>' if more else '<'} champion{margin}"
        asked["baseline"] = f"{'>' if more else '<'} baseline"
    gate_named = {gate.gate: gate for gate in comparison.gates}
    return ", ".join(
        f"{mark(gate_named[name])} {text}".replace(" ", "\xa0") for name, text in asked.items() if name in gate_named
    )


def mark(gate: Gate) -> str:
    """Whether a gate was passed."""
    return "✅" if gate.passed else "❌"


def gate_table(comparison: Comparison) -> Table:
    """Every gate with what was found."""
    rows = [[gate.gate, mark(gate), gate.detail] for gate in comparison.gates]
    return Table(["gate", "", "what was found"], rows)


def moved(comparison: Comparison, params: Params) -> list[SliceDifference]:
    """The slices whose interval leaves out 0 or that broke the gate, the worst first."""
    more = higher_is_better(params.gates.primary)
    changed = [one for one in comparison.slices if one.worse or one.difference.sign(True)]
    return sorted(changed, key=lambda one: (not one.worse, one.difference.gain(more)[0]))


def slice_table(slices: Iterable[SliceDifference], comparison: Comparison, params: Params) -> Table:
    """The primary metric of both models on slices."""
    rows: list[list[str]] = []
    for one in slices:
        figures = [f"{one.rows:,}", format_number(one.champion), format_number(one.challenger)]
        difference = with_sign(one.difference, params.gates.primary) + (" ❌" if one.worse else "")
        rows.append([Code(one.slice), *figures, difference])
    header = ["slice", "rows", opponent(comparison), "this change", f"{params.gates.primary}, 95 % interval"]
    return Table(header, rows, (1, 2, 3, 4))


def change_table(changes: list[Change]) -> Table:
    """Settings before and after."""
    rows = [[Code(one.name), value(one.before), value(one.after)] for one in changes]
    return Table(["setting", "before", "after"], rows)


def value(setting: str | None) -> str:
    """A setting; one that was not set is said so, one without content shows as empty."""
    return "not set" if setting is None else Code(setting) if setting.strip() else "empty"


def held_table(change: DataChange) -> Table:
    """Rows, partitions and dates of the data."""
    sides = (change.before, change.after)
    rows = [
        ["rows", *(f"{side.rows:,}" if side else "–" for side in sides)],
        ["partitions", *(str(side.partitions) if side else "–" for side in sides)],
    ]
    if any(side and side.first for side in sides):
        rows.append(["dates", *(dates(side) for side in sides)])
    return Table(["data", "before", "after"], rows, (1, 2))


def dates(side: DataSummary | None) -> str:
    """The first and the last day."""
    return f"{side.first[:10]} to {side.last[:10]}" if side and side.first and side.last else "–"


def drift_table(change: DataChange) -> Table:
    """How far each column moved."""
    rows: list[list[str]] = []
    for one in change.drifts:
        missing = [f", {share:.1%} missing" if any(one.missing) else "" for share in one.missing]
        sides = [Code(f"{typical}{gap}") for typical, gap in zip(one.typical, missing, strict=True)]
        rows.append([Code(one.column), f"{one.index:.2f}", "moved" if one.moved else "", *sides])
    return Table(["column", "PSI", "", *change.compared], rows, (1,))


def cost_table(comparison: Comparison, params: Params) -> Table:
    """Size and latency of both models."""
    costs = (comparison.champion_cost, comparison.cost)
    rows = [
        ["size", *(size(cost) for cost in costs), f"{params.gates.max_size_mb:g} MB"],
        ["one row, median", *(latency(cost) for cost in costs), f"{params.gates.max_latency_ms:g} ms"],
    ]
    return Table(["", opponent(comparison), "this change", "at most"], rows, (1, 2, 3))


def size(cost: Cost | None) -> str:
    """The size of a model."""
    return f"{cost.size_mb:.2f} MB" if cost else "–"


def latency(cost: Cost | None) -> str:
    """How long a model takes for a row."""
    return f"{cost.latency_ms:.1f} ms" if cost and cost.latency_ms is not None else "–"


def stage_table(stages: list[Stage]) -> Table:
    """Each stage, what became of it, and why."""
    rows: list[list[str]] = []
    for stage in stages:
        state = "–" if stage.ran is None else "ran" if stage.ran else "cached"
        seconds = f"{stage.seconds:.1f} s" if stage.ran and stage.seconds is not None else "–"
        rows.append([stage.name, state, seconds, Code(", ".join(stage.inputs)) if stage.inputs else "nothing"])
    return Table(["stage", "", "time", "inputs that differ"], rows, (2,))
