"""From a champion back to its data, and from its commit to the same bytes again."""

import re
from pathlib import Path

import pytest

from support import cli, commit, git, run, uv_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(champions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of a project with three champions, without data and models."""
    clone = tmp_path_factory.mktemp("clone") / "flight-delays"
    run("git", "clone", "--quiet", str(champions), str(clone), cwd=clone.parent)
    run("uv", "sync", "--quiet", cwd=clone)
    return clone


def commits(clone: Path) -> list[str]:
    """The commits that promoted, oldest first."""
    return git(clone, "log", "--first-parent", "--reverse", "--format=%H", "--", "models/champion.dvc").split()


def digest(clone: Path, revision: str) -> str:
    """The champion of a revision."""
    found = re.search(r"\w+\.dir", git(clone, "show", f"{revision}:models/champion.dvc"))
    assert found
    return found[0]


def worktrees(project: Path) -> list[Path]:
    """Where checkouts of the repository lie."""
    listed = git(project, "worktree", "list", "--porcelain").splitlines()
    return sorted(Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree "))


def test_the_chain_goes_from_the_version_to_the_data(clone: Path) -> None:
    _, _, third = commits(clone)
    said = cli(clone, "lineage", "3")

    assert said.startswith(f"champion 3 · {digest(clone, third)}\n")
    assert f"promoted    {third[:7]}" in said and "Promote one more tree" in said
    assert f"trained     {git(clone, 'rev-parse', '--short', 'HEAD~1')}" in said and "One more tree" in said
    raw = re.search(r"\w+\.dir", git(clone, "show", "HEAD:data/raw.dvc"))
    assert raw and f"data/raw {raw[0]}" in said
    assert "77,911 rows, 2013-01-01 to 2013-03-31" in said
    assert "model.candidates.0.params.max_iter: 5 → 6" in said
    assert re.search(r"metrics +roc_auc 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", said)
    assert f"against champion {digest(clone, commits(clone)[1])[:8]}" in said
    assert "forced: to be quick" in cli(clone, "lineage", "2")
    assert "now         champion of main, champion of HEAD, alias `champion` in MLflow" in said


def test_a_version_has_many_names(clone: Path) -> None:
    first, second, third = commits(clone)
    names = {
        first: ["1", digest(clone, first)[:8], first, first[:9], "HEAD~3"],
        second: ["2", "previous", digest(clone, second), "main~1"],
        third: ["3", "champion", "HEAD", digest(clone, third)[:10]],
    }
    asked = [name for known in names.values() for name in known]
    code = "import sys; from mlops_template.champion.lineage import lineage; "
    code += "print(*[lineage(name).champion.digest for name in sys.argv[1:]])"
    expected = [digest(clone, promoted) for promoted, known in names.items() for _ in known]
    assert uv_run(clone, "python", "-c", code, *asked).split() == expected


@pytest.mark.parametrize("name", ["0", "4", "deadbeef"])
def test_an_unknown_version_is_answered_with_the_known_ones(clone: Path, name: str) -> None:
    said = cli(clone, "lineage", name, check=False)
    assert said.startswith(f"error: no champion is known as {name}; known are 1 (") and "`previous`" in said
    assert len(said.splitlines()) == 1


def test_what_left_the_lead_says_so(clone: Path) -> None:
    assert "now         no longer in use" in cli(clone, "lineage", "1")
    assert "now         alias `previous` in MLflow" in cli(clone, "lineage", "2")


def test_an_older_champion_is_reproduced_byte_for_byte(clone: Path) -> None:
    """In a fresh clone: code, parameters, libraries and data are all of that commit."""
    said = cli(clone, "reproduce", "previous")

    expected = digest(clone, commits(clone)[1])
    assert f"promoted   {expected}\nreproduced {expected}\nthe same bytes" in said
    assert "Running stage 'train'" in said
    assert git(clone, "status", "--porcelain") == ""
    assert worktrees(clone) == [clone, clone / ".storage"]


def test_other_bytes_are_an_error_that_names_the_files(project_copy: Path) -> None:
    """Here the commit holds other code than the one that trained its champion."""
    code = project_copy / "machinery" / "mlops_template" / "training" / "pipeline.py"
    text, call = code.read_text(encoding="utf-8"), "kind(**reproducible(package, params, threads))"
    assert call in text
    code.write_text(text.replace(call, 'kind(**{**params, "max_iter": 3})'), encoding="utf-8")
    commit(project_copy, "Other code", "--amend")

    said = cli(project_copy, "reproduce", "champion", check=False)

    promoted, reproduced = re.findall(r"^(?:error: promoted|reproduced) +(\w+)\.dir", said, re.MULTILINE)
    assert promoted != reproduced
    assert said.endswith("different: card.json, golden.json, model.joblib\n") or said.endswith(
        "different: golden.json, model.joblib\n"
    )
    assert worktrees(project_copy) == [project_copy, project_copy / ".storage"]


def test_an_uncommitted_promotion_is_the_next_number(project_copy: Path) -> None:
    pointer = project_copy / "models" / "champion.dvc"
    text = pointer.read_text(encoding="utf-8")
    pointer.write_text(re.sub(r"\w+\.dir", "0" * 32 + ".dir", text), encoding="utf-8")

    assert cli(project_copy, "lineage", "2").startswith(f"champion 2 · {'0' * 32}.dir\npromoted    not committed yet")
    said = cli(project_copy, "reproduce", "champion", check=False)
    assert said == "error: champion 2 is not committed yet: commit it, then reproduce it\n"
