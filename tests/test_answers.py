"""Bad answers are refused before anything is written; any text where text is asked for stays that text."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from conftest import Bake
from local_extensions import AnswerRefused, markdown, one_line, quoted
from support import ROOT, TEMPLATE, environment, files, git, run

REFUSED = [
    ("project", "test"),
    ("project", "asyncio"),
    ("project", "class"),
    ("project", "mlflow"),
    ("project", "MLflow"),
    ("project", "dvc"),
    ("project", "sklearn"),
    ("project", "scikit-learn"),
    ("project", "pandas"),
    ("project", "requests"),
    ("project", "data"),
    ("project", "python"),
    ("project", "con"),
    ("project", "2fast"),
    ("project", "flight delays"),
    ("project", "flight--delays"),
    ("project", "-flights"),
    ("project", "flights-"),
    ("project", "flüge"),
    ("project", "flights.git"),
    ("project", "flights\n"),
    ("project", "../flights"),
    ("project", "x" * 101),
    ("owner", ""),
    ("owner", "my org"),
    ("owner", "-org"),
    ("owner", "my--org"),
    ("owner", "x" * 40),
    ("owner", 'org"\n'),
    ("author", ""),
    ("author", '"<>"'),
    ("author", "Ada\0"),
    ("email", ""),
    ("email", "ada"),
    ("email", "ada@localhost"),
    ("email", "ada@example.com, bob@example.com"),
    ("email", "Ada <ada@example.com>"),
    ("email", "ada@example.com\n"),
    ("python_version", "3.10"),
    ("python_version", "3.99"),
    ("python_version", "3"),
    ("python_version", "3.13.1"),
    ("description", "half of an emoji: \ud83d"),
]

REFUSED_STORAGES = [
    "",
    "GitHub",
    "s3",
    "bucket/path",
    "https://bucket.example.com",
    "s3://",
    "s3://bucket/\n[core]",
    's3://bucket/"quoted"',
    "s3://bucket/with space",
    "s3://key:secret@bucket",
    "gcs://bucket",
    "azure://container name",
    "ssh://host",
    "ssh://me:secret@host/srv",
    "ssh://-oProxyCommand=x/srv",
]

ACCEPTED_STORAGES = [
    "github",
    "s3://bucket",
    "s3://my-bucket/some/path",
    "gs://bucket/path",
    "azure://container/path",
    "ssh://me@example.com:2222/srv/my_project",
]

ACCEPTED = [
    ("project", "Flight_Delays.v2"),
    ("project", "x"),
    ("owner", "octo-org"),
    ("owner", "jo_acme"),
    ("author", "Þórður Ægisson"),
    ("author", "-Ada"),
    ("email", "ada+ml@mail.example.co.uk"),
]

HOSTILE = [
    "quotes \" ' ` \"\"\" ''' and a backslash \\ at the end \\",
    "two\nlines, a\ttab, a\r\nthird",
    "ünïcødé 🛫 👩‍🔬 \u2028 \u0085 \x7f \x1b[31m \ufeff",
    "${{ github.token }} $(touch pwned) `touch pwned` ${HOME} %PATH% ; touch pwned",
    "<< cookiecutter.email >> <<% if x %>> <<# # >> {{ x }} {% y %} {# z #}",
    "<< lipsum.__globals__['os'].system('touch pwned') >>",
    "#? if nothing\n#? endif",
    '"""); __import__("pathlib").Path("pwned").touch(); ("""',
    "<script>alert(1)</script> <!-- & &amp; **bold** _it_ [link](https://example.com) | # no title",
    "# not a title\n- not a list\n1. nor this\n> nor a quote\n```\n===\n:tada:",
    "]]\n[tool.evil]\nx = 1",
    "a: b, c: *d, - e, @f, !g, |h, null",
    "",
]


def refusal(bake: Bake, **answers: str) -> list[str]:
    """The lines on the answers, without the one on how to answer again."""
    with pytest.raises(AnswerRefused) as raised:
        bake(**answers)
    *lines, again = str(raised.value).splitlines()
    assert again.startswith("Again, with the other answers as they are: cookiecutter ")
    return lines


@pytest.mark.parametrize(("answer", "text"), REFUSED, ids=ascii)
def test_a_bad_answer_is_refused(bake: Bake, answer: str, text: str) -> None:
    """One line that names the answer and shows a good one."""
    lines = refusal(bake, **{answer: text})
    assert lines[0].startswith(f"{answer}: ")
    assert "such as " in lines[0] or "retype" in lines[0]
    assert [line for line in lines if not line.startswith(f"{answer}: ")] == []


@pytest.mark.parametrize("storage", REFUSED_STORAGES)
def test_what_is_no_storage_is_refused(bake: Bake, storage: str) -> None:
    (line,) = refusal(bake, storage=storage)
    assert line.startswith("storage: ")
    assert "such as " in line
    assert "secret" not in line


def test_every_bad_answer_is_named_and_nothing_is_left(tmp_path: Path, cookiecutter_config: Path) -> None:
    """All faults at once, without a traceback of cookiecutter's, and a command that keeps the other answers."""
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "--config-file", str(cookiecutter_config)]
    answers = ["project=test", "email=ada", "storage=s3", "author=Ada L.", "setup=no"]
    done = subprocess.run(
        [*command, *answers], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    assert done.returncode == 1
    *lines, again = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["project", "email", "storage"]
    assert list(tmp_path.iterdir()) == []
    given = shlex.split(again.partition("cookiecutter ")[2])
    assert [given[0], "author=Ada L." in given, "--no-input" in given] == [str(ROOT), True, True]
    good = ["project=x", "email=a@b.co", "storage=s3://bucket/x"]
    again_done = subprocess.run([sys.executable, "-m", "cookiecutter", *given, *good], cwd=tmp_path, env=environment())
    assert again_done.returncode == 0
    assert "Ada L." in (tmp_path / "x" / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of one's own needs Unix")
def test_on_a_terminal_a_bad_answer_is_told_before_the_next_question(tmp_path: Path, cookiecutter_config: Path) -> None:
    import pty

    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--config-file", str(cookiecutter_config)]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, encoding="utf-8")
    os.write(terminal, b"flights\n2\n\nnot good\n")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "owner: 'not good' is no GitHub user" in said
    assert "Your name" not in said
    assert "project=flights task=regression 'description=How many minutes late" in said.splitlines()[-1]


@pytest.mark.parametrize(("answer", "text"), ACCEPTED)
def test_a_good_answer_is_accepted(bake: Bake, answer: str, text: str) -> None:
    bake(**{answer: text})


@pytest.mark.parametrize("storage", ACCEPTED_STORAGES)
def test_a_storage_is_accepted(bake: Bake, storage: str) -> None:
    bake(storage=storage)


def test_what_the_project_depends_on_cannot_be_its_name(bake: Bake) -> None:
    """Every direct dependency, also one that was added yesterday."""
    pyproject = tomllib.loads((bake() / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject["dependency-groups"].values()
    machinery = tomllib.loads((TEMPLATE / "machinery" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [
        *pyproject["project"]["dependencies"],
        *machinery["dependencies"],
        *(one for extra in machinery["optional-dependencies"].values() for one in extra),
        *(one for group in groups for one in group if isinstance(one, str)),
    ]
    for requirement in required:
        name = re.match(r"[\w.-]+", requirement)[0]
        assert refusal(bake, project=name)[0].startswith("project: "), name


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_text_stays_the_text_it_is(bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """In TOML, Markdown and plain text alike; and nothing of it runs."""
    monkeypatch.chdir(tmp_path)
    author = f"Ada {text}"
    project = bake(description=text, author=author)

    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["description"] == one_line(text)
    assert pyproject["project"]["authors"] == [{"name": author, "email": "ada@example.com"}]
    assert "tool" not in pyproject or "evil" not in pyproject["tool"]
    assert lines_of(text) in [lines_of(shown) for shown in paragraphs(project / "README.md")] or not text
    signed = lines_between(project / "LICENSE", "Copyright (c) 2", "Permission is hereby")
    assert signed == author.splitlines()
    for path in project.glob("*.y*ml"):
        yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not [path for folder in (tmp_path, project) for path in files(folder) if path.name == "pwned"]
    assert git(project, "log", "--format=%s") == "Generated by mlops-template, not yet set up"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_quoted_text_is_toml_yaml_and_json_alike(text: str) -> None:
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text
    assert yaml.safe_load(quoted(text)) == text
    assert json.loads(quoted(text)) == text


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_markdown_shows_the_text(text: str) -> None:
    (shown,) = shown_by(markdown(text))
    assert lines_of(shown) == lines_of(text)


def test_answers_may_be_typed(tmp_path: Path, cookiecutter_config: Path) -> None:
    """Each question is asked once, in order, and an empty line takes the default."""
    typed = ["my-model", "2", "<< x >> {{ y }} \\", "", "", "", "2", "", "", "3", "4", "2", "n"]
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--config-file", str(cookiecutter_config)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        input="\n".join(typed) + "\n",
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    pyproject = tomllib.loads((tmp_path / "my-model" / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["description"] == "<< x >> {{ y }} \\"
    assert "task: regression" in (tmp_path / "my-model" / "params.yaml").read_text(encoding="utf-8")
    assert "automation: automatic" in (tmp_path / "my-model" / "params.yaml").read_text(encoding="utf-8")
    retrain = (tmp_path / "my-model" / ".github" / "workflows" / "retrain.yml").read_text(encoding="utf-8")
    assert '"23 5 1 * *"' in retrain, "monthly"
    assert "target: swarm" in (tmp_path / "my-model" / "params.yaml").read_text(encoding="utf-8")
    assert "cd my-model && uv run my-model setup" in done.stdout


@pytest.mark.slow
def test_a_project_with_hostile_answers_can_be_built(bake: Bake, tmp_path: Path) -> None:
    """What is valid TOML may still be refused by the builder of the package."""
    everything = " ".join(HOSTILE)
    project = bake(description=everything, author=f"Ada {everything}")
    run("uv", "build", "--wheel", "--out-dir", tmp_path, cwd=project)
    assert list(tmp_path.glob("*.whl"))


def paragraphs(path: Path) -> list[str]:
    return shown_by(path.read_text(encoding="utf-8"))


def shown_by(source: str) -> list[str]:
    """The text of each paragraph of a Markdown document, as a reader sees it."""
    return [
        "".join("\n" if part.type in ("hardbreak", "softbreak") else part.content for part in token.children)
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(source)
        if token.type == "inline"
    ]


def lines_of(text: str) -> list[str]:
    """What is left of a text once a reader's eye, which sees no blanks at the ends, has passed over it."""
    return [line.strip() for line in re.split(r"\r\n?|\n", text.strip())]


def lines_between(path: Path, first: str, last: str) -> list[str]:
    """The lines of a file from the one that begins with `first`, without its year, up to `last`."""
    text = path.read_text(encoding="utf-8")
    between = text[text.index(first) + len(first) : text.index(last)]
    return re.sub(r"^\d+,? ", "", between).rstrip("\n").splitlines()
