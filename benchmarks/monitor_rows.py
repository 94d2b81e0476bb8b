"""Measures `monitor` over a large log: uv run python benchmarks/monitor_rows.py MILLIONS [--project DIR].

The log has rows of the sample's May to December, as often as it takes, with outcomes, over as many days.
"""

import argparse
import json
import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import generate, python, run

DAYS = 365
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
CODE = """
import json, sys
from pathlib import Path
from mlops_template.data.sample import year
from mlops_template.integrations.digests import directory_digest
from mlops_template.training.artifact import load_model
model = load_model(Path("models/champion"))
rows = year("late")
rows = rows[rows["departure"].dt.month > 4]
content = rows[list(model.request)].to_json(orient="records", lines=True, date_format="iso").splitlines()
predicted = model.predict(rows).to_numpy().tolist()
print(json.dumps({"model": directory_digest(Path("models/champion")), "late": rows["late"].tolist(),
    "rows": content, "predicted": [[*one, int(one[1] > 0.5)] for one in predicted]}))
"""


def fill(log: Path, project: Path, rows: int) -> None:
    """Write the tables, by SQL: the service would take hours."""
    empty = (
        "import sys; from mlops_template.prediction_log.log_tables import connect, create;create(connect(sys.argv[1]))"
    )
    run([python(project), "-c", empty, str(log)], project)
    told = subprocess.run([python(project), "-c", CODE], cwd=project, check=True, stdout=subprocess.PIPE, text=True)
    made = json.loads(told.stdout.splitlines()[-1])
    connection = sqlite3.connect(log)
    connection.execute("pragma synchronous = off")
    for day in range(DAYS):
        noon = BEGIN + timedelta(days=day, hours=12)
        first, stamp = f"{int(noon.timestamp() * 1000):012x}", f"{noon:%Y-%m-%d %H:%M:%S}.000000"
        numbers = range(rows // DAYS * day, rows // DAYS * (day + 1))
        places = [(number, number % len(made["rows"])) for number in numbers]
        connection.executemany(
            "insert into predictions values (?, ?, ?, null, ?, ?)",
            (
                (f"{first}{number:016x}-0", stamp, made["model"], made["rows"][at], json.dumps(made["predicted"][at]))
                for number, at in places
            ),
        )
        connection.executemany(
            "insert into outcomes values (?, ?, ?, 0)",
            ((f"{first}{number:016x}-0", str(made["late"][at]), stamp) for number, at in places),
        )
        connection.commit()
    connection.close()


def main() -> None:
    """Print a row."""
    parser = argparse.ArgumentParser()
    parser.add_argument("millions", type=float)
    parser.add_argument("--project", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = asked.project or generate(Path(scratch), setup=True)
        log = Path(scratch) / "log.db"
        fill(log, project, int(asked.millions * 1e6))
        found = run([str(Path(python(project)).with_name("flight-delays")), "monitor", "--log", str(log)], project)
    print(f"| {asked.millions:g} million rows, with outcomes | {found.seconds:.0f} s, {found.megabytes / 1e3:.1f} GB |")


if __name__ == "__main__":
    main()
