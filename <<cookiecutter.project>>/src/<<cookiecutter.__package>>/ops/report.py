"""What is said about a result: the table on the terminal, the report in Markdown, the model card."""

import json
from typing import Any

from rich.table import Table

from .. import paths
from ..errors import ProjectError
from ..model.artifact import load_card
from ..model.compare import Comparison, MetricPair, load_comparison
from ..params import Params
from ..project import Project
from .dvc import output_digest
from .figures import ends, figure, period

VERDICTS = {
    "promote": "✅ promote: the challenger may become champion",
    "keep": "⏸️ keep: the champion stays",
    "fail": "❌ fail: the challenger must not go live",
}


def metric_table(comparison: Comparison, params: Params) -> Table:
    """The metrics of both models, for the terminal."""
    champion = "champion" if comparison.champion else "baseline"
    table = Table(title=f"{comparison.rows:,} held-out rows{period(comparison.window)}", title_justify="left")
    for name in ("metric", champion, "challenger", "difference", "95 % interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, pair in comparison.metrics.items():
        style = "bold" if name == params.gates.primary else None
        table.add_row(*row(name, pair), style=style)
    return table


def row(name: str, pair: MetricPair) -> list[str]:
    """A metric as the cells of a table."""
    found = pair.difference
    interval = "" if found.low is None or found.high is None else f"[{found.low:+.4f}, {found.high:+.4f}]"
    return [name, figure(pair.champion), figure(pair.challenger), figure(found.value, "+"), interval]


def markdown_report(params: Params) -> str:
    """The last comparison, for a reviewer with one minute: the verdict and why, the metrics, the gates, the slices.

    Raises ProjectError when nothing was compared yet.
    """
    comparison = load_comparison()
    if comparison is None:
        raise ProjectError("nothing was compared yet: `compare` writes what `report` tells")
    champion = "champion" if comparison.champion else "baseline"
    lines = [f"## {VERDICTS[comparison.verdict]}", ""]
    lines += [f"- {reason}" for reason in comparison.reasons]
    if comparison.forced:
        lines += ["", f"Promoted against the verdict: {comparison.forced['why']}"]
    lines += ["", f"{comparison.rows:,} held-out rows{period(comparison.window)}.", ""]
    lines += table(
        ["metric", champion, "challenger", "difference", "95 % interval"],
        [
            row(f"**{name}**" if name == params.gates.primary else name, pair)
            for name, pair in comparison.metrics.items()
        ],
    )
    lines += ["", "### Gates", ""]
    lines += table(
        ["gate", "", "what was found"], [[g.gate, "✅" if g.passed else "❌", g.detail] for g in comparison.gates]
    )
    if comparison.slices:
        moved = sorted(comparison.slices, key=lambda found: found.p)
        lines += ["", f"<details><summary>{params.gates.primary} on {len(moved)} slices</summary>", ""]
        lines += table(
            ["slice", "rows", champion, "challenger", "difference", "p (Holm)"],
            [
                [s.slice, f"{s.rows:,}", figure(s.champion), figure(s.challenger), str(s.difference), f"{s.p:.3f}"]
                for s in moved
            ],
        )
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def write_model_card(params: Params, project: Project) -> None:
    """`reports/model_card.md`: the champion's card joined with its metrics and the comparison that promoted it."""
    card = load_card(paths.CHAMPION)
    measured = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    comparison = load_comparison()
    training, features = card["training"], card["features"]
    lines = [f"# Model card: {project.name}", "", project.description, ""]
    lines += table(
        ["", ""],
        [
            ["predicts", f"`{card['target']}` ({card['task']})"],
            ["model", f"`{card['estimator']}` {parameters(card['params'])}"],
            ["trained on", f"{training['rows']:,} rows{period(training)}"],
            ["evaluated on", f"{measured['rows']:,} newer rows{period(measured['window'])}"],
            ["digest of the model", f"`{output_digest(paths.CHAMPION_POINTER)}`"],
            ["digest of the data", f"`{output_digest(paths.RAW_POINTER)}`"],
            ["libraries", ", ".join(f"{name} {number}" for name, number in card["versions"].items())],
            ["commit", "the one that last changed `models/champion.dvc`: `git log -1 models/champion.dvc`"],
        ],
    )
    lines += ["", "## How good it is", ""]
    lines += table(
        ["metric", "value", "95 % interval", "trivial baseline"],
        [
            [name, figure(m["value"]), ends(m), figure(measured["baseline"].get(name, {}).get("value"))]
            for name, m in measured["model"].items()
        ],
    )
    lines += ["", "## Where it is weakest and strongest", ""]
    lines += slice_lines(params)
    if comparison:
        lines += ["## Why it was promoted", "", *(f"- {reason}" for reason in comparison.reasons)]
        if comparison.forced:
            lines += [f"- against the verdict `{comparison.verdict}`: {comparison.forced['why']}"]
    lines += ["", "## What it looks at", ""]
    lines += [f"- {kind}: {', '.join(f'`{name}`' for name in names)}" for kind, names in features.items() if names]
    paths.MODEL_CARD.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def slice_lines(params: Params) -> list[str]:
    """The primary metric on the extreme slices of each slicing column."""
    slices = json.loads(paths.SLICES.read_text(encoding="utf-8"))
    primary = params.gates.primary
    rows = []
    for column, values in slices.items():
        known = [(name, found) for name, found in values.items() if found[primary]["value"] is not None]
        known.sort(key=lambda item: item[1][primary]["value"])
        for name, found in known if len(known) <= 4 else [*known[:2], *known[-2:]]:
            rows.append(
                [f"{column} = {name}", f"{found['rows']:,}", figure(found[primary]["value"]), ends(found[primary])]
            )
    if not rows:
        return ["No slice has rows enough (`evaluate` in `params.yaml`).", ""]
    return [*table(["slice", "rows", primary, "95 % interval"], rows), ""]


def parameters(params: dict[str, Any]) -> str:
    """`max_iter = 150, learning_rate = 0.1`."""
    return ", ".join(f"{name} = {value}" for name, value in params.items())


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; a bar in a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
