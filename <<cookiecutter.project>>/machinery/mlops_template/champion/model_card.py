"""The model card: what the champion is, how good it is and where, and why it was promoted."""

import json
from typing import Any

from ..evaluation.comparison import load_comparison
from ..evaluation.doubts import Importance, doubts, load_alternatives, load_importance
from ..integrations.dvc import output_digest
from ..render.cells import Code, Table
from ..render.markdown import code, table, words
from ..render.numbers import format_interval, format_number, format_period
from ..settings import paths
from ..settings.params import Params
from ..settings.project import Project
from ..training.card import load_card

MAX_COLUMNS = 10


def write_model_card(params: Params, project: Project) -> None:
    """`reports/model_card.md`: the champion's card joined with its metrics and the comparison that promoted it."""
    card = load_card(paths.CHAMPION)
    measured = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    comparison = load_comparison()
    training, features = card["training"], card["features"]
    lines = [f"# Model card: {project.name}", "", words(project.description), ""]
    facts: list[list[str]] = [
        ["predicts", Code(f"{card['target']} ({card['task']})")],
        ["model", Code(card["estimator"])],
        ["parameters", parameters(card["params"]) or "none set"],
        *([["decides for", decision(card)]] if card.get("threshold") else []),
        ["trained on", f"{training['rows']:,} rows{format_period(training)}"],
        ["evaluated on", f"{measured['rows']:,} newer rows{format_period(measured['window'])}"],
        ["digest of the model", Code(output_digest(paths.CHAMPION_POINTER) or "")],
        ["digest of the data", Code(output_digest(paths.RAW_POINTER) or "")],
        ["libraries", ", ".join(f"{name} {number}" for name, number in card["versions"].items())],
        ["commit", Code(f"git log -1 {paths.CHAMPION_POINTER.as_posix()}")],
    ]
    lines += table(Table(["", ""], facts))
    lines += ["", "## How good it is", ""]
    baseline = measured["baseline"]
    figures = [
        [
            name,
            format_number(m["value"]),
            format_interval(m),
            format_number(baseline.get(name, {}).get("value")),
        ]
        for name, m in measured["model"].items()
    ]
    lines += table(Table(["metric", "value", "95 % interval", "trivial baseline"], figures, (1, 2, 3)))
    lines += ["", "## Where it is weakest and strongest", ""]
    lines += slice_lines(params)
    if comparison:
        lines += ["## Why it was promoted", "", *(f"- {words(reason)}" for reason in comparison.reasons)]
        if comparison.forced:
            lines += [f"- against the verdict `{comparison.verdict}`: {words(comparison.forced['why'])}"]
    importance, alternatives = load_importance(), load_alternatives()
    for doubt in doubts(measured, importance, alternatives):
        lines += ["", f"**Warning:** {words(doubt)}"]
    if beside(alternatives):
        lines += ["", "## Beside other models", "", *table(alternatives_table(alternatives, params.gates.primary))]
    if importance:
        lines += [
            "",
            "## Permutation importance",
            "",
            *table(importance_table(importance, params.gates.primary).cut(MAX_COLUMNS)),
        ]
    if len(card["search"]) > 1:
        primary = params.gates.primary
        pair = comparison.metrics.get(primary) if comparison else None
        listed = search_table(card["search"], primary, pair.higher_is_better if pair else True).cut(MAX_COLUMNS)
        lines += ["", "## Candidates, by cross-validation", "", *table(listed)]
    lines += ["", "## What it looks at", ""]
    lines += [f"- {kind}: {', '.join(map(code, names))}" for kind, names in features.items() if names]
    if card.get("derived"):
        lines += [f"- of these derived by features.py: {', '.join(map(code, card['derived']))}"]
    paths.MODEL_CARD.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def search_table(search: list[dict[str, Any]], primary: str, higher_is_better: bool) -> Table:
    """The candidates of a search with their mean score over the folds, the best first."""
    best_first = sorted(search, key=lambda one: float("-inf") if one["mean"] is None else one["mean"], reverse=True)
    rows: list[list[str]] = []
    for one in best_first:
        mean = one["mean"] if one["mean"] is None or higher_is_better else -one["mean"]
        name = one["estimator"].rpartition(".")[2]
        rows.append([Code(name), parameters(one["params"]), format_number(mean), "chosen" if one["chosen"] else ""])
    return Table(["candidate", "parameters", f"mean {primary}", ""], rows, (2,))


def importance_table(importance: Importance, primary: str) -> Table:
    """The columns in order of their importance."""
    rows = [[Code(name), format_number(loss["value"]), format_interval(loss)] for name, loss in importance.items()]
    return Table(["column", f"{primary} lost without it", "95 % interval"], rows, (1, 2))


def beside(alternatives: dict[str, Any]) -> list[tuple[str, dict[str, float | None]]]:
    """What is known of other models on the holdout: in words, with the difference."""
    linear = alternatives.get("linear")
    rows = [("beside a linear model", linear["difference"])] if linear else []
    return rows + [(f"a model {one['age']} older", one["difference"]) for one in alternatives.get("older", [])]


def alternatives_table(alternatives: dict[str, Any], primary: str) -> Table:
    """The challenger beside a linear model, and what age costs: older models minus the newest."""
    rows = [[name, format_number(one["value"]), format_interval(one)] for name, one in beside(alternatives)]
    return Table(["", f"difference in {primary}", "95 % interval"], rows, (1, 2))


def decision(card: dict[str, Any]) -> str:
    """The class that a binary classifier decides for above its threshold."""
    return Code(f"{card['positive']} above a probability of {card['threshold']:g}")


def slice_lines(params: Params) -> list[str]:
    """The primary metric on the extreme slices of each slicing column."""
    slices = json.loads(paths.SLICES.read_text(encoding="utf-8"))
    primary = params.gates.primary
    rows: list[list[str]] = []
    for column, values in slices.items():
        defined = [
            (name, measured_slice)
            for name, measured_slice in values.items()
            if measured_slice[primary]["value"] is not None
        ]
        defined.sort(key=lambda item: item[1][primary]["value"])
        for name, measured_slice in defined if len(defined) <= 4 else [*defined[:2], *defined[-2:]]:
            measured = measured_slice[primary]
            rows.append(
                [
                    Code(f"{column} = {name}"),
                    f"{measured_slice['rows']:,}",
                    format_number(measured["value"]),
                    format_interval(measured),
                ]
            )
    if not rows:
        return ["No slice has rows enough (`evaluate` in `params.yaml`).", ""]
    return [*table(Table(["slice", "rows", primary, "95 % interval"], rows, (1, 2, 3))), ""]


def parameters(params: dict[str, Any]) -> str:
    """`max_iter = 150, learning_rate = 0.1`."""
    return ", ".join(f"{name} = {value}" for name, value in params.items())
