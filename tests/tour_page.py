"""The tour of docs/tour.md: what the terminal and GitHub show on the way from `cookiecutter` to a pull request."""

import re
import textwrap

from support import ROOT

PAGE = ROOT / "docs" / "tour.md"

NOISE = re.compile(
    r"^(Running stage|> |Stage|Updating|To track|Use `dvc|Generating|'data|\s*$|\s+git add"
    r"|Using CPython|Creating virtual|Installed|Downloading|Prepared|Resolved"
    r"|\s+(Building|Built|Downloading|Downloaded) )"
)
"""Lines of DVC and uv that say nothing about the project."""


def terminal(command: str, said: str) -> str:
    """A command and what it said, as the page has it."""
    lines = [line.rstrip() for line in said.splitlines() if not NOISE.match(line)]
    return "\n".join(["```console", f"$ {command}", *lines, "```"])


def posted(comment: str) -> str:
    """A comment as the page has it: quoted, without its links, which lead to a repository that is none."""
    text = re.sub(r"<!--.*?-->\n?", "", comment, flags=re.DOTALL)
    text = re.sub(r"\[([^]\n]+)\]\([^)\n]+\)", r"\1", text)
    return textwrap.indent(text.strip(), "> ", lambda line: True).replace("> \n", ">\n")


def marks(name: str) -> tuple[str, str]:
    """What stands before and behind a part of the page."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"


def shown(name: str) -> str:
    """A part of the page."""
    begin, end = marks(name)
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()


def steady(part: str) -> list[str]:
    """Its lines without what differs between machines, days and releases of libraries.

    That is figures, digests, the width of a table, what they make better or choose; tables and plots of a comment.
    """
    text = re.sub(r"^> ```mermaid\n.*?^> ```\n", "", part, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^> \|.*\n| ?[▲▼]|  chosen", "", text, flags=re.MULTILINE)
    text = re.sub(r"(\d+ min )?\d+(\.\d+)? m?s\b", "# s", text)
    text = re.sub(r"\b[0-9a-f]{7,40}\b|[+-]?\d[\d,.]*", "#", text)
    return [re.sub(r"[─━]+", "─", " ".join(line.split())) for line in text.splitlines()]
