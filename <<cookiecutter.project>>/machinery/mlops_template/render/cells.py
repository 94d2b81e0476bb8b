"""Tables as plain cells, before they become Markdown or HTML."""

from dataclasses import dataclass


class Code(str):
    """A cell with somebody's own words: a name, a value. It is shown to the letter."""


class Strong(str):
    """A cell that stands out."""


class Link(str):
    """A cell that leads to another page."""

    address: str

    def __new__(cls, text: str, address: str) -> "Link":
        link = super().__new__(cls, text)
        link.address = address
        return link


@dataclass(frozen=True)
class Table:
    """Rows under a header; the columns in `figures` are aligned to the right."""

    header: list[str]
    rows: list[list[str]]
    figures: tuple[int, ...] = ()

    def cut(self, most: int) -> "Table":
        """The first rows, and one that tells how many more there are."""
        if len(self.rows) <= most:
            return self
        more = [f"… and {len(self.rows) - most:,} more", *[""] * (len(self.header) - 1)]
        return Table(self.header, [*self.rows[:most], more], self.figures)
