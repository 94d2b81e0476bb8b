"""No secret gets into a commit by mistake: file, line and way out are named, and nothing else is held up."""

import base64
import json
import random
import string
import sys
import time
from pathlib import Path

import pytest
from mlops_template.doctor import staged
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import git

from support import ROOT, TEMPLATE

LETTERS = string.ascii_letters + string.digits
PLANTED = random.Random(1)


def drawn(count: int, letters: str = LETTERS) -> str:
    """So many characters of no meaning: a secret stands in no file of this repository."""
    return "".join(PLANTED.choices(letters, k=count))


SECRETS = {
    "GitHub Token": lambda: f"ghp_{drawn(36)}",
    "AWS Access Key": lambda: f"AKIA{drawn(16, string.ascii_uppercase + string.digits)}",
    "Azure Storage Account access key": lambda: f"AccountKey={base64.b64encode(PLANTED.randbytes(64)).decode()}",
    "Basic Auth Credentials": lambda: f"postgresql://ada:{drawn(12)}@db.acme.internal/log",
    "Private Key": lambda: f"-----BEGIN {PLANTED.choice(['RSA ', 'OPENSSH ', ''])}{'PRIVATE'} KEY-----",
    "Slack Token": lambda: f"xoxb-{drawn(12, string.digits)}-{drawn(12, string.digits)}-{drawn(24)}",
    "Stripe Access Key": lambda: f"sk_live_{drawn(24)}",
}
"""One of each kind, as it is written into a file, by what the library calls it."""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory is a repository without a commit."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch=main")


