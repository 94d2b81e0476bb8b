"""The README's two commands are the ones that are used."""

import re

from support import ROOT

COMMANDS = re.findall(r"^```\n(.*)\n```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_two() -> None:
    """One that generates a project, one that passes the tests."""
    generate, test = COMMANDS
    assert "uvx cookiecutter" in generate
    assert "pytest" in test


def test_continuous_integration_calls_exactly_the_second() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert COMMANDS[1] in lines


def test_every_picture_is_there_in_light_and_dark() -> None:
    """And fetches nothing."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|srcset)="([^"]+)"', text)
    assert len(named) == 6
    for name in named:
        picture = ROOT / name
        assert picture.is_file(), name
        if picture.suffix == ".svg":
            assert re.findall(r"(?:href|src|url\()[^>]*https?:", picture.read_text(encoding="utf-8")) == []
    assert {name.replace("-light", "-dark") for name in named if "-light" in name} == {
        name for name in named if "-dark" in name
    }
