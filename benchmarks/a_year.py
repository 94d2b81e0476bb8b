"""Lives the sample's year at level automatic, month by month, and writes its figures between the marks of a page.

uv run python benchmarks/a_year.py PAGE
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from cookiecutter.main import cookiecutter
from measure import around

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from test_retrain_run import live_automatic
from year import Scored

ROOT = Path(__file__).parents[1]
FROM, TO = "<!-- year -->", "<!-- end of year -->"
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def figures(months: list[Scored]) -> str:
    """A table, and a chart that GitHub draws."""
    rows = ["| month | frozen in March | serving | gain | the retraining on it |", "|---|---:|---:|---:|---|"]
    for month in months:
        gain = month.serving - month.frozen
        name = f"{NAMES[month.number - 1]} 2013"
        rows.append(f"| {name} | {month.frozen:.3f} | {month.serving:.3f} | {gain:+.3f} | {month.outcome} |")
    frozen = sum(month.frozen for month in months) / len(months)
    serving = sum(month.serving for month in months) / len(months)
    rows.append(f"| mean | {frozen:.3f} | {serving:.3f} | {serving - frozen:+.3f} | |")
    lines = [[round(month.serving, 4) for month in months], [round(month.frozen, 4) for month in months]]
    chart = [
        "```mermaid",
        "xychart-beta",
        '    title "ROC AUC by month: serving (first line), frozen (second)"',
        f"    x-axis [{', '.join(NAMES[month.number - 1] for month in months)}]",
        f'    y-axis "ROC AUC" {min(map(min, lines)) - 0.01:.2f} --> {max(map(max, lines)) + 0.01:.2f}',
        *(f"    line {line}" for line in lines),
        "```",
    ]
    return "\n".join([*rows, "", *chart])


def main(page: Path) -> None:
    """Generate, live, and write."""
    before, after = around(page, FROM, TO)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder))
        months = live_automatic(project, Path(folder) / "year", every_month=True)
    print(json.dumps([asdict(month) for month in months], indent=1))
    page.write_text(f"{before}{figures(months)}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
