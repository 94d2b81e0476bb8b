"""What the sections of `params.yaml` are made of: strict models, and stretches of time that are checked."""

import re

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of `params.yaml`: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PLAIN = re.compile(r"(\d+) (minute|hour|day|week)s?")
"""What params.yaml mostly holds, read without pandas, which takes longer to load than all else here."""


def stretch_of_time(value: str | None) -> str | None:
    """A stretch of time, or none at all. Raises ValueError where it is something else, or negative."""
    if value is not None:
        is_positive(value)
    return value


def positive_stretch_of_time(value: str) -> str:
    """The same, longer than nothing."""
    if not is_positive(value):
        raise ValueError(f"{value!r} is not positive")
    return value


def is_positive(value: str) -> bool:
    """Whether a stretch of time is longer than nothing. Raises ValueError where it is none, or negative."""
    plain = PLAIN.fullmatch(value)
    if plain:
        return int(plain[1]) > 0
    import pandas as pd

    try:
        stretch = pd.Timedelta(value)
    except ValueError:
        raise ValueError(f"{value!r} is no stretch of time such as '28 days'") from None
    if not stretch >= pd.Timedelta(0):
        raise ValueError(f"{value!r} is negative")
    return bool(stretch > pd.Timedelta(0))
