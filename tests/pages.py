"""The docs of a generated project as what can be run: their fenced blocks, and the settings that they name."""

import re
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

BLOCK = re.compile(r"^## (?P<heading>[^\n]*)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, the heading that it stands under (empty above the first), and its language (none: commands)."""

    heading: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """One a line, with the lines that continue it."""
        return [" ".join(line.split()) for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(page: Path) -> list[Block]:
    """All of a page, in order."""
    heading, found = "", []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["heading"] is not None:
            heading = match["heading"]
        else:
            found.append(Block(heading, match["language"], match["text"]))
    return found


def settle(project: Path, changes: dict[str, dict[str, object]]) -> None:
    """Change sections of params.yaml."""
    yaml, file = YAML(), project / "params.yaml"
    params = yaml.load(file.read_text(encoding="utf-8"))
    for section, values in changes.items():
        params[section].update(values)
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
