"""The report: gathered once, told in Markdown and, where asked for, drawn as a page."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

from . import failure


def report(base: str, accept: str | None = None, failed: Path | None = None, html: Path | None = None) -> str:
    """The Markdown against the revision `base`; with `html`, the page is written there.

    `accept` is why it is accepted in spite of the verdict. `failed` is the log of a pipeline that failed: then
    there is no comparison, and the report is about that. What is told on the way goes to stderr.
    """
    if failed:
        if html:
            write(html, failure.page(failed))
        return failure.markdown(failed)

    from ..settings.params import load_params  # only now: the model's code may be what failed
    from . import page, summary
    from .facts import gather

    with redirect_stdout(sys.stderr):
        facts = gather(load_params(), base)
        if html:
            write(html, page.page(facts, accept))
        return summary.markdown(facts, accept)


def write(file: Path, text: str) -> None:
    """Write a file, and the folder it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
