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


def test_every_link_within_the_repository_leads_somewhere() -> None:
    """Those of the pages about the template; those of a generated project have a test of their own."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]
    found = [(page, re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))) for page in pages]
    links = [(page, link) for page, links in found for link in links if not link.startswith("https:")]
    assert len(links) > 15
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def test_every_template_of_the_comparison_has_its_sources() -> None:
    """A cell in each row, and a paragraph with the files at the versions that were read."""
    text = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {7} and all(cell.strip() for row in rows[1:] for cell in row)
    names = re.findall(r"\[([^\]]+)\]\[\w+\]", "|".join(rows[0]))
    assert len(names) == 5
    sources = text.partition("## Sources")[2]
    for name in names:
        paragraph = sources.partition(f"**{name}**")[2].partition("\n\n")[0]
        assert len(re.findall(r"\b[0-9a-f]{7}\b", paragraph)) >= 5, name
