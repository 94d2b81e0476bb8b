"""The owner's package, `src/<package>/`: its modules, and what of them a model carries."""

import ast
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ..errors import ProjectError
from ..serving import inputs
from ..serving.model_code import INPUTS, ModelCode
from .dependencies import SOURCE, file_of, imported, module_name


def own_package() -> str:
    """The name of the owner's package: the one folder in `src/`. Raises ProjectError when there is not just one."""
    packages = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    if len(packages) != 1:
        raise ProjectError(
            f"{SOURCE}/ holds {len(packages) or 'no'} packages ({', '.join(packages) or 'none with an __init__.py'}): "
            "keep one, with features.py, pipeline.py and metrics.py"
        )
    return packages[0]


def own_module(name: str) -> ModuleType | None:
    """A module of the owner's package as it is now, None where there is none. Raises ProjectError when it is broken."""
    code = own_code(name)
    return code.module(name) if name in code.files else None


def own_estimators(estimators: Iterable[str]) -> list[str]:
    """The modules of the owner's package that hold some of these estimators, by their full names."""
    prefix = f"{own_package()}."
    modules = {estimator.rpartition(".")[0] for estimator in estimators}
    return sorted(module for module in modules if module.startswith(prefix))


def own_code(*modules: str) -> ModelCode:
    """The source of some modules of the owner's package and of those that they import, with the machinery's transform.

    Raises ProjectError when one imports the package by its full name: then a copy would run today's code.
    """
    package, root = own_package(), Path()
    files: dict[str, str] = {INPUTS: Path(inputs.__file__).read_text(encoding="utf-8")}
    waiting = [f"{package}.{name}" for name in modules]
    while waiting:
        path = file_of(waiting.pop(), package, root)
        if path is None or path.name == "__init__.py":
            continue
        name = module_name(path, root).removeprefix(f"{package}.")
        if name in files:
            continue
        files[name] = path.read_text(encoding="utf-8")
        try:
            refuse_full_names(path, package)
            waiting += imported(path, package, root)
        except SyntaxError as error:
            raise ProjectError(f"{path}, line {error.lineno}: {error.msg}") from None
    return ModelCode(dict(sorted(files.items())), SOURCE / package)


def refuse_full_names(path: Path, package: str) -> None:
    """Raise ProjectError when a file of the package imports that by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        if any(name.partition(".")[0] == package for name in names):
            raise ProjectError(
                f"{path}, line {node.lineno}, imports {package} by its full name: write `from . import …`, since each "
                "model keeps a copy of it"
            )
