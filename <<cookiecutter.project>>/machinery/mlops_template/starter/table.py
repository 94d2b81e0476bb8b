"""The table that a project is to be about: its rows, read as `ingest` will read them from then on."""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.contract import EXACT
from ..data.source_files import expand, is_parquet, read_file, read_files
from ..data.source_query import read_sql
from ..errors import ProjectError
from ..settings.params import Files, Sql
from .column_type import has_thousands, number_format

PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
"""A name that no database needs to have quoted."""


def format_of(text: str) -> tuple[str, str]:
    """(column, format) of what `--format` says. Raises ProjectError where it says something else."""
    column, sign, written = text.rpartition("=")
    if not sign:
        raise ProjectError(f"--format {text}: write COLUMN=FORMAT, as in --format day=%d.%m.%Y")
    return column, written


def read(table: str, as_text: list[str]) -> tuple[dict[str, Any], pd.DataFrame]:
    """(the section `data` that names the table as the source from now on, its rows).

    In a CSV file what looks like a number is one, but for the columns in `as_text` and for codes.
    """
    if "::" in table and not table.startswith(("zip::", "simplecache::", "filecache::")):
        url, _, name = table.rpartition("::")
        refuse_password(url)
        quoted = ".".join(part if PLAIN.fullmatch(part) else f'"{part}"' for part in name.split("."))
        sql = {"url": url, "query": f"SELECT * FROM {quoted}"}
        return {"source": "sql", "sql": sql}, pd.concat(read_sql(Sql(**sql), None, None), ignore_index=True)
    here = Path(table).is_absolute() and "://" not in table
    path = Path(os.path.relpath(table)).as_posix() if here else table
    files = {"paths": [path]}
    texts = [*codes(Files(**files)), *as_text]
    return {"source": "files", "files": files}, pd.concat(read_files(Files(**files), texts), ignore_index=True)


def codes(files: Files) -> list[str]:
    """The columns of CSV files whose numbers are none.

    Whole ones with zeros in front, or too large for floating point: zip codes, accounts, telephones. Where a decimal
    comma is in use, those with a point before three digits: 1.234 then is a thousand.
    """
    as_text: set[str] = set()
    for path in expand(files.paths):
        if not is_parquet(path):
            rows = read_file(path, [])
            numbers = rows.select_dtypes("number").columns.tolist()
            texts = read_file(path, numbers)[numbers]
            kept: list[str] = rows.select_dtypes("str").columns.tolist()
            comma = any((number_format(rows[name].dropna()) or "").endswith(",5") for name in kept)
            as_text |= {name for name in numbers if texts[name].str.fullmatch(r"[+-]?0\d+").any()}
            as_text |= {name for name in numbers if comma and has_thousands(texts[name])}
            large = [name for name in numbers if rows[name].abs().max() > EXACT]
            as_text |= {name for name in large if texts[name].dropna().str.fullmatch(r"[+-]?\d+").all()}
    return sorted(as_text)


def refuse_password(url: str) -> None:
    """A secret must not get into `params.yaml`, which git keeps."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if url.startswith("env:"):
        return
    try:
        password = make_url(url).password
    except ArgumentError:
        raise ProjectError(f"{url} is no database URL such as sqlite:///shop.db or env:DATABASE_URL") from None
    if password:
        raise ProjectError(
            "the URL holds a password: set it as DATABASE_URL in the environment and adopt env:DATABASE_URL::TABLE"
        )
