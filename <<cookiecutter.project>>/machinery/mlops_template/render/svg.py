"""Plots as SVG: axes, lines, steps and bands in the colours of the page's style sheet, and nothing else.

Hand-made, because what a library would bring is more than these few shapes need. Vega-Lite, rendered while the page is
built (vl-convert), takes 84 MB in each environment and 11 KB for a chart that takes 3 KB here; in the page, a script of
megabytes.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import count, pairwise

WIDTH, HEIGHT = 380, 274
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 56
MAX_LEN_LABEL, MAX_LEN_SLANTED = 10, 8
CHARACTER = 7.5
"""The width of one, at the size of the labels."""

Point = tuple[float, float]
Range = tuple[float, float]


class Plot:
    """One plot with its axes. What is drawn first lies lowest; `kind` is a class of the style sheet."""

    _numbers = count(1)

    def __init__(
        self,
        title: str,
        description: str,
        x: Range,
        y: Range,
        labels: tuple[str, str],
        names: dict[float, str] | None = None,
    ) -> None:
        """`description` says in words what is to be seen; `names` stand at places of x instead of figures."""
        self.title, self.description, self.labels, self.names = title, description, labels, names
        self.x, self.y = widened(x), widened(y)
        self.shapes: list[str] = []

    def at(self, point: Point) -> Point:
        """Where a point lies on the drawing."""
        across, up = ((value - low) / (high - low) for value, (low, high) in zip(point, (self.x, self.y), strict=True))
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Iterable[Point], kind: str, name: str = "") -> None:
        """A line through points."""
        self.shapes.append(f'<polyline class="{kind}" points="{self.path(points)}">{hint(name)}</polyline>')

    def area(self, points: Sequence[Point], kind: str, name: str = "") -> None:
        """What lies between a line and the foot of the plot."""
        foot = self.y[0]
        corners = [(points[0][0], foot), *points, (points[-1][0], foot)]
        self.shapes.append(f'<polygon class="{kind} area" points="{self.path(corners)}">{hint(name)}</polygon>')

    def dots(self, points: Iterable[Point], kind: str, named: Iterable[str]) -> None:
        """A dot for each point, with the words that hovering shows."""
        for point, name in zip(points, named, strict=True):
            x, y = self.at(point)
            self.shapes.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">{hint(name)}</circle>')

    def whiskers(self, ends: Iterable[tuple[float, float, float]], kind: str) -> None:
        """An upright line at each x, from low to high."""
        for x, low, high in ends:
            self.shapes.append(f'<polyline class="{kind} whisker" points="{self.path([(x, low), (x, high)])}"/>')

    def steps(self, edges: Sequence[float], heights: Sequence[float], kind: str, name: str = "") -> None:
        """A histogram as its outline, filled."""
        points = [
            (edge, height)
            for left, right, height in zip(edges, edges[1:], heights, strict=False)
            for edge, height in ((left, height), (right, height))
        ]
        self.area(points, kind, name)
        self.line(points, kind, name)

    def bars(self, heights: Sequence[Sequence[float]], kinds: Sequence[str], named: Sequence[str]) -> None:
        """For each place from 0 on a bar of each kind, side by side."""
        room = 0.8 / len(kinds)
        for number, (side, kind) in enumerate(zip(heights, kinds, strict=True)):
            for place, height in enumerate(side):
                left, top = self.at((place - 0.4 + number * room, height))
                right, foot = self.at((place - 0.4 + (number + 1) * room, self.y[0]))
                size = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{max(foot - top, 0):.1f}"'
                words = f"{(self.names or {}).get(place, place)}, {named[number]}: {height:.1%}"
                self.shapes.append(f'<rect class="{kind} bar" {size}>{hint(words)}</rect>')

    def path(self, points: Iterable[Point]) -> str:
        """Points as SVG writes them."""
        return " ".join("{:.1f},{:.1f}".format(*self.at(point)) for point in points)

    def __str__(self) -> str:
        number = next(self._numbers)
        title, description = f"plot-{number}-title", f"plot-{number}-description"
        return "\n".join(
            [
                f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{title} {description}">',
                f'<title id="{title}">{escape(self.title)}</title>',
                f'<desc id="{description}">{escape(self.description)}</desc>',
                *self.axes(),
                *self.shapes,
                "</svg>",
            ]
        )

    def axes(self) -> Iterable[str]:
        """The grid, its figures and the names of the axes."""
        bottom, middle = HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) / 2
        for value in ticks(self.y):
            y = self.at((self.x[0], value))[1]
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{written(value, self.y)}</text>'
        if self.names:
            yield from self.places(self.names)
        else:
            for value in ticks(self.x):
                x = self.at((value, self.y[0]))[0]
                yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
                yield f'<text x="{x:.1f}" y="{bottom + 22}" text-anchor="middle">{written(value, self.x)}</text>'
        below, beside = map(escape, self.labels)
        turn = f'transform="translate(12 {(TOP + bottom) / 2:.0f}) rotate(-90)"'
        yield f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{below}</text>'
        yield f'<text class="label" {turn} text-anchor="middle">{beside}</text>'

    def places(self, names: dict[float, str]) -> Iterable[str]:
        """The names under their places; slanted where they would run into each other."""
        short = [shortened(name, MAX_LEN_LABEL) for name in names.values()]
        across = [self.at((place, self.y[0]))[0] for place in names]
        widths = [CHARACTER * len(name) for name in short]
        middles = [min(x, WIDTH - width / 2) for x, width in zip(across, widths, strict=True)]  # none sticks out
        room = zip(pairwise(middles), pairwise(widths), strict=True)
        slanted = any(right - left < sum(pair) / 2 + CHARACTER for (left, right), pair in room)
        for x, middle, name, whole in zip(across, middles, short, names.values(), strict=True):
            turn = f'text-anchor="end" transform="translate({x + 4:.1f} {HEIGHT - BOTTOM + 12}) rotate(-35)"'
            where = turn if slanted else f'text-anchor="middle" x="{middle:.1f}" y="{HEIGHT - BOTTOM + 22}"'
            said = shortened(whole, MAX_LEN_SLANTED) if slanted else name
            yield f"<text {where}>{escape(said)}{hint(whole)}</text>"


def interval(ends: Range, value: float, frame: Range, marks: dict[str, float], kind: str, label: str) -> str:
    """An interval with its value on a line of its own, for the cell of a table; `marks` are upright lines by kind."""
    low, high = widened(frame)

    def at(number: float) -> float:
        return 4 + 152 * (min(max(number, low), high) - low) / (high - low)

    words = escape(label)
    upright = (f'<line class="{mark}" x1="{at(x):.1f}" x2="{at(x):.1f}" y1="0" y2="18"/>' for mark, x in marks.items())
    return "".join(
        [
            f'<svg class="interval" viewBox="0 0 160 18" role="img" aria-label="{words}"><title>{words}</title>',
            *upright,
            f'<line class="{kind}" x1="{at(ends[0]):.1f}" x2="{at(ends[1]):.1f}" y1="9" y2="9"/>',
            f'<circle class="{kind}" cx="{at(value):.1f}" cy="9" r="4"/></svg>',
        ]
    )


def shortened(name: str, most: int) -> str:
    """A name of at most so many characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def hint(words: str) -> str:
    """What hovering shows."""
    return f"<title>{escape(words)}</title>" if words else ""


def widened(span: Range) -> Range:
    """A range with some extent."""
    low, high = span
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def ticks(span: Range, about: int = 5) -> list[float]:
    """Round figures within a range: steps of 1, 2 or 5 times a power of ten."""
    low, high = span
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def written(value: float, span: Range) -> str:
    """A figure on an axis, with the decimals that its steps need."""
    step = (span[1] - span[0]) / 5
    decimals = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    return f"{value + 0.0:,.{decimals}f}".replace("-", "−")
