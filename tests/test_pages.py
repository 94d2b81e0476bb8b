"""Pages of the docs, followed from top to bottom: each command that they show is run, in a project on a small table."""

import re
import shlex
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pages import Block, blocks, settle
from support import cli, clone_of, commit, environment, git, run

pytestmark = pytest.mark.slow

ROWS, HELD = 700, 600
RIDGE = {"estimator": "sklearn.linear_model.Ridge"}


@pytest.fixture(scope="module")
def clone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on a table of its own, with a champion on `main`, and a repository that it pushes to."""
    folder = tmp_path_factory.mktemp("pages")
    clone = clone_of(project, folder, project.name)
    git(folder, "init", "--quiet", "--bare", "--initial-branch", "main", "origin.git")
    git(clone, "remote", "set-url", "origin", str(folder / "origin.git"))
    for key in ("user.name", "user.email"):
        git(clone, "config", key, "ada@example.com")
    sales().head(HELD).to_csv(folder / "sales.csv", index=False)
    cli(clone, "adopt", "../sales.csv", "--target", "revenue", "--time", "day")
    settle(clone, {"evaluate": {"n_bootstrap": 100}, "model": {"candidates": [RIDGE]}})
    trained(clone, "A table of my own")
    cli(clone, "push", "--first")
    return clone


def sales() -> pd.DataFrame:
    """Sales, whose revenue follows from price and shop."""
    random = np.random.default_rng(0)
    day = pd.date_range("2024-01-01", periods=ROWS, freq="8h")
    price, shop = random.uniform(1, 20, ROWS).round(2), random.choice(["north", "south", "west"], ROWS)
    revenue = 3 * price + 10 * (shop == "south") + random.normal(0, 1, ROWS)
    return pd.DataFrame({"day": day, "price": price, "shop": shop, "revenue": revenue.round(2)})


def trained(project: Path, message: str) -> str:
    """Train, promote whatever comes, commit. Returns the commit."""
    cli(project, "run")
    cli(project, "promote", "--force", "--why", "a test")
    commit(project, message)
    return git(project, "rev-parse", "HEAD")


def page(project: Path, name: str) -> dict[str, list[Block]]:
    """The blocks of a page by the heading that they stand under."""
    found: dict[str, list[Block]] = {}
    for block in blocks(project / "docs" / f"{name}.md"):
        found.setdefault(block.heading, []).append(block)
    return found


def follow(project: Path, commands: list[Block], *failing: str, **names: str) -> list[str]:
    """Run the commands of blocks, with names in capitals replaced; those of `gh` belong to the tests of the workflows.

    Only those that begin as one of `failing` end with an error. Returns what each wrote.
    """
    said = []
    for command in (one for block in commands if not block.language for one in block.commands):
        if command.startswith("gh "):
            continue
        for name, value in names.items():
            command = re.sub(rf"\b{name}\b", value, command)
        done = subprocess.run(
            shlex.split(command),
            cwd=project,
            env=environment(DATABASE_URL="sqlite:///../shop.db"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert (done.returncode != 0) == command.startswith(failing or "-"), f"{command}: {done.stdout}"
        said.append(done.stdout)
    return said


def champion(project: Path, revision: str = "") -> str:
    """The digest in the pointer, of the working tree or of a revision."""
    file = "models/champion.dvc"
    text = git(project, "show", f"{revision}:{file}") if revision else (project / file).read_text(encoding="utf-8")
    found = re.search(r"\w+\.dir", text)
    assert found
    return found[0]


def test_each_way_back_leads_there(clone: Path) -> None:
    way = page(clone, "going-back")
    first = git(clone, "rev-parse", "HEAD")
    settle(clone, {"model": {"candidates": [{**RIDGE, "params": {"alpha": 500.0}}]}})
    second = trained(clone, "More shrinkage")
    assert champion(clone, first) != champion(clone, second)
    git(clone, "push", "--quiet", "origin", "main")

    [said] = follow(clone, way.pop("An earlier champion in production"))
    assert champion(clone)[:8] in said and champion(clone, first)[:8] in said
    revert, pointer = way.pop("A promotion that was wrong")
    follow(clone, [revert], COMMIT=second)
    assert champion(clone) == champion(clone, first)
    assert "500" not in (clone / "params.yaml").read_text(encoding="utf-8")
    assert git(clone, "rev-parse", "origin/back") == git(clone, "rev-parse", "HEAD")
    git(clone, "switch", "--quiet", "main")
    cli(clone, "pull")
    follow(clone, [pointer], COMMIT=second)
    assert champion(clone) == champion(clone, first)
    assert "500" in (clone / "params.yaml").read_text(encoding="utf-8")

    settle(clone, {"model": {"candidates": [{**RIDGE, "params": {"alpha": 50.0}}]}})
    follow(clone, way.pop("A change that is not committed"))
    assert git(clone, "status", "--porcelain") == ""
    assert "out of date  nothing" in cli(clone, "status")

    broken = sales().assign(price=lambda rows: rows["price"].where(rows.index < HELD, 0.0))
    broken.to_csv(clone.parent / "sales.csv", index=False)
    assert f"took {ROWS - HELD} rows" in cli(clone, "ingest")
    bad = trained(clone, "Fresh rows")
    sales().to_csv(clone.parent / "sales.csv", index=False)
    without, again = way.pop("Bad rows")
    said = follow(clone, [without], COMMIT=bad)
    assert champion(clone) != champion(clone, bad)
    [taken] = follow(clone, [again])
    assert f"took {ROWS - HELD} rows" in taken
    trained(clone, "Fresh rows, corrected")
    git(clone, "push", "--quiet", "origin", "main")

    git(clone, "switch", "--quiet", "--create", "other", "HEAD^")
    cli(clone, "pull")
    settle(clone, {"model": {"candidates": [{**RIDGE, "params": {"alpha": 5.0}}]}})
    cli(clone, "run")
    commit(clone, "Less shrinkage")
    merged = follow(clone, way.pop("A merge with conflicts"), "git pull")
    assert any("taken from what is merged" in one for one in merged)
    assert "5.0" in (clone / "params.yaml").read_text(encoding="utf-8")
    assert git(clone, "status", "--porcelain") == ""

    git(clone, "switch", "--quiet", "main")
    cli(clone, "pull")
    lineage, reproduced = follow(clone, way.pop("Where a model came from"))
    assert "Fresh rows, corrected" in lineage and "the same bytes" in reproduced
    assert way == {}, "each part of the page was followed"


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """The address of a server of the files in a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_table_is_taken_over_from_anywhere(clone: Path) -> None:
    way, folder = page(clone, "own-data"), clone.parent
    held = sales().head(HELD)
    held.to_csv(folder / "sales.csv", index=False)
    (folder / "sales").mkdir()
    held.head(300).to_parquet(folder / "sales" / "1.parquet")
    held.tail(HELD - 300).to_parquet(folder / "sales" / "2.parquet")
    with sqlite3.connect(folder / "shop.db") as connection:
        held.to_sql("sales", connection, index=False)
    connection.close()
    french = held.assign(day=held["day"].dt.strftime("%d/%m/%Y"), revenue=held["revenue"].map("{:.2f}".format))
    french["revenue"] = french["revenue"].str.replace(".", ",")
    french.to_csv(folder / "ventes.csv", index=False)

    with web(folder) as address:
        [block] = way.pop("Taking it over")
        here = Block(block.heading, block.language, block.text.replace("https://example.com", address))
        taken = follow(clone, [here])
    assert len(taken) == 4 and all(f"took {HELD} rows: regression from 2 features" in one for one in taken)
    follow(clone, way.pop("What to look through"))
    assert git(clone, "status", "--porcelain") == ""

    [said] = follow(clone, way.pop("How values are written"))
    assert f"took {HELD} rows: regression from 2 features" in said
    git(clone, "checkout", "--quiet", ".")
    cli(clone, "pull")

    sales().to_csv(folder / "sales.csv", index=False)
    commands, settings, module = way.pop("Fresh rows")
    settle(clone, YAML(typ="safe").load(settings.text))
    next(clone.glob("src/*/features.py")).with_name("source.py").write_text(module.text, encoding="utf-8")
    ingested, _ = follow(clone, [commands])
    assert f"took {ROWS - HELD} rows" in ingested
    run("uv", "run", "--no-sync", "ruff", "check", "src", cwd=clone)
    assert way == {}


def test_the_owners_of_the_page_own_what_is_there(clone: Path) -> None:
    """And nothing that a retraining changes, which would wait for them."""
    way = page(clone, "roles")
    [owners] = way.pop("Code owners")
    owned = [line.split()[0] for line in owners.text.splitlines()]
    for path in owned:
        assert path.startswith("/") and (clone / path[1:]).is_dir() == path.endswith("/"), path
        assert (clone / path[1:]).exists(), path
    for made in ("data/raw.dvc", "models/champion.dvc", "reports/metrics.json", "dvc.lock"):
        assert not any(f"/{made}".startswith(path) for path in owned)
    [said] = follow(clone, way.pop("Environments, secrets, variables"), "uv run flight-delays doctor")
    assert "✓ git push        carries data and models" in said
    assert "ML Test Score" in cli(clone, "checklist")
    named = {line.split()[1].partition("/")[0] for line in owners.text.splitlines()}
    assert named == {"@my-org"}
