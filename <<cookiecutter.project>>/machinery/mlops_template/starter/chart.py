"""The end of the demo: month by month, the champion of the day and the first model, on rows new to both."""

from dataclasses import dataclass

WIDTH = 48
CHAMPION, FIRST, BOTH = "●", "○", "◉"


@dataclass(frozen=True)
class Month:
    """What the champion that served at its beginning and the first model reach on a month's rows."""

    name: str
    champion: float
    first: float


def chart(months: list[Month], name: str, higher_is_better: bool) -> list[str]:
    """A line for each month, with a mark for each of the two; then what it comes to."""
    values = [value for month in months for value in (month.champion, month.first)]
    low, high = min(values), max(values)
    reach = (high - low) or 1.0

    def place(value: float) -> int:
        return round((value - low) / reach * (WIDTH - 1))

    better = "more" if higher_is_better else "less"
    lines = [
        f"{name} on each new month, {better} is better: {CHAMPION} the champion of the day, {FIRST} the first model"
    ]
    for month in months:
        drawn = ["·"] * WIDTH
        champion, first = place(month.champion), place(month.first)
        drawn[first], drawn[champion] = FIRST, CHAMPION if champion != first else BOTH
        change = f"{month.champion - month.first:+.4f}" if month.champion != month.first else "the same"
        lines.append(
            f"{month.name:<10} {FIRST} {month.first:.4f} {''.join(drawn)} {CHAMPION} {month.champion:.4f}  {change}"
        )
    ours = sum(month.champion for month in months) / len(months)
    frozen = sum(month.first for month in months) / len(months)
    return [*lines, f"{'mean':<10} {FIRST} {frozen:.4f} {'':{WIDTH}} {CHAMPION} {ours:.4f}  {ours - frozen:+.4f}"]
