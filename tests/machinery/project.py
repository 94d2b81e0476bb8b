"""The owner's package as a small project of the tests has it: the template's pipeline, and features where a test has some."""

from pathlib import Path

from mlops_template.serving import inputs
from mlops_template.serving.model_code import INPUTS, ModelCode

TEMPLATE = Path(__file__).parents[2] / "<<cookiecutter.project>>" / "src" / "<<cookiecutter.__package>>"


def template_module(name: str) -> str:
    """A module of the owner's package as a project is generated with it."""
    return (TEMPLATE / f"{name}.py").read_text(encoding="utf-8")


def write_package(folder: Path, **modules: str) -> Path:
    """Write `src/shop` with pipeline.py and these modules, and return it: `write_package(folder, features=SOURCE)`."""
    package = folder / "src" / "shop"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    for name, source in ({"pipeline": template_module("pipeline")} | modules).items():
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    return package


def model_code(**modules: str) -> ModelCode:
    """What a model of such a project carries."""
    transform = Path(inputs.__file__).read_text(encoding="utf-8")
    return ModelCode({INPUTS: transform, "pipeline": template_module("pipeline"), **modules})
