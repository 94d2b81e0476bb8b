"""The contract covers what the settings name, and finds what breaks it."""

import pandas as pd
from mlops_template.data.contract import Contract, check
from mlops_template.settings.params import Params


def test_the_contract_has_every_column_that_is_not_derived(
    params: Params, contract: Contract, rows: pd.DataFrame
) -> None:
    columns = params.columns
    named = {columns.id, columns.target, *columns.features, *([columns.time] if columns.time else [])}
    assert named & set(rows) <= set(contract.columns)


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
