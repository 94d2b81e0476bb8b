"""Lives the closed loop of tests/test_closed_loop.py, and writes what was said between the marks of a page.

uv run python benchmarks/closed_loop.py PAGE
"""

import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter
from measure import around

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from test_closed_loop import Loop, live

ROOT = Path(__file__).parents[1]
FROM, TO = "<!-- loop -->", "<!-- end of loop -->"


def told(loop: Loop) -> str:
    """The story in the project's own words."""
    parts = [
        "Spring, as `monitor` shows it on 1 June:",
        *block(loop.spring),
        "`monitor.yml` opened these issues,",
        "\n".join(f"- {title}" for title in loop.issues),
        f"and started `retrain.yml` with the reason “{loop.reason}”. What came of that: {loop.outcome}.",
        "The first three weeks of summer with the new champion:",
        *block(loop.summer),
        "The champion of before, as the shadow of the new one, by `compare --live` on the same flights:",
        *block(loop.compared),
        f"The last words of the issue: “{loop.closed}”",
    ]
    return "\n\n".join(parts)


def block(said: str) -> list[str]:
    """The terminal, without what shows progress."""
    lines = [line.rstrip() for line in said.splitlines() if "days of the log" not in line]
    return ["```text\n" + "\n".join(lines).strip("\n") + "\n```"]


def main(page: Path) -> None:
    """Generate, live, and write."""
    before, after = around(page, FROM, TO)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder))
        loop = live(project, Path(folder) / "loop")
    page.write_text(f"{before}{told(loop)}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
