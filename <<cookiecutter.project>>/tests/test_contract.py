"""The contract covers what the settings name, and finds what breaks it."""

import pandas as pd
from mlops_template.data.contract import Contract, check
from mlops_template.owner.modules import own_code
from mlops_template.settings.params import Params


def test_the_contract_has_every_column_that_is_not_derived(
    params: Params, contract: Contract, rows: pd.DataFrame
) -> None:
    """A column that is neither in the contract nor made by features.py is in no row."""
    columns, given = params.columns, rows.drop(columns=params.columns.target)
    derived = set(own_code("features").add_features(given)) - set(given)
    named = {columns.id, columns.target, *columns.features, *([columns.time] if columns.time else [])}
    assert named - derived <= set(contract.columns)


def test_good_rows_are_taken(params: Params, contract: Contract, rows: pd.DataFrame) -> None:
    assert check(rows, contract, params.columns.id) == []


def test_a_repeated_id_is_found(params: Params, contract: Contract, rows: pd.DataFrame) -> None:
    identifier = params.columns.id
    broken = rows.assign(**{identifier: rows[identifier].iloc[0]})
    assert identifier in {violation.column for violation in check(broken, contract, identifier)}


def test_a_missing_target_is_found(params: Params, contract: Contract, rows: pd.DataFrame) -> None:
    target = params.columns.target
    broken = rows.assign(**{target: rows[target].where(rows.index > 0)})
    assert target in {violation.column for violation in check(broken, contract, params.columns.id)}


def test_a_value_beyond_its_rule_is_found(params: Params, contract: Contract, rows: pd.DataFrame) -> None:
    """Above the maximum of a number, or other than the values allowed for a text."""
    beyond = {name: rule.max + 1 for name, rule in contract.columns.items() if rule.max is not None}
    other = {name: "no such value" for name, rule in contract.columns.items() if rule.type == "string" and rule.allowed}
    for name, value in {**beyond, **other}.items():
        broken = check(rows.assign(**{name: value}), contract, params.columns.id)
        assert name in {violation.column for violation in broken}
