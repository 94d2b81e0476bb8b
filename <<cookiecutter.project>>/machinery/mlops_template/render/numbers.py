"""How figures, intervals and periods are written, the same everywhere."""

from typing import Any


def format_number(value: float | None, sign: str = "") -> str:
    """A figure with four decimals, a dash where it is undefined."""
    return "–" if value is None else f"{value:{sign}.4f}"


def format_period(window: dict[str, str | None]) -> str:
    """`, 2013-03-04 to 2013-03-31`, empty where the data has no time."""
    return f", {window['first'][:10]} to {window['last'][:10]}" if window["first"] and window["last"] else ""


def format_interval(metric: dict[str, Any]) -> str:
    """The two ends of an interval."""
    return "" if metric["low"] is None else f"[{metric['low']:.4f}, {metric['high']:.4f}]"
