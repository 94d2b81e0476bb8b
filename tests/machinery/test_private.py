"""Where the machinery uses what a library keeps for itself, the library has an upper bound: any release may change it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import mlops_template

ROOT = Path(mlops_template.__file__ or "").parent
BOUND = {"dvc", "mlflow", "uvicorn"}
"""What is used so; its bound and the reason stand in machinery/pyproject.toml."""


def imported(tree: ast.Module) -> dict[str, str]:
    """Names of a module that stand for something of another library: which."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {one.asname or one.name: node.module.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.Import):
            names |= {(one.asname or one.name).partition(".")[0]: one.name.partition(".")[0] for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Name):
            names.update({node.target.id: names[node.value.id]} if node.value.id in names else {})
    return {name: library for name, library in names.items() if library not in sys.stdlib_module_names}


def private(name: str) -> bool:
    """Whether a library keeps what has that name for itself."""
    return name.startswith("_") and not name.endswith("_") and name not in ("_replace", "_asdict", "_fields")


def used(text: str) -> Iterator[tuple[str, str]]:
    """(library, private name) of what a module takes from libraries: imports, attributes, and those of base classes."""
    tree = ast.parse(text)
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            library = node.module.partition(".")[0]
            if library in names.values():
                yield from ((library, one.name) for one in node.names if private(one.name))
        elif isinstance(node, ast.Attribute) and private(node.attr) and isinstance(node.value, ast.Name):
            if node.value.id in names:
                yield names[node.value.id], node.attr
        elif isinstance(node, ast.ClassDef):
            bases = [names[one.id] for one in node.bases if isinstance(one, ast.Name) and one.id in names]
            own = {one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef)}
            own |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)}
            own |= {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
            for one in ast.walk(node):
                mine = isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self"
                if bases and mine and private(one.attr) and one.attr not in own:
                    yield bases[0], one.attr


def test_it_sees_what_is_private() -> None:
    text = "from dvc.repo import _a\nfrom uvicorn import Server\nimport mlflow\nlike: object = mlflow\nlike._b()\n"
    text += "class Own(Server):\n    def _c(self): self._c(); self._d()\n"
    assert set(used(text)) == {("dvc", "_a"), ("mlflow", "_b"), ("uvicorn", "_d")}


def test_what_is_used_so_is_bound() -> None:
    found = {library for path in ROOT.rglob("*.py") for library, _ in used(path.read_text(encoding="utf-8"))}
    assert found == BOUND
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    bounds = {re.match(r"\w+", one)[0] for one in requirements if "<" in one}  # type: ignore[index]
    assert BOUND <= bounds, "each has an upper bound in machinery/pyproject.toml"
