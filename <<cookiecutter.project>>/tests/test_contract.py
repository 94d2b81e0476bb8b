"""The contract and the settings speak of the same columns."""

from mlops_template.data.contract import load_contract
from mlops_template.settings.params import load_params


def test_the_contract_has_every_column_that_the_settings_name() -> None:
    columns = load_params().columns
    named = {columns.id, columns.target, *columns.features, *([columns.time] if columns.time else [])}
    assert named <= set(load_contract().columns)
