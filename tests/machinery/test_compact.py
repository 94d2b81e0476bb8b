"""A compacted storage is smaller, and nobody misses anything: neither those who knew the old one, nor its own past."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.storage import branch, compact, storage

from .conftest import CONFIG, Clone, copied, rows, save


@pytest.fixture(scope="session")
def grown(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """As `shared`, with three versions of data on `main`, and with data of a branch that is gone: these."""
    folder = tmp_path_factory.mktemp("grown")
    with pytest.MonkeyPatch.context() as patch:
        copied(shared, folder, patch)
        git("switch", "--quiet", "--create", "gone")
        save("z", "rows of a branch that will be gone")
        storage.push()
        left_over = only_of("gone", "main")
        git("switch", "--quiet", "main")
        dvc.pull()
        git("branch", "--quiet", "--delete", "--force", "gone")
        for name in "bc":
            save(name, f"rows of {name}")
            storage.push()
        git("push", "--quiet", "--no-verify", "origin", "main")
    return folder, left_over


@pytest.fixture
def first(grown: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, beside its origin; the current directory."""
    return copied(grown[0], tmp_path, monkeypatch)


@pytest.fixture
def left_over(grown: tuple[Path, dict[str, str]], first: Path) -> dict[str, str]:
    """The files of the storage that nothing needs, with their blobs."""
    return grown[1]


def only_of(mine: str, other: str) -> dict[str, str]:
    """The files of the storage that one branch names and the other does not, with their blobs."""
    kept = branch.contents()
    named = {here: {file.key for file in versioned_at(here)} for here in (mine, other)}
    return {name: kept[name] for name in named[mine] - named[other]}


def versioned_at(revision: str) -> list[dvc.Versioned]:
    """What a commit names of `data/raw`."""
    raw = dvc.Versioned(Path("data/raw"), str(dvc.output_digest(Path("data/raw"), revision)))
    return [raw, *dvc.files_of(raw, [dvc.cache(), Path(".storage")])]


def do_compact(keep: compact.Keep = "history", hours: float = -1) -> str:
    """Without the grace that recent files have."""
    return compact.compact(compact.plan(keep, hours))


def test_only_what_no_commit_names_is_dropped(left_over: dict[str, str], clone: Clone, origin: Path) -> None:
    """Every commit of every branch and tag can be pulled in a new clone, whose storage has one commit of data."""
    git("tag", "first", "main~2")
    before = branch.contents()
    assert len(left_over) == 2
    assert "2 files" in do_compact()
    assert branch.contents() == {name: blob for name, blob in before.items() if name not in left_over}
    assert git("rev-parse", "dvc-storage") == git("rev-parse", "dvc-storage", cwd=origin)
    assert git("rev-list", "--count", "dvc-storage", cwd=origin) == "2"
    assert not compact.plan("history", -1).dropped


@pytest.mark.parametrize(("revision", "names"), [("main", "abc"), ("main~1", "ab"), ("main~2", "a")])
def test_each_version_can_still_be_pulled(
    left_over: dict[str, str], clone: Clone, monkeypatch: pytest.MonkeyPatch, revision: str, names: str
) -> None:
    do_compact()
    monkeypatch.chdir(clone("second"))
    git("checkout", "--quiet", revision.replace("main", "origin/main"))
    storage.pull()
    assert [path.name for path in sorted(Path("data/raw").iterdir())] == list(names)


def test_what_is_newer_than_a_day_stays(left_over: dict[str, str]) -> None:
    """Somebody may have pushed data and be about to push the branch that names them."""
    found = compact.plan("history", 24)
    assert not found.dropped
    assert left_over.items() <= found.recent.items()


def test_only_champions_and_last_commits(first: Path) -> None:
    """`--keep champions` forgets what `main` held between them."""
    git("tag", "first", "main~2")
    kept = {file.key for revision in ("main", "first") for file in versioned_at(revision)}
    do_compact("champions")
    assert set(branch.contents()) == kept | {branch.FIRST_FILE}


def test_a_champion_of_main_keeps_its_commit(first: Path) -> None:
    """With the data it was trained on, although `main` went on."""
    Path("models").mkdir()
    Path("models/champion.dvc").write_text(Path("data/raw.dvc").read_text().replace("path: raw", "path: champion"))
    Path("models/.gitignore").write_text("/champion\n")
    save("d", "rows of d")
    storage.push()
    promoted = {file.key for file in versioned_at("main")}
    git("rm", "--quiet", "models/champion.dvc")
    save("e", "rows of e")
    storage.push()
    do_compact("champions")
    assert promoted <= branch.contents().keys()


