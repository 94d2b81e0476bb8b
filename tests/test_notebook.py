"""A notebook in the project: it runs, sees what the owner changes, and is committed without its outputs."""

import json
import re
from pathlib import Path

import pytest

from support import ROOT, cli, clone_of, git, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project, with its rows."""
    return clone_of(project, tmp_path_factory.mktemp("notebook"), project.name)


def executed(clone: Path, name: str = "explore.ipynb") -> dict[str, str]:
    """Run a notebook where it lies: the texts that its cells put out, by the id of the cell."""
    options = ("--no-sync", "--with", "nbclient", "--with", "ipykernel", "jupyter", "execute", "--inplace")
    run("uv", "run", *options, f"notebooks/{name}", cwd=clone)
    cells = json.loads((clone / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    return {
        cell["id"]: "".join("".join(one.get("data", {}).get("text/plain", "")) for one in cell["outputs"])
        for cell in cells
        if cell["cell_type"] == "code"
    }


def test_it_runs_and_its_outputs_stay_out_of_commits(clone: Path) -> None:
    """With a feature that the owner has just derived; what is committed is what was generated."""
    features = next((clone / "src").glob("*/features.py"))
    changed = "    return rows.assign(part_of_day='new')\n"
    text = re.sub(r"    return .*\n\Z", changed, features.read_text(encoding="utf-8"))
    features.write_text(text, encoding="utf-8")
    told = executed(clone)
    assert "new" in told["features"]
    assert {"fit", "compare", "slices", "worst"} <= {name for name, output in told.items() if output}
    assert "roc_auc" in told["fit"] and "difference" in told["compare"]
    assert "origin = " in told["slices"]
    git(clone, "add", "notebooks")
    assert git(clone, "diff", "--cached", "--stat") == "", "the outputs do not count"
    committed = json.loads(git(clone, "show", "HEAD:notebooks/explore.ipynb"))
    assert not any(cell.get("outputs") for cell in committed["cells"])
    assert '"outputs": []' in git(clone, "show", "HEAD:notebooks/explore.ipynb")
    git(clone, "checkout", "--quiet", "--", "src")


def test_the_page_of_the_docs_runs(clone: Path) -> None:
    """Its Python, as it stands, and its command on the notebook of the project."""
    page = (clone / "docs" / "notebook.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = run(
        "uv",
        "run",
        "--no-sync",
        "python",
        "-c",
        f"{program}print(_)".replace("project.difference", "_ = project.difference"),
        cwd=clone,
    )
    assert "roc_auc" in shown and "difference" in shown
    assert "nothing in notebooks/explore.ipynb" in cli(clone, "from-notebook", "notebooks/explore.ipynb")


def test_the_notebook_of_the_template_is_as_git_would_take_it() -> None:
    text = (ROOT / "<<cookiecutter.project>>" / "notebooks" / "explore.ipynb").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
