"""What the sections of `params.yaml` are made of: strict models, and stretches of time that are checked."""

import pandas as pd
from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of `params.yaml`: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def stretch_of_time(value: str | None) -> str | None:
    """A stretch of time, or none at all. Raises ValueError where it is something else, or negative."""
    if value is None:
        return None
    try:
        stretch = pd.Timedelta(value)
    except ValueError:
        raise ValueError(f"{value!r} is no stretch of time such as '28 days'") from None
    if not stretch >= pd.Timedelta(0):
        raise ValueError(f"{value!r} is negative")
    return value


def positive_stretch_of_time(value: str) -> str:
    """The same, longer than nothing."""
    if stretch_of_time(value) is None or not pd.Timedelta(value) > pd.Timedelta(0):
        raise ValueError(f"{value!r} is not positive")
    return value