def test_a_clone_that_knows_the_old_storage_brings_its_own_and_nothing_else(
    left_over: dict[str, str], first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = clone("second")
    monkeypatch.chdir(second)
    storage.pull()
    save("own", "rows that nobody else has")
    dvc.push()
    with branch.alone():
        branch.ensure()
        branch.commit()
    monkeypatch.chdir(first)
    do_compact()
    before = branch.contents().keys()
    monkeypatch.chdir(second)
    storage.push()
    after = branch.contents().keys()
    assert before | {file.key for file in dvc.versioned(Path(".storage"))} == after
    assert not left_over.keys() & after


def test_what_was_pushed_for_a_branch_that_was_not_is_brought_back(
    left_over: dict[str, str], first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clone that has the branch, even after it threw its cache away."""
    second = clone("second")
    monkeypatch.chdir(second)
    storage.pull()
    save("own", "rows of a branch that is not at origin")
    storage.push()
    own = {file.key for file in dvc.versioned(Path(".storage"))}
    monkeypatch.chdir(first)
    storage.refresh()
    do_compact()
    assert not own <= branch.contents().keys()
    monkeypatch.chdir(second)
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data/raw")
    storage.pull()
    assert rows("own") == "rows of a branch that is not at origin"
    storage.push()
    assert own <= branch.contents(branch.AT_ORIGIN).keys()
    assert not left_over.keys() & branch.contents().keys()


def test_who_pushes_during_a_compaction_loses_nothing(
    left_over: dict[str, str], first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at is not what is there any more: it starts over."""
    second = clone("second")
    found = compact.plan("history", -1)
    monkeypatch.chdir(second)
    storage.pull()
    save("d", "rows of d")
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main:other")
    own = {file.key for file in dvc.versioned(Path(".storage"))}
    monkeypatch.chdir(first)
    assert "2 files" in compact.compact(found)
    assert own <= branch.contents(branch.AT_ORIGIN).keys()


def test_a_branch_that_comes_during_a_compaction_gets_its_data_back(
    left_over: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data were in the storage already, so that only the branch itself shows that they are needed."""
    found = compact.plan("history", -1)
    gone = next(line.split()[0] for line in git("reflog", "--all").splitlines() if line.endswith(": z"))
    git("push", "--quiet", "--no-verify", "origin", f"{gone}:refs/heads/gone")
    compact.compact(found)
    assert left_over.items() <= branch.contents(branch.AT_ORIGIN).items()


@pytest.mark.parametrize(
    ("module", "name", "last"),
    [
        (compact, "transfer", "push"),
        (compact, "git", branch.AT_ORIGIN),
        (branch, "in_storage", "--hard"),
    ],
    ids=["pushed", "known to be", "checked out"],
)
def test_cut_short_it_leaves_a_storage_that_works(
    left_over: dict[str, str], clone: Clone, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, last: str
) -> None:
    """After it was pushed, or when this clone had half followed."""
    found = compact.plan("history", -1)
    whole = getattr(module, name)

    def cut_short(*arguments: str) -> object:
        result = whole(*arguments)
        if last in arguments:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, name, cut_short)
        with pytest.raises(KeyboardInterrupt):
            compact.compact(found)
    storage.push()
    assert not left_over.keys() & branch.contents().keys()
    monkeypatch.chdir(clone("second"))
    storage.pull()
    assert rows("c") == "rows of c"


def test_where_it_cannot_know_what_is_needed_it_refuses(
    first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone("second", "--depth=1"))
    with pytest.raises(ProjectError, match="git fetch --unshallow"):
        compact.plan("history", 24)
    Path(".dvc/config").write_text(CONFIG.replace("../.storage", "s3://bucket/project"))
    with pytest.raises(ProjectError, match=r"s3://bucket/project, .* dvc gc --cloud"):
        compact.plan("history", 24)


def test_a_clone_of_one_branch_looks_at_all_of_them(
    left_over: dict[str, str], first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("switch", "--quiet", "--create", "other")
    save("d", "rows of d")
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "other")
    other = {file.key for file in dvc.versioned(Path(".storage"))}
    monkeypatch.chdir(clone("second", "--single-branch", "--branch=main"))
    do_compact()
    assert other <= branch.contents(branch.AT_ORIGIN).keys()
    assert not left_over.keys() & branch.contents().keys()
    assert not git("for-each-ref", compact.ORIGINS)
