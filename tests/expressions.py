"""The expressions of GitHub Actions, evaluated: what an `if:` says for an event that never happened here.

After GitHub's reference of expressions: names and text are compared without case, what is not there is null,
and an `if:` that asks for no status means `success() && …`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

TOKEN = re.compile(r"\s*('(?:''|[^'])*'|\d+(?:\.\d+)?|&&|\|\||[!=]=|[<>]=?|[!()\[\],.*]|[A-Za-z_][\w-]*)")
STATUS = ("success", "failure", "cancelled", "always")
LITERALS = {"true": True, "false": False, "null": None}


def holds(condition: str | bool | None, context: dict[str, Any], status: str = "success") -> bool:
    """Whether a job or step with this `if:` runs, where what it needs ended in `status`."""
    if condition is None:
        return status == "success"
    text = str(condition).strip()
    text = text.removeprefix("${{").removesuffix("}}") if text.startswith("${{") else text
    asks = any(re.search(rf"\b{name}\s*\(", text) for name in STATUS)
    return (asks or status == "success") and bool(Expression(text, context, status).value())


def text_of(template: str, context: dict[str, Any]) -> str:
    """A value of the YAML with its `${{ }}` filled in."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda one: as_text(Expression(one[1], context).value()), template)


def as_text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def number(value: Any) -> float:
    """What a value counts as beside one of another type."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    return number(left) == number(right)


def contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(equal(one, what) for one in where)
    return as_text(what).lower() in as_text(where).lower()


class Expression:
    """One expression, read from left to right in the context of a run."""

    def __init__(self, text: str, context: dict[str, Any], status: str = "success") -> None:
        self.tokens: list[str] = []
        text = text.strip()
        while text:
            found = TOKEN.match(text)
            assert found, f"no expression: {text}"
            self.tokens.append(found[1])
            text = text[found.end() :].strip()
        self.context = context
        self.functions: dict[str, Callable[..., Any]] = {
            **{name: lambda name=name: name in ("always", status) for name in STATUS},
            "contains": contains,
            "startswith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
            "endswith": lambda text, end: as_text(text).lower().endswith(as_text(end).lower()),
            "format": lambda text, *values: text.format(*map(as_text, values)),
            "fromjson": json.loads,
            "tojson": json.dumps,
        }

    def value(self) -> Any:
        found = self.either()
        assert not self.tokens, f"left over: {self.tokens}"
        return found

    def next_is(self, *tokens: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in tokens

    def take(self, token: str | None = None) -> str:
        found = self.tokens.pop(0)
        assert token in (None, found), f"{token} expected, {found} found"
        return found

    def either(self) -> Any:
        left = self.both()
        while self.next_is("||"):
            self.take()
            right = self.both()
            left = left or right
        return left

    def both(self) -> Any:
        left = self.comparison()
        while self.next_is("&&"):
            self.take()
            right = self.comparison()
            left = left and right
        return left

    def comparison(self) -> Any:
        left = self.negation()
        if self.next_is("==", "!="):
            wanted = self.take() == "=="
            return equal(left, self.negation()) is wanted
        assert not self.next_is("<", ">", "<=", ">="), "not needed so far"
        return left

    def negation(self) -> Any:
        if self.next_is("!"):
            self.take()
            return not self.negation()
        return self.member(self.simple())

    def simple(self) -> Any:
        token = self.take()
        if token == "(":
            found = self.either()
            self.take(")")
            return found
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token[0].isdigit():
            return float(token)
        if self.next_is("("):
            return self.call(token)
        return LITERALS[token] if token in LITERALS else found_in(self.context, token)

    def call(self, name: str) -> Any:
        self.take("(")
        values = []
        while not self.next_is(")"):
            values.append(self.either())
            if self.next_is(","):
                self.take()
        self.take(")")
        return self.functions[name.lower()](*values)

    def member(self, found: Any) -> Any:
        while self.next_is(".", "["):
            if self.take() == "[":
                name = self.either()
                self.take("]")
                found = found[int(name)] if isinstance(found, list) else found_in(found, name)
            elif self.next_is("*"):
                self.take()
                found = Each(found.values() if isinstance(found, dict) else found or ())
            else:
                found = found_in(found, self.take())
        return found


class Each(list[Any]):
    """What `.*` found: a property of it is that of each."""


def found_in(where: Any, name: str) -> Any:
    """A property, whatever its case; null where there is none."""
    if isinstance(where, Each):
        return Each(value for one in where if (value := found_in(one, name)) is not None)
    if not isinstance(where, dict):
        return None
    return next((value for key, value in where.items() if key.lower() == str(name).lower()), None)
