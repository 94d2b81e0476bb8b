"""Which source files of the project a stage of the pipeline runs: the import closure of its module.

`dvc.yaml` names them as dependencies, so that an edit runs the stages that it affects and no others.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

PACKAGE = "mlops_template"
MACHINERY = Path("machinery")
SOURCE = Path("src")
LOCK = Path("uv.lock")
INSTALLED = Path(__file__).resolve().parents[2]
"""Where the machinery that runs lies: in the project, or where it was installed from an index or a tag."""
OWN = ("own_module", "own_code")
"""The functions by which the machinery loads modules of the owner's package, named by their arguments."""
CANDIDATES = "*"
"""Stands for the owner's modules that `model.candidates` of params.yaml name, where a call is given them."""
UNREAD = Path(MACHINERY, PACKAGE, "settings", "operation.py")
"""Imported by every stage along with the parameters, though none reads what it holds: it changes no result."""
COMMAND = re.compile(r"python -m ([\w.]+)")


def stage_dependencies(
    command: str, own_package: str, candidates: Sequence[str] = (), root: Path = Path()
) -> list[Path]:
    """The files of the project that `python -m MODULE` imports, at any depth, relative to `root` and in order.

    `candidates` are the owner's modules with estimators that params.yaml names. Where the machinery does not lie in the
    project, `uv.lock` stands for its files. Raises SyntaxError where one cannot be parsed.
    """
    module = COMMAND.search(command)
    if module is None:
        return []
    files: set[Path] = set()
    waiting = [module[1]]
    while waiting:
        file = file_of(waiting.pop(), own_package, root)
        if file is not None and file not in files:
            files.add(file)
            for name in imported(file, own_package, root):
                waiting += candidates if name == CANDIDATES else [name]
    named = {
        path.relative_to(root) if within(path, root) else LOCK
        for path in files
        if not only_documents(path.read_text(encoding="utf-8"))
    }
    return sorted(named - {UNREAD})


def imported(file: Path, own_package: str, root: Path) -> list[str]:
    """The full names of the modules that a file imports or may import, at its top or within a function."""
    module = module_name(file, root)
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    return list(imports_of(file.read_text(encoding="utf-8"), package, own_package))


@cache
def imports_of(source: str, package: str, own_package: str) -> tuple[str, ...]:
    """The same, of a module of that package: stages share most of theirs."""
    return tuple(names_in(ast.parse(source), package, own_package))


def names_in(tree: ast.AST, package: str, own_package: str) -> Iterator[str]:
    """The imports of a module of that package. Of `from a import b` both `a` and `a.b` may be one."""
    parts = package.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in OWN:
            yield from (
                f"{own_package}.{name.value}"
                for name in node.args
                if isinstance(name, ast.Constant) and isinstance(name.value, str)
            )
            if any(isinstance(name, ast.Starred) for name in node.args):
                yield CANDIDATES


def file_of(module: str, own_package: str, root: Path) -> Path | None:
    """The file of a module of the project, None for a library's."""
    top = module.partition(".")[0]
    if top not in (PACKAGE, own_package):
        return None
    folder = root / (MACHINERY if top == PACKAGE else SOURCE)
    if top == PACKAGE and not (folder / PACKAGE).is_dir():
        folder = INSTALLED
    base = folder / Path(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def module_name(file: Path, root: Path) -> str:
    """The full name of the module that a file is."""
    parts = file.relative_to(root).parts[1:] if within(file, root) else file.relative_to(INSTALLED).parts
    parts = Path(*parts).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(file: Path, root: Path) -> bool:
    """Whether a file is the project's, not one of the installed machinery."""
    return any(file.is_relative_to(root / folder) for folder in (MACHINERY, SOURCE))


@cache
def only_documents(source: str) -> bool:
    """Whether a module holds nothing but its docstring."""
    body = ast.parse(source).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
