"""The contract's type of a column never seen before, and how its texts are written, by its values."""

import re
import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from ..data.contract import (
    DIGITS,
    EPOCHS,
    MILLISECONDS,
    NUMBERS,
    PERCENT,
    PLAIN_NUMBER,
    SECONDS,
    TRUTHS,
    YEAR,
    Rule,
    convert,
    currency_of,
    is_exact,
    to_datetime,
    with_gaps,
)

DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d", "%d-%b-%y", "%d/%b/%Y")
HOURS = ("", " %I:%M %p", " %I:%M:%S %p", " %H:%M", " %H:%M:%S", " %H:%M:%S,%f", ":%H:%M:%S %z")
USUAL = [day + hour for day, hour in product(DAYS, HOURS)] + [
    "%a %b %d %H:%M:%S %z %Y",
    "%b %Y",
    "%m/%Y",
    "%Y-%m",
    "%Y/%m",
]
"""How dates are written that pandas does not guess."""

FIRST_DATE, LAST_DATE = 19000101, 21001231
TIMES = {YEAR: (1900.0, 2100.0), SECONDS: (5e8, 5e9), MILLISECONDS: (5e11, 5e12)}
"""Numbers that are moments where a column is said to hold such: years 1900 to 2100, else 1985 to 2128."""
MANY_DATES = 20
"""So many different numbers that all are dates such as 20240131 are dates."""

DECIMAL = r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?"
"""A number as a file or database may hold it in a column of text; without any point they are codes."""

THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+"
"""A whole number with points between thousands."""

NUMBER = r"\s*[+-]?\d[\d.,' %]*\s*"
"""What may be a number in one of the formats."""


CODE_NAME = re.compile(
    "zip|zipcode|postcode|postal|plz|phone|telephone|tel|mobile|fax|account|acct|iban|ean|upc|gtin|isbn|issn|imei|ssn|"
    "sku|barcode|vat"
)
"""Words of a column's name by which whole numbers of one width are codes, which nobody adds up."""
CODE_WIDTH = 4
CHECKED_WIDTH, CHECKED_VALUES = 8, 10
"""So many digits, in so many different numbers, that no chance makes all their check digits right."""


class ColumnType(NamedTuple):
    """The contract's type of a column, and the format of its texts where that is not the type's own."""

    name: str
    format: str | None = None


def type_of(column: pd.Series, is_time: bool = False) -> ColumnType:
    """By the values alone. `is_time`: whether few whole numbers such as 20240131 are taken for dates as well."""
    present = column.dropna()
    if pd.api.types.is_bool_dtype(column):
        return ColumnType("boolean")
    if pd.api.types.is_datetime64_any_dtype(column):
        return ColumnType("datetime")
    if pd.api.types.is_numeric_dtype(column):
        return type_of_numbers(present, is_time)
    texts = with_gaps(present).dropna().astype("str")
    if {TRUTHS.get(text) for text in texts.str.lower().unique()[:10]} == {True, False}:
        return ColumnType("boolean")
    pointed = texts.str.contains(".", regex=False)
    if pointed.any() and texts.str.fullmatch(DECIMAL).all() and not has_thousands(texts):
        return ColumnType("number")
    number = number_format(texts)
    if number:
        values = convert(texts, Rule(type="number", format=number))[0]
        return ColumnType("integer" if (values % 1 == 0).all() else "number", number)
    date = date_format(texts)
    return ColumnType("string") if date is None else ColumnType("datetime", date or None)


def type_of_numbers(present: pd.Series, is_time: bool) -> ColumnType:
    """Of numbers, none missing: dates without a sign between year, month and day, codes, integers or others."""
    if present.empty:
        return ColumnType("number")
    low, high = present.min(), present.max()
    times = [written for written, ends in TIMES.items() if is_time and within(low, high, ends)]
    if not pd.api.types.is_integer_dtype(present) and not (present % 1 == 0).all():
        epochs = [written for written in times if written in EPOCHS]
        return ColumnType("datetime", epochs[0]) if epochs else ColumnType("number")
    as_dates = low >= FIRST_DATE and high <= LAST_DATE and (is_time or present.nunique() >= MANY_DATES)
    if as_dates and to_datetime(present, DIGITS).notna().all():
        return ColumnType("datetime", DIGITS)
    if times:
        return ColumnType("datetime", times[0])
    if is_exact(int(low), int(high)):
        return ColumnType("integer")
    # A code: as a number it would be another one in JSON, and in every model.
    return ColumnType("string" if pd.api.types.is_integer_dtype(present) else "number")


