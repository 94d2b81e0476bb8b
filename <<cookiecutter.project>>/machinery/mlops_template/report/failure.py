"""The report of a pipeline that failed. It imports nothing of the model, whose code may be what is broken."""

import re
from html import escape
from pathlib import Path

from ..render.markdown import fenced, shortened, words
from ..render.markup import document, paragraph

FAILED = "❌ the pipeline failed"
LOG_LINES = 40
MAX_LEN_LINE = 300


def markdown(log: Path) -> str:
    """The report of a pipeline that failed: why, and its last words."""
    why, lines = last_words(log)
    said = ["", words(why)] if why else []
    return "\n".join([f"## {FAILED}", *said, "", "The end of its log:", "", *fenced(lines, "text")]) + "\n"


def page(log: Path) -> str:
    """The same as a page."""
    why, lines = last_words(log)
    body = [paragraph(why, "reason")] if why else []
    return document("", "fail", FAILED, [*body, f"<pre>{escape(chr(10).join(lines))}</pre>"])


def last_words(log: Path) -> tuple[str, list[str]]:
    """The error that a log tells of, empty where it tells of none, and its last lines."""
    try:
        text = log.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return f"it left no log at {log.name}", []
    lines = [readable(line) for line in text.split("\n")]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else "", [line for line in lines if line][-LOG_LINES:]


def readable(line: str) -> str:
    """A line of a log as a terminal would leave it: without colours and passwords, of a bar only its last state."""
    plain = re.sub(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])", "", line)
    plain = plain.rstrip("\r").rpartition("\r")[2]
    plain = re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", r"\1***@", plain)
    return shortened("".join(mark for mark in plain if mark == "\t" or mark.isprintable()), MAX_LEN_LINE).rstrip()
