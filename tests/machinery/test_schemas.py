"""Editors know the settings as the commands do."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mlops_template.data.schemas import schemas
from ruamel.yaml import YAML

from support import ROOT

FOLDER = ROOT / "machinery" / "schemas"


@pytest.fixture(params=["params", "contract"])
def both(request: pytest.FixtureRequest, project: object) -> tuple[Draft202012Validator, Any]:
    """The schema of a file, and what the file of a new project says."""
    schema = json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))
    with open(f"{request.param}.yaml", encoding="utf-8") as file:
        return Draft202012Validator(schema), YAML(typ="safe").load(file)


@pytest.mark.parametrize("name", ["params", "contract"])
def test_the_schemas_are_those_of_the_models(name: str) -> None:
    """If not: `python -m mlops_template.data.schemas machinery/schemas`."""
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == schemas()[f"{name}.json"]


def test_the_files_of_a_new_project_fit(both: tuple[Draft202012Validator, Any]) -> None:
    schema, content = both
    assert list(schema.iter_errors(content)) == []


def test_a_misspelt_setting_does_not(both: tuple[Draft202012Validator, Any]) -> None:
    schema, content = both
    assert len(list(schema.iter_errors({**content, "colums": {}}))) == 1
