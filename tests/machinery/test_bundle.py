"""What one job made arrives in the next as it was, and nothing else comes with it."""

import hashlib
import shutil
from pathlib import Path

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.storage import storage
from mlops_template.storage.bundle import pack, unpack

from .conftest import Clone, rows, save

PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [data/raw]
    outs: [models/challenger]
"""
TRAIN = """\
from pathlib import Path

model = Path("models/challenger")
model.mkdir()
(model / "model").write_bytes(Path("data/raw/b").read_bytes())
(model / "card").write_text("plain")
"""


@pytest.fixture
def trained(first: Path, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a job has packed, at the commit of the current directory, which is the clone of another job."""
    Path("models").mkdir()
    Path("models/.gitignore").write_text("/challenger\n/champion\n")
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text("{}")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("train.py").write_text(TRAIN)
    save("b", "rows of b")
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main")
    for name in ("train", "evaluate"):
        monkeypatch.chdir(clone(name, "--depth=1"))
        storage.check()
    monkeypatch.chdir(tmp_path / "train")
    dvc.repro()
    Path("reports/metrics.json").write_text('{"roc_auc": 0.7}')
    Path("reports/new.md").write_text("new")
    Path("src").mkdir()
    Path("src/model.py").write_text("a change that is no result")
    Path(".dvc/tmp/stages.json").write_text('{"stages": []}')
    pack(tmp_path / "packed")
    monkeypatch.chdir(tmp_path / "evaluate")
    return tmp_path / "packed"


def test_what_was_made_arrives_and_nothing_else(trained: Path) -> None:
    unpack(trained)
    assert Path("models/challenger/model").read_text() == "rows of b"
    assert Path("reports/metrics.json").read_text() == '{"roc_auc": 0.7}'
    assert Path("reports/new.md").read_text() == "new"
    assert Path(".dvc/tmp/stages.json").read_text() == '{"stages": []}'
    assert not Path("src").exists()
    assert dvc.output_digest(Path("models/challenger"))
    assert git("ls-files", "--modified", "--others", "--exclude-standard").splitlines() == [
        "dvc.lock",
        "reports/new.md",
        "reports/metrics.json",
    ]


def test_only_what_the_storage_lacks_is_handed_over(trained: Path) -> None:
    """Of the model, its list and its card: its other file has the content of a file of the data."""
    packed = [path for path in (trained / "content").rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in packed) == ["", ".dir"]


def test_it_can_be_handed_on_and_pushed(trained: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, evaluate, publish: three jobs, of which only the last may write."""
    unpack(trained)
    pack(trained.with_name("again"))
    monkeypatch.chdir(clone("publish", "--depth=1"))
    storage.check()
    unpack(trained.with_name("again"))
    assert "2 files added" in storage.push()


def test_the_result_of_another_commit_is_refused(trained: Path) -> None:
    """The branch may have moved while the job ran."""
    ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(*ada, "commit", "--quiet", "--allow-empty", "--message", "on")
    with pytest.raises(ProjectError, match="holds the result of"):
        unpack(trained)
    assert not Path("dvc.lock").exists()


POINTER = "outs:\n- md5: 520ab589d0d9dd85e4c8b0a828e5207f.dir\n  path: {}\n"
LIST = '[{"md5": "520ab589d0d9dd85e4c8b0a828e5207f", "relpath": "%s"}]'
FORGED = {
    "result/conftest.py": "code",
    "result/.git/config": "a setting",
    "result/reports/.gitignore": "a hidden file",
    "params.yaml": "a file beside",
    "content/x": "a content of another name",
    "content/files/md5/52/0ab589d0d9dd85e4c8b0a828e5207f": "a content that is another",
    "result/models/champion.dvc": "outs: [",
    "result/models/champion.dvc ": POINTER.format("../.git/hooks"),
    "result/models/champion.dvc  ": POINTER.format("champion") + "deps:\n- path: /etc/passwd\n",
    "list": LIST % "../../x",
    "list ": LIST % "/etc/passwd",
    "list  ": "42",
}


def test_what_is_no_result_is_refused_as_a_whole(trained: Path, tmp_path: Path) -> None:
    """Code, settings of git, hidden files; contents that are not what they are called; pointers and lists elsewhere."""
    for number, (name, text) in enumerate(FORGED.items()):
        folder = tmp_path / f"forged-{number}"
        shutil.copytree(trained, folder)
        digest = hashlib.md5(text.encode()).hexdigest()
        listed = f"content/files/md5/{digest[:2]}/{digest[2:]}.dir"
        file = folder / (listed if name.startswith("list") else name.strip())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        refused(folder)


def test_links_are_refused(trained: Path, tmp_path: Path) -> None:
    """Even where what they lead to would do: of a file, of a folder, of all."""
    for number, name in enumerate(("result/reports/new.md", "result/reports", "stages.json", "content")):
        folder, there = tmp_path / f"linked-{number}", tmp_path / f"there-{number}"
        shutil.copytree(trained, folder)
        (folder / name).rename(there)
        (folder / name).symlink_to(there)
        refused(folder)


def refused(folder: Path) -> None:
    """That it is, and that nothing was changed."""
    with pytest.raises(ProjectError, match="is not part of a result, or damaged"):
        unpack(folder)
    assert not git("status", "--porcelain")
    assert not Path("dvc.lock").exists()


def test_nothing_to_pack_is_an_error(first: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"run` makes one"):
        pack(tmp_path / "packed")
    Path("dvc.lock").write_text("schema: '2.0'\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ProjectError, match="not empty"):
        pack(tmp_path / "full")


def test_what_is_nowhere_cannot_be_packed(first: Path, tmp_path: Path) -> None:
    save("b", "rows of b")
    Path("dvc.lock").write_text("schema: '2.0'\n")
    shutil.rmtree(".dvc/cache")
    with pytest.raises(ProjectError, match="data/raw is neither in the storage nor on this machine"):
        pack(tmp_path / "packed")
    assert rows("b") == "rows of b"
