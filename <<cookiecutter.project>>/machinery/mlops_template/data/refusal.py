"""`reports/refused.md`: the rows that the contract does not allow, for whoever has to fix them."""

from ..settings import paths
from .contract import Violation


def write_refusal(title: str, advice: str, violations: list[Violation]) -> None:
    """Write column, rule, number of rows, and the first few of them."""
    lines = [
        f"# {title}",
        "",
        f"{advice} The rules stand in `{paths.CONTRACT}`.",
        "",
        "| column | rule broken | rows | examples (row: value) |",
        "| --- | --- | ---: | --- |",
    ]
    for violated in violations:
        examples = "; ".join(violated.examples).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {violated.column} | {violated.rule} | {violated.rows:,} | {examples} |")
    paths.REPORTS.mkdir(exist_ok=True)
    paths.REFUSED.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
