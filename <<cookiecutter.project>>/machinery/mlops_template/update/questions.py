"""Which answers a new version is rendered with: those recorded, those changed, and those that it asks for first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ProjectError
from ..settings.record import Answers

Ask = Callable[[str, Any], str | None]
"""Asks a question, with its default or choices; None where nobody can be asked: the default is taken."""


@dataclass(frozen=True)
class Given:
    """The answers, and a line on each that is new or changed."""

    answers: Answers
    lines: list[str]


def answered(new: dict[str, Any], old: dict[str, Any], recorded: Answers, changed: Answers, ask: Ask) -> Given:
    """The answers for the questions `new`. A default that changed changes no answer that was given.

    Raises ProjectError for an answer to a question that there is not, and for a choice that is no longer offered.
    """
    unknown = [name for name in changed if name not in new]
    if unknown:
        raise ProjectError(f"--answer {unknown[0]}: there is no such question, there are {', '.join(new)}")
    answers, lines = dict[str, str](), list[str]()
    for name, default in new.items():
        if name in changed:
            answers[name] = changed[name]
            lines.append(f"answer changed: {name} is {changed[name]}")
        elif name in recorded:
            answers[name] = recorded[name]
        else:
            reply = ask(name, default)
            first = default[0] if isinstance(default, list) else default
            if reply is not None:
                answers[name] = reply
            lines.append(f"new question: {name} is {first if reply is None else reply}")
        choices = default if isinstance(default, list) else None
        if choices and answers.get(name, choices[0]) not in choices:
            raise ProjectError(
                f"{name} was answered {answers[name]}, which is no longer offered: give another one with "
                f"--answer {name}={choices[0]} ({', '.join(choices)})"
            )
    lines += [f"question gone: {name}" for name in recorded if name in old and name not in new]
    return Given(answers, lines)
