"""The rooms of the machinery import only from those below them, so that each can be read without those above."""

import ast
from pathlib import Path

import mlops_template
import pytest
from mlops_template.deploy.image import PARTS
from mlops_template.owner.dependencies import names_in

ROOT = Path(mlops_template.__file__ or "").parent
LAYERS = [
    ["commands"],
    ["site"],
    ["starter", "retrain", "backtest", "monitor", "update", "notebook"],
    ["deploy"],
    ["report"],
    ["champion", "doctor"],
    ["tracking"],
    ["storage"],
    ["scoring"],
    ["evaluation"],
    ["training"],
    ["data"],
    ["integrations", "owner"],
    ["render"],
    ["settings", "console"],
    ["serving"],
    ["prediction_log"],
    ["errors"],
]
"""From the top down; rooms on one line do not import each other. `serving` imports nothing of the project but these below."""


def modules() -> dict[str, Path]:
    """Every module of the machinery by its name within the package, but for `cli`, which calls all."""
    found = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
    return {name: path for name, path in found.items() if name not in ("cli", "__init__")}


def imports(name: str, path: Path) -> set[str]:
    """The modules of the machinery that one imports, also within a function."""
    full = f"mlops_template.{name}"
    package = full.removesuffix(".__init__") if name.endswith("__init__") else full.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {one.removeprefix("mlops_template.") for one in names_in(tree, package, "owned")}
    known = modules()
    return {one for one in named if one in known} - {name}


GRAPH = {name: imports(name, path) for name, path in modules().items()}


def room(name: str) -> str:
    """The folder of a module; `errors` is one by itself."""
    return name.partition(".")[0]


def test_every_room_has_its_place() -> None:
    placed = [one for layer in LAYERS for one in layer]
    assert {room(name) for name in GRAPH} <= set(placed)
    assert len(placed) == len(set(placed))


@pytest.mark.parametrize("name", sorted({room(name) for name in GRAPH}))
def test_a_room_imports_only_from_those_below(name: str) -> None:
    height = {one: place for place, layer in enumerate(LAYERS) for one in layer}
    upward = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        if room(module) == name
        for other in others
        if room(other) != name and height[room(other)] <= height[name]
    ]
    assert upward == []


def test_no_module_imports_itself_by_a_detour() -> None:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' imports '.join([*above[above.index(name) :], name])}"
        if name not in done:
            for other in sorted(GRAPH[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in sorted(GRAPH):
        visit(name, ())


def test_all_that_the_service_imports_goes_into_the_image() -> None:
    """What is not copied for it is missing there, and the service does not start."""
    reached, waiting = set(), [name for name in GRAPH if room(name) == "serving"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += GRAPH[name]
    assert {room(name) for name in reached} <= {part.removesuffix(".py") for part in PARTS}


def test_one_module_starts_other_programs() -> None:
    """And one of the service, which stands alone, the process that writes its log."""
    starting = [name for name, path in modules().items() if "import subprocess" in path.read_text(encoding="utf-8")]
    assert sorted(starting) == ["integrations.process", "serving.log_process"]


def test_no_two_modules_have_one_name() -> None:
    """But for the commands, each of which is called as what it calls."""
    names = [name.rpartition(".")[2] for name in GRAPH if room(name) != "commands"]
    assert sorted(name for name in {*names} - {"__init__", "__main__"} if names.count(name) > 1) == []


def test_no_two_classes_have_one_name() -> None:
    texts = [path.read_text(encoding="utf-8") for path in modules().values()]
    names = [node.name for text in texts for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert sorted(name for name in {*names} if names.count(name) > 1) == []