def within(low: float, high: float, ends: tuple[float, float]) -> bool:
    """Whether a range lies between two ends."""
    return ends[0] <= low and high <= ends[1]


def is_code(name: str, column: pd.Series) -> bool:
    """Whether whole numbers are codes: by a name such as `station_id` or `zip`, or by right check digits."""
    present = column.dropna()
    if present.empty or present.min() < 0:
        return False
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    if words and words[-1].lower() in ("id", "ids"):
        return True
    digits = pd.Series(present.unique()).astype("Int64").astype("str")
    widths = digits.str.len()
    if widths.nunique() > 1:
        return False
    if any(CODE_NAME.fullmatch(word.lower()) for word in words):
        return bool(widths.iloc[0] >= CODE_WIDTH)
    return bool(widths.iloc[0] >= CHECKED_WIDTH and len(digits) >= CHECKED_VALUES and has_check_digits(digits))


def has_check_digits(digits: pd.Series) -> bool:
    """Whether the last digit of each text follows from the others: by Luhn (ISO/IEC 7812-1) or as in a GTIN.

    Luhn's are of payment cards, IMEI and many customer numbers; the GTIN's (GS1 General Specifications) of EAN, UPC
    and ISBN-13, whose width is 8, 12, 13 or 14.
    """
    values = np.array([[int(digit) for digit in reversed(text)] for text in digits])
    odd, even = values[:, 0::2], values[:, 1::2]
    luhn = odd.sum(axis=1) + (even * 2 // 10 + even * 2 % 10).sum(axis=1)
    gtin = odd.sum(axis=1) + 3 * even.sum(axis=1)
    return bool((luhn % 10 == 0).all() or (values.shape[1] in (8, 12, 13, 14) and (gtin % 10 == 0).all()))


def number_format(texts: pd.Series) -> str | None:
    """How numbers are written that a reader took for text; None where they are none.

    Where one sign in each number may part thousands or decimals, as in 1,234, it parts thousands.
    """
    sign = currency_of(str(texts.iloc[0])) if len(texts) else None
    if sign:
        return money_format(texts, sign)
    if texts.empty or not texts.head(100).str.fullmatch(NUMBER).all():
        return None
    if texts.str.fullmatch(r"[+-]?\d+").all() or texts.str.match(r"[+-]?0\d").any():
        return None  # whole numbers that were kept as text are codes
    signs = {PERCENT: "%"} | {written: thousands or decimal for written, (thousands, decimal) in NUMBERS.items()}
    for written, sign in signs.items():
        found = texts.str.contains(sign, regex=False).any()
        if found and convert(texts, Rule(type="number", format=written))[0].notna().all():
            return written
    return None


def has_thousands(texts: pd.Series) -> bool:
    """Whether each point in numbers may part thousands, and there is one."""
    pointed = texts[texts.str.contains(".", regex=False, na=False)]
    return bool(len(pointed) and pointed.str.fullmatch(THOUSANDS).all())


def money_format(texts: pd.Series, sign: str) -> str | None:
    """How numbers with the sign of a currency are written, None where not all are."""
    formats = [f"{sign}{written}" for written in (PLAIN_NUMBER, *NUMBERS)]
    for written in formats:
        if convert(texts, Rule(type="number", format=written))[0].notna().all():
            return written
    return None


def date_format(texts: pd.Series) -> str | None:
    """How dates are written: "" for ISO 8601, else as for strptime; None where they are not dates.

    Where day and month cannot be told apart in any row, the month comes first.
    """
    if texts.empty:
        return None
    if texts.head(100).str.match(r"\d{4}-\d\d-\d\d").all() and to_datetime(texts).notna().all():
        return ""
    first = texts.iloc[:1]
    for dayfirst in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            written = guess_datetime_format(str(texts.iloc[0]), dayfirst=dayfirst)
        if written and "%d" in written and "%Y" in written and to_datetime(texts, written).notna().all():
            return written
    for written in USUAL:
        if to_datetime(first, written).notna().all() and to_datetime(texts, written).notna().all():
            return written
    return None
