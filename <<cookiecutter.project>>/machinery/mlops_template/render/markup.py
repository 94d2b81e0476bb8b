"""A page that needs nothing else, out of text or Markdown: whatever a column, a value or a log holds stays text."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from .cells import Code, Link, Strong, Table

STYLE = Path(__file__).with_name("page.css")

SIGNS = {"✅": ("good", "✓"), "❌": ("bad", "✗"), "▲": ("good", "▲"), "▼": ("bad", "▼")}

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Of the page's contents: no script runs and nothing is fetched, whatever a column or a log holds."""


def document(project: str, verdict: str, heading: str, parts: Iterable[str], around: Iterable[Link] = ()) -> str:
    """A whole page; `around` are the pages beside it, the one with an empty address is this one."""
    said = heading.partition(" ")[2]  # not every machine has a font with the sign before it
    title = f"{project}: {said}" if project else said
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>",
        f'<body class="{verdict}"><main>',
        navigation(around),
        f"<header><p>{escape(project)}</p><h1>{escape(said)}</h1></header>",
        *parts,
        "</main></body></html>",
    ]
    return "\n".join(lines) + "\n"


def navigation(around: Iterable[Link]) -> str:
    """The pages of a site."""
    entries = [link(one) if one.address else f'<span aria-current="page">{escape(one)}</span>' for one in around]
    return f'<nav aria-label="Pages">{"".join(entries)}</nav>' if entries else ""


def section(title: str, parts: Iterable[str]) -> Sequence[str]:
    """A part of the page under its heading."""
    return [f"<section><h2>{escape(title)}</h2>", *parts, "</section>"]


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph."""
    return f"<p{attribute(kind)}>{escape(text)}</p>"


def grid(figures: Iterable[str]) -> str:
    """Figures side by side, as many as there is room for."""
    return f'<div class="grid">{"".join(figures)}</div>'


def rendered(content: Table, drawn: Sequence[str] = (), place: int | None = None) -> str:
    """A table; drawings, where there are some, get a column of their own at that place, or the last."""
    header, rows = [escape(name) for name in content.header], [[cell(part) for part in row] for row in content.rows]
    kinds = ["figure" if number in content.figures else "" for number in range(len(header))]
    if drawn:
        where = len(header) if place is None else place
        for row, drawing in zip([header, *rows], ["", *drawn], strict=True):
            row.insert(where, drawing)
        kinds.insert(where, "")
    lines = [
        "".join(f"<{tag}{attribute(kind)}>{part}</{tag}>" for kind, part in zip(kinds, row, strict=True))
        for tag, row in [("th", header), *(("td", row) for row in rows)]
    ]
    head, body = f"<tr>{lines[0]}</tr>", "".join(f"<tr>{line}</tr>" for line in lines[1:])
    return f'<div class="wide" tabindex="0"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def link(content: Link) -> str:
    """A link."""
    return f'<a href="{escape(content.address)}">{escape(content)}</a>'


def from_markdown(text: str) -> str:
    """Markdown under the heading of a section. HTML in it stays text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    written = str(parser.renderer.render(tokens, parser.options, {}))
    return written.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")


def attribute(kind: str) -> str:
    """The class of an element, if it has one."""
    return f' class="{kind}"' if kind else ""


def cell(content: str) -> str:
    """A cell of a table. Signs of Markdown's emoji become plain ones in colour, which every font has."""
    if isinstance(content, Code):
        return f"<code>{escape(content)}</code>" if content else "–"
    if isinstance(content, Link):
        return link(content)
    text = escape(content)
    for sign, (kind, plain) in SIGNS.items():
        text = text.replace(sign, f'<span class="{kind}">{plain}</span>')
    return f"<strong>{text}</strong>" if isinstance(content, Strong) else text