def stage(name: str, text: str) -> None:
    """Write a file and add it to the next commit."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    git("add", "--force", "--", name)


def commit() -> None:
    """What is staged, committed without being looked at."""
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--no-verify", "--message", "x")


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", ["src/source.py", "params.yaml", "a folder/ü.md", "notebooks/explore.ipynb"])
def test_a_secret_is_named_with_its_place(kind: str, name: str) -> None:
    """In the first commit as in a later one, and whatever else stands in the file."""
    lines = [f"line {number}" for number in range(9)]
    stage(name, "\n".join(lines) + "\n")
    staged.refuse_secrets()
    commit()
    lines[4] = f"token = '{SECRETS[kind]()}'"
    stage(name, "\n".join(lines) + "\n")
    with pytest.raises(ProjectError) as told:
        staged.refuse_secrets()
    assert f"would be committed: {name}:5 ({kind})" in str(told.value)
    assert "environment variable" in str(told.value) and "`pragma: allowlist secret`" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_very_first_commit_is_looked_at() -> None:
    stage("a.py", f"x = 1\nTOKEN = '{SECRETS['GitHub Token']()}'\n")
    with pytest.raises(ProjectError, match=r"a\.py:2 \(GitHub Token\)"):
        staged.refuse_secrets()


def test_what_counts_is_what_is_staged() -> None:
    """Not what lies in the folder by now."""
    stage("a.py", f"TOKEN = '{SECRETS['GitHub Token']()}'\n")
    Path("a.py").unlink()
    with pytest.raises(ProjectError, match=r"a\.py:1"):
        staged.refuse_secrets()
    stage("a.py", "TOKEN = os.environ['TOKEN']\n")
    Path("a.py").write_text(f"TOKEN = '{SECRETS['GitHub Token']()}'\n", encoding="utf-8")
    staged.refuse_secrets()


def test_a_secret_may_be_taken_out() -> None:
    stage("a.py", f"TOKEN = '{SECRETS['GitHub Token']()}'\n")
    commit()
    stage("a.py", "TOKEN = os.environ['TOKEN']\n")
    staged.refuse_secrets()
    git("rm", "--quiet", "--force", "a.py")
    staged.refuse_secrets()


def test_a_line_that_says_that_it_holds_none_is_let_through() -> None:
    """In each kind of file that has comments."""
    token = SECRETS["GitHub Token"]()
    stage("a.py", f"TOKEN = '{token}'  # pragma: allowlist secret\n")
    stage("key.pem", f"{SECRETS['Private Key']()} pragma: allowlist secret\n")
    stage("a.md", f"`{token}` <!-- pragma: allowlist secret -->\n")
    staged.refuse_secrets()


def test_many_are_counted() -> None:
    stage("a.py", "".join(f"T{number} = '{SECRETS['GitHub Token']()}'\n" for number in range(8)))
    with pytest.raises(ProjectError, match=r"a\.py:5 \(GitHub Token\) and 3 more\. Take it"):
        staged.refuse_secrets()


def test_what_only_looks_random_is_no_secret() -> None:
    """Digests, ids, embedded images and an address of a variable."""
    stage("dvc.lock", f"md5: {drawn(32, '0123456789abcdef')}\n" * 50)
    stage("uv.lock", f'sha256 = "{drawn(64, "0123456789abcdef")}"\n' * 50)
    stage("notes.md", "![](data:image/png;base64," + base64.b64encode(PLANTED.randbytes(3000)).decode() + ")\n")
    stage("params.yaml", 'sql: { url: "env:DATABASE_URL" }\nkey: flight_id\npassword: null\n')
    stage("notebooks/a.ipynb", json.dumps({"cells": [{"id": drawn(8), "source": ["api_key = read()"]}]}, indent=1))
    staged.refuse_secrets()


def test_files_that_are_no_text_are_passed_over() -> None:
    """And text that is not UTF-8 is searched."""
    Path("b.csv").write_bytes(f"caf\xe9;{SECRETS['Stripe Access Key']()}\n".encode("latin-1"))
    git("add", "b.csv")
    with pytest.raises(ProjectError, match=r"b\.csv:1 \(Stripe"):
        staged.refuse_secrets()
    git("rm", "--quiet", "--cached", "b.csv")
    Path("a.parquet").write_bytes(bytes(range(256)) * 100)
    git("add", "a.parquet")
    staged.refuse_secrets()


def test_a_fresh_project_passes_with_all_its_files_in_less_than_a_second() -> None:
    """As they lie in the template, with the machinery's own beside them."""
    for path in [*TEMPLATE.rglob("*"), ROOT / "README.md"]:
        name = path.relative_to(ROOT).as_posix().replace("<<cookiecutter.project>>/", "")
        if path.is_file() and "__pycache__" not in name and ".venv" not in name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(path.read_bytes())
    git("add", "--all", "--force")
    begun = time.process_time()
    staged.refuse_secrets()
    assert time.process_time() - begun < 1


def test_without_the_library_a_commit_is_made_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the commit of an update that brings it."""
    monkeypatch.setitem(sys.modules, "detect_secrets.core.scan", None)
    stage("a.py", f"TOKEN = '{SECRETS['GitHub Token']()}'\n")
    staged.refuse_secrets()
    assert capsys.readouterr().out == "this commit was not searched for secrets: `uv sync` brings detect-secrets\n"


@pytest.mark.parametrize("odd", ["\r", "\x0c", "\x1c", "\u2028", "\x85"])
def test_odd_ends_of_lines_neither_hide_a_secret_nor_stop_a_commit(odd: str) -> None:
    """Only a line feed ends a line for git; a file may lack it at its end."""
    stage("a.py", f"x{odd}y = 1{odd}\nz = 2")
    staged.refuse_secrets()
    stage("b.py", f"x{odd}y = 1{odd}\nTOKEN = '{SECRETS['GitHub Token']()}'")
    with pytest.raises(ProjectError, match=r"committed: b\.py:2 \("):
        staged.refuse_secrets()


@pytest.mark.parametrize(
    ("name", "expected"), [("params.yaml", True), ("contract.yaml", True), ("src/p/a.py", True), ("README.md", False)]
)
def test_settings_are_looked_at_where_they_change(name: str, expected: bool) -> None:
    stage(name, "x")
    assert staged.settings_are_staged() is expected
