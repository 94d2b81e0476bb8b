"""Makes the pictures of the README from a real run: uv run python benchmarks/pictures.py

A project with the default answers lives through the spring of the sample: its champion predicts two months, `monitor`
draws their page, a fresh month comes in, `run` trains on it, `report` draws the page of the change. Needs Chromium.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from measure import generate
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI, TerminalTheme
from rich.text import Text

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from production import months, play

from browser import photograph
from support import cli

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1200, 800
THEMES: dict[str, TerminalTheme] = {"light": DEFAULT_TERMINAL_THEME, "dark": MONOKAI}
NOISE = re.compile(r"^(Running stage|> |Stage|Updating|To track|Use `dvc|Generating|'data|\s*$|\s+git add)")


def terminal(said: list[tuple[str, str]], title: str) -> None:
    """Draw commands with what they said, as a terminal shows it."""
    for name, theme in THEMES.items():
        console = Console(record=True, width=98, file=io.StringIO(), force_terminal=True)
        for command, answer in said:
            console.print(Text(f"$ {command}", style="bold"))
            for line in answer.splitlines():
                if not NOISE.match(line):
                    console.print(Text(line))
            console.print()
        drawn = console.export_svg(title=title, theme=theme)
        drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # a picture fetches nothing
        (IMAGES / f"terminal-{name}.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    """Live, and draw."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project, log, page = generate(folder, setup=True), folder / "predictions.db", folder / "page.html"
        rows = months("2013-04-01", "2013-06-01")
        play(project, str(log), rows)
        rows[["flight_id", "late"]].to_csv(folder / "outcomes.csv", index=False)
        cli(project, "feedback", str(folder / "outcomes.csv"), "--log", str(log))
        cli(project, "monitor", "--log", str(log), "--html", str(page))
        pictures("monitoring", page)
        program = f"uv run {project.name}"
        said = [(f"{program} {verb}", cli(project, verb)) for verb in ("ingest", "run", "promote")]
        terminal(said, project.name)
        cli(project, "report", "--html", str(page))
        pictures("report", page)


def pictures(name: str, page: Path) -> None:
    """A page, light and dark."""
    for scheme in THEMES:
        file = IMAGES / f"{name}-{scheme}.png"
        photograph(page.read_text(encoding="utf-8"), file, WIDTH, HEIGHT, scheme == "dark")


if __name__ == "__main__":
    main()
