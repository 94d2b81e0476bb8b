"""Markdown for GitHub out of plain text: whatever a column, a value or a log holds, it stays text."""

import html
import re

from .cells import Code, Strong, Table

MAX_LEN_CELL = 120
STRUCTURE = re.compile(r"[\\`*~|]|(?<!\w)_|_(?!\w)|\](?=[(\[])|^(?:[#=\[]|[-+](?=[-\s]|$)|\d+(?=[.)](?:\s|$)))")
"""What Markdown would take for itself: in the middle of a word or of an interval it is left as it is."""

HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}

CALLS = re.compile(r"([@#]|\b[Gg][Hh]-)(?=\w)")
"""What GitHub makes a link that notifies somebody: @name, #12, GH-12."""

JOINER = "\u2060"
"""Takes no room and parts a sign from the word behind it."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def words(text: str, longest: int = 1000) -> str:
    """Text to be read as it is: on one line, no part of it Markdown, HTML, a mention or a reference."""
    text = CALLS.sub(rf"\1{JOINER}", shortened(one_line(text), longest))
    text = STRUCTURE.sub(lambda match: f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}", text)
    return "".join(HTML.get(character, character) for character in text)


def code(text: str, longest: int = MAX_LEN_CELL) -> str:
    """Text to the letter, in a fence of more backticks than it holds itself."""
    shown = shortened(one_line(text), longest)
    if not shown:
        return "–"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    room = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{room}{shown}{room}{fence}"


def one_line(text: str) -> str:
    """Text without line breaks, control and direction characters."""
    return " ".join(CONTROL.sub(" ", text).split())


def shortened(text: str, longest: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cell(content: str) -> str:
    """A cell of a table: a bar in it does not end it."""
    if isinstance(content, Code):
        return code(content).replace("|", "\\|")
    return f"**{words(content)}**" if isinstance(content, Strong) else words(content)


def table(content: Table) -> list[str]:
    """The lines of a table."""
    rule = ["--:" if number in content.figures else "---" for number in range(len(content.header))]
    rows = [[words(name) for name in content.header], rule, *([cell(part) for part in row] for row in content.rows)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def fenced(lines: list[str], language: str = "") -> list[str]:
    """Lines to the letter, between fences that none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def folded(title: str, lines: list[str]) -> list[str]:
    """Lines that are read on demand."""
    return ["", f"<details><summary>{html.escape(one_line(title))}</summary>", "", *lines, "", "</details>"]
