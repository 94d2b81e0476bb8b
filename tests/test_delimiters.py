"""The template's own syntax: nothing is rendered by accident, and every question is complete."""

import json
import re
from pathlib import Path

import pytest

import local_extensions
from support import ROOT, TEMPLATE, files

WELL_FORMED = re.compile(r"<<(?= cookiecutter\.(?!_[a-z]|__started_in)|% |# )")
IN_HOOKS = re.compile(r"<<(?= cookiecutter \| tojson >>)")
STATEMENT = re.compile(r"#\? (if|elif|else|endif|for|endfor)\b")
COPIED = TEMPLATE / "machinery"
RENDERED = [
    path
    for folder in (TEMPLATE, ROOT / "hooks", ROOT / "templates")
    for path in files(folder)
    if COPIED not in path.parents
]
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
ASKED = {name: default for name, default in QUESTIONS.items() if not name.startswith("_")}


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", RENDERED, ids=named)
def test_every_opening_delimiter_is_meant(path: Path) -> None:
    """No heredoc, shift or merge key: each `<<` begins an expression, a block or a comment.

    None writes an answer that holds a path of this machine.
    """
    meant = IN_HOOKS if path.parent.name == "hooks" else WELL_FORMED
    for number, line in enumerate(text_of(path).splitlines(), 1):
        assert line.count("<<") == len(meant.findall(line)), f"line {number}: {line}"
        if "#?" in line:
            assert STATEMENT.match(line.lstrip()), f"line {number}: {line}"


@pytest.mark.parametrize("path", [path for path in RENDERED if path.suffix == ".md"], ids=named)
def test_no_paragraph_runs_into_the_next(path: Path) -> None:
    """Jinja takes the empty lines behind a statement away with it; those before it stay."""
    assert re.findall(r"^#\?.*\n\n", text_of(path), re.MULTILINE) == []


def test_python_is_no_template() -> None:
    """It is linted, typed and tested where it lies. The machinery is copied as it is, whatever it holds."""
    assert "machinery/*" in QUESTIONS["_copy_without_render"]
    for path in files(TEMPLATE / "src"):
        assert "<<" not in text_of(path)
        assert "#?" not in text_of(path)


def test_only_the_project_and_its_package_are_named_by_an_answer() -> None:
    """A folder whose name could come out empty could be written outside the project."""
    marked = {part for path in files(TEMPLATE) for part in path.relative_to(ROOT).parts if "<<" in part}
    assert marked == {"<<cookiecutter.project>>", "<<cookiecutter.__package>>"}


def test_every_question_is_worded() -> None:
    assert list(QUESTIONS["__prompts__"]) == list(ASKED)


def test_every_choice_is_explained_or_speaks_for_itself() -> None:
    for name, choices in ASKED.items():
        wording = QUESTIONS["__prompts__"][name]
        if isinstance(wording, dict):
            assert set(wording) == {"__prompt__", *choices}
        else:
            assert isinstance(choices, (str, bool)) or name == "license"


def test_the_question_for_python_names_what_is_supported() -> None:
    oldest, newest = local_extensions.SUPPORTED[0], local_extensions.SUPPORTED[-1]
    assert f"({oldest} to {newest})" in QUESTIONS["__prompts__"]["python_version"]


def test_every_license_on_offer_has_its_text() -> None:
    assert {path.name for path in files(ROOT / "templates" / "licenses")} == set(ASKED["license"])
