"""The contract finds every broken rule, names it, and shows rows that break it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlops_template.data.contract import Contract, Violation, check, conform, load_contract
from mlops_template.errors import ProjectError


def found(rows: pd.DataFrame, **rules: dict[str, Any]) -> list[Violation]:
    """What is wrong with the rows, whose id is `id`."""
    contract = Contract.model_validate({"columns": {"id": {"type": "string", "unique": True}, **rules}})
    return check(conform(rows, contract), contract, "id")


def table(**columns: Any) -> pd.DataFrame:
    """A few rows named a, b, c, …"""
    frame = pd.DataFrame(columns)
    return frame.assign(id=[chr(ord("a") + number) for number in range(len(frame))])


def test_rows_that_keep_every_rule_pass(flights: pd.DataFrame, project: Path) -> None:
    contract = load_contract()
    assert check(conform(flights, contract), contract, "flight_id") == []


@pytest.mark.parametrize(
    ("values", "rule", "rows", "example"),
    [
        ([1, -3, 2], {"type": "number", "min": 0}, 1, "b: -3.0"),
        ([1, 20, 30], {"type": "integer", "max": 10}, 2, "b: 20"),
        (["x", "y", None], {"type": "string", "allowed": ["x"], "nullable": True}, 1, "b: y"),
        ([1.0, None, 2.0], {"type": "number"}, 1, "b: nan"),
        (["p", "p", "q"], {"type": "string", "unique": True}, 2, "a: p"),
        (["1", "two", "3"], {"type": "integer"}, 1, "b: two"),
        ([1.0, 1.5, 2.0], {"type": "integer"}, 1, "b: 1.5"),
        (["1.5", "much", "2"], {"type": "number"}, 1, "b: much"),
        (["yes", "no", "maybe"], {"type": "boolean"}, 1, "c: maybe"),
        (["2013-01-01", "yesterday", "2013-01-03"], {"type": "datetime"}, 1, "b: yesterday"),
        ([1, 2, 3], {"type": "datetime"}, 3, "a: 1"),
    ],
)
def test_a_broken_rule_is_named_with_its_rows(values: list[Any], rule: dict[str, Any], rows: int, example: str) -> None:
    (violation,) = found(table(value=values), value=rule)
    assert (violation.column, violation.rows) == ("value", rows)
    assert violation.examples[0] == example


def test_all_broken_rules_are_reported_at_once() -> None:
    violations = found(
        table(size=[1, -1, None], shape=["x", "y", "z"], surplus=[1, 2, 3]),
        size={"type": "number", "min": 0},
        shape={"type": "string", "allowed": ["x"]},
        absent={"type": "string"},
    )
    assert {(violation.column, violation.rows) for violation in violations} == {
        ("size", 1),
        ("shape", 2),
        ("surplus", 3),
        ("absent", 3),
    }
    assert len(violations) == 5


def test_text_takes_the_type_that_the_contract_gives_it() -> None:
    contract = Contract.model_validate(
        {
            "columns": {
                "whole": {"type": "integer"},
                "gaps": {"type": "integer", "nullable": True},
                "flag": {"type": "boolean"},
                "unsure": {"type": "boolean", "nullable": True},
                "day": {"type": "datetime"},
                "zone": {"type": "datetime"},
                "code": {"type": "string"},
            }
        }
    )
    rows = pd.DataFrame(
        {
            "whole": ["1", "2"],
            "gaps": ["1", None],
            "flag": ["True", "no"],
            "unsure": ["yes", None],
            "day": ["2013-01-31", "2013-02-01 05:15"],
            "zone": ["2013-01-31T12:00:00+02:00", "2013-01-31T12:00:00Z"],
            "code": [7, 8],
        }
    )
    typed = conform(rows, contract)
    assert [str(kind) for kind in typed.dtypes] == [
        *("int64", "float64", "bool", "boolean", "datetime64[us]", "datetime64[us]", "str")
    ]
    assert typed["zone"].tolist() == [pd.Timestamp("2013-01-31 10:00"), pd.Timestamp("2013-01-31 12:00")]
    assert check(typed, contract, "code") == []


@pytest.mark.parametrize("word", ["NA", "null", "nan", "N/A", ""])
def test_a_missing_value_in_words_is_a_gap_but_in_text(word: str) -> None:
    values = {"number": "1", "integer": "1", "boolean": "yes", "datetime": "2013-01-31", "string": "x"}
    contract = Contract.model_validate({"columns": {kind: {"type": kind} for kind in values}})
    rows = conform(pd.DataFrame({kind: [value, word] for kind, value in values.items()}), contract)
    assert rows.isna().iloc[1].to_dict() == {kind: kind != "string" for kind in values}
    assert {violation.rule for violation in check(rows, contract, "string")} == {"is not null"}


def test_dates_written_another_way_are_read_with_the_format_of_the_contract() -> None:
    contract = Contract.model_validate({"columns": {"day": {"type": "datetime", "format": "%d/%m/%Y"}}})
    assert conform(pd.DataFrame({"day": ["02/01/2013"]}), contract)["day"].tolist() == [pd.Timestamp("2013-01-02")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("columns:\n  a: { type: numeric }\n", "columns.a.type"),
        ("columns:\n  a: { type: number, minimum: 0 }\n", "columns.a.minimum"),
        ("columns:\n  a: { type: string, min: 0 }\n", "columns.a"),
        ("columns:\n  a: { type: string, format: '%Y' }\n", "columns.a"),
        ("columns:\n  a: { type: number\n", "not valid YAML"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_stands(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    with pytest.raises(ProjectError, match=reason):
        load_contract(path)
