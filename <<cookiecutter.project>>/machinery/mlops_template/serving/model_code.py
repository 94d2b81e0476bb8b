"""The source code that turns rows into a model's inputs, carried by the model.

A champion of last year is scored as it was, whatever `features.py` says today: its directory holds the source, which is
loaded as a package named after its digest. Classes of the owner's that a pipeline was fitted with are found there, too.
"""

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ProjectError

FOLDER = "code"
"""Of a model's directory."""

INPUTS = "machinery_inputs"
"""The module of the machinery that a model carries: `serving/inputs.py`, as it was."""

FEATURES = "features"


@dataclass(frozen=True)
class ModelCode:
    """Python files by their name without the ending; `folder` is where the owner's lie, for tracebacks."""

    files: dict[str, str]
    folder: Path = field(default=Path(FOLDER), compare=False)

    @property
    def package(self) -> str:
        """The name under which the files are loaded: the same for the same files, on every machine."""
        return f"model_code_{hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:16]}"

    def register(self) -> "ModelCode":
        """Make the modules known to Python, so that what was pickled with them can be loaded. Returns itself."""
        REGISTERED.setdefault(self.package, self)
        return self

    def module(self, name: str) -> ModuleType:
        """One of the modules. Raises ProjectError that names the line where it cannot be imported."""
        self.register()
        try:
            return importlib.import_module(f"{self.package}.{name}")
        except Exception as error:  # whatever the owner's code raises
            raise ProjectError(self.fault(error, f"{name}.py")) from error

    def add_features(self, rows: Any) -> Any:
        """The rows, a DataFrame, with the owner's derived columns.

        Raises ProjectError that names the line where it fails, or what is wrong with what it returns.
        """
        if FEATURES not in self.files:
            return rows
        added = self.call(FEATURES, "add_features", rows)
        place = self.folder / f"{FEATURES}.py"
        if type(added) is not type(rows):
            raise ProjectError(f"{place}: add_features returned a {type(added).__name__}: return the rows, a DataFrame")
        if len(added) != len(rows) or not added.index.equals(rows.index):
            raise ProjectError(
                f"{place}: add_features returned {len(added):,} rows for {len(rows):,}, or in another order: "
                "return the same rows"
            )
        return added

    def inputs(self, rows: Any, kinds: dict[str, list[str]]) -> Any:
        """The model's inputs from rows that have all columns of `kinds`, derived ones included: see `inputs.inputs`."""
        return self.module(INPUTS).inputs(rows, kinds)

    def call(self, module: str, function: str, *arguments: Any) -> Any:
        """Call a function of the owner's. Raises ProjectError that names the line where it fails."""
        called: Callable[..., Any] | None = getattr(self.module(module), function, None)
        if called is None:
            raise ProjectError(f"{self.folder / module}.py has no function {function}: restore it with `git checkout`")
        try:
            return called(*arguments)
        except Exception as error:  # whatever the owner's code raises
            raise ProjectError(self.fault(error, f"{module}.py")) from error

    def fault(self, error: Exception, file: str) -> str:
        """One line: the file and line of the owner's code where it was raised, and what it says."""
        own = str(self.folder)
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(own)]
        place = f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else str(self.folder / file)
        if isinstance(error, SyntaxError):
            place = f"{error.filename}, line {error.lineno}"
        return f"{place}: {type(error).__name__}: {' '.join(str(error).split())}"

    def write(self, directory: Path) -> None:
        """Write the files into the folder `code` of a model's directory."""
        for name, source in self.files.items():
            path = directory / FOLDER / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8", newline="\n")


def read_code(directory: Path) -> ModelCode:
    """The code that the model of a directory carries. Raises ProjectError when there is none."""
    folder = directory / FOLDER
    files = {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }
    if INPUTS not in files:
        raise ProjectError(
            f"{directory} carries no code that makes its inputs ({FOLDER}/{INPUTS}.py is missing): `pull`, or train "
            "again with `run`"
        )
    return ModelCode(files, folder)


REGISTERED: dict[str, ModelCode] = {}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules of registered code, which lie in memory."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The module, where it is one of these."""
        package, _, name = fullname.partition(".")
        code = REGISTERED.get(package)
        if code is None:
            return None
        is_package = not name or any(file.startswith(f"{name}.") for file in code.files)
        if name and name not in code.files and not is_package:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def get_source(self, fullname: str) -> str:
        """The text of a module."""
        package, _, name = fullname.partition(".")
        return REGISTERED[package].files.get(name, "")

    def exec_module(self, module: ModuleType) -> None:
        """Run it, under the name of the file that it was read from."""
        package, _, name = module.__name__.partition(".")
        file = str(REGISTERED[package].folder / f"{name.replace('.', '/')}.py")
        exec(compile(self.get_source(module.__name__), file, "exec"), module.__dict__)


sys.meta_path.append(Finder())
