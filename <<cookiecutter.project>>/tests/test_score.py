"""`score` answers files of any size as the champion does, in little memory, and leaves no half of a file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from << cookiecutter.__package >> import paths
from << cookiecutter.__package >>.data import stream
from << cookiecutter.__package >>.data.contract import load_contract
from << cookiecutter.__package >>.errors import ProjectError
from << cookiecutter.__package >>.model import score as scoring
from << cookiecutter.__package >>.model import train
from << cookiecutter.__package >>.model.artifact import load_model
from << cookiecutter.__package >>.model.score import Scored, Scorer, score
from << cookiecutter.__package >>.params import load_params

from .test_model import prepare, table
from .test_package import CONTRACT


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model."""
    folder = tmp_path_factory.mktemp("shop")
    prepare(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        YAML().dump({"columns": CONTRACT}, paths.CONTRACT)
        train.main()
    return folder / paths.CHALLENGER


@pytest.fixture(autouse=True)
def here(champion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches in a directory of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(scoring.CLUSTER, raising=False)
    monkeypatch.setattr(stream, "BATCH", 100)
    monkeypatch.setattr(stream, "BLOCK", 8192)
    monkeypatch.setattr(stream, "PART", 200)


def scored(champion: Path, source: str, out: str) -> Scored:
    """What the command does."""
    project = champion.parents[1]
    return score(load_params(project / paths.PARAMS), load_contract(project / paths.CONTRACT), champion, source, out)


def expected(champion: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The answers of the model to all rows at once."""
    answers = load_model(champion).predict(rows).reset_index(drop=True)
    return pd.concat([rows["id"].reset_index(drop=True), answers], axis="columns")


def written(rows: pd.DataFrame, name: str, **options: int) -> str:
    """A file of rows in the current directory; dates in CSV as the contract has them."""
    if name.endswith(".parquet"):
        rows.to_parquet(name, index=False, **options)
    else:
        rows.to_csv(name, index=False, date_format="%d/%m/%Y")
    return name


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> bool:
    """Whether the same rows are answered alike."""
    numbers = wanted.columns[1:]
    return (
        found.columns.tolist() == wanted.columns.tolist()
        and found["id"].tolist() == wanted["id"].tolist()
        and np.allclose(found[numbers], wanted[numbers], atol=1e-6)
    )


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize("onnx", [True, False], ids=["onnx", "sklearn"])
def test_a_file_is_answered_as_all_at_once(
    name: str, onnx: bool, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "WORTH_CONVERTING", 10 if onnx else 10_000)
    rows = table().drop(columns=["bought", "time"])  # neither is known yet when it matters
    found = scored(champion, written(rows, name, row_group_size=250), "a.parquet")
    assert (found.rows, found.onnx) == (600, onnx)
    assert same(pd.read_parquet("a.parquet"), expected(champion, rows))


def test_no_more_than_a_batch_is_in_memory(champion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    answers = Scorer.answers
    monkeypatch.setattr(Scorer, "answers", lambda scorer, rows: seen.append(len(rows)) or answers(scorer, rows))
    scored(champion, written(table(), "rows.parquet", row_group_size=250), "a.parquet")
    assert max(seen) == 100 and sum(seen) == 600
    seen.clear()
    scored(champion, written(table(), "rows.csv"), "a.parquet")
    assert max(seen) < 200 and sum(seen) == 600


def test_a_glob_goes_into_one_file_or_into_one_each(champion: Path) -> None:
    rows = table()
    Path("in").mkdir()
    for name, part in (("b.csv", rows.iloc[300:]), ("a.parquet", rows.iloc[:300])):
        written(part, f"in/{name}")
    scored(champion, "in/*", "all.csv")
    assert same(pd.read_csv("all.csv"), expected(champion, rows))
    assert len(scored(champion, "in/*", "out").out) == 2
    assert same(pd.read_parquet("out/b.parquet"), expected(champion, rows.iloc[300:]))
    assert sorted(file.name for file in Path("out").iterdir()) == ["a.parquet", "b.parquet"]


def test_urls_are_read_and_written(champion: Path) -> None:
    import fsspec

    rows = table().head(50)
    with fsspec.open("memory://in/rows.csv", "wb") as file:
        file.write(rows.to_csv(index=False, date_format="%d/%m/%Y").encode())
    scored(champion, "memory://in/*.csv", "memory://out/answers.csv")
    with fsspec.open("memory://out/answers.csv", "rb") as file:
        assert same(pd.read_csv(file), expected(champion, rows))


def test_no_row_gives_no_answer_but_its_columns(champion: Path) -> None:
    found = scored(champion, written(table().head(0), "rows.parquet"), "a.parquet")
    assert found.rows == 0
    assert pd.read_parquet("a.parquet").columns.tolist() == ["id", "probability_0", "probability_1"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (table().drop(columns=["shop", "member"]), "rows.csv has no column shop, member: add"),
        (
            table().astype({"member": "object"}).replace({"member": {True: "maybe"}}),
            "member is maybe in row .*no boolean",
        ),
        (
            table().assign(birthday="2013-01-01").astype("str"),
            "rows.csv: birthday is 2013-01-01 in row 1, which is no d",
        ),
        (table().assign(price="cheap"), "rows.csv cannot be read, .*cheap"),
        (table()[[]], "rows.csv cannot be read, .*it is empty"),
    ],
    ids=["columns", "boolean", "date", "number", "nothing"],
)
def test_what_breaks_the_contract_is_named(wrong: pd.DataFrame, said: str, champion: Path) -> None:
    Path("a.parquet").write_text("of before")
    with pytest.raises(ProjectError, match=said) as error:
        scored(champion, written(wrong, "rows.csv"), "a.parquet")
    assert "\n" not in str(error.value)
    assert Path("a.parquet").read_text() == "of before"
    assert sorted(file.name for file in Path().iterdir()) == ["a.parquet", "rows.csv"]


def test_a_row_is_counted_within_its_file(champion: Path) -> None:
    rows = table().assign(shop=table()["shop"].astype("object"))
    rows["member"] = rows["member"].astype("str").where(rows.index != 555, "maybe")
    with pytest.raises(ProjectError, match="member is maybe in row 556,"):
        scored(champion, written(rows, "rows.parquet", row_group_size=50), "a.parquet")


@pytest.mark.parametrize(("source", "out"), [("rows.csv", "rows.csv"), ("no*.csv", "a.csv"), ("gone.csv", "a.csv")])
def test_what_cannot_be_done_is_said(source: str, out: str, champion: Path) -> None:
    written(table(), "rows.csv")
    before = Path("rows.csv").read_bytes()
    with pytest.raises(ProjectError, match=r"would be overwritten|no file matches no\*|gone.csv does not exist"):
        scored(champion, source, out)
    assert Path("rows.csv").read_bytes() == before


def test_files_of_one_name_are_not_mixed_up(champion: Path) -> None:
    for folder in ("x", "y"):
        Path(folder).mkdir()
        written(table(), f"{folder}/rows.csv")
    with pytest.raises(ProjectError, match="have the same name"):
        scored(champion, "*/rows.csv", "out")


def test_rows_that_onnx_does_not_take_are_answered_by_the_pipeline(champion: Path) -> None:
    scorer = Scorer(load_model(champion), load_contract(champion.parents[1] / paths.CONTRACT), ["id"], b"no model")
    rows = table().head(20)
    assert scorer.answers(rows).equals(expected(champion, rows))


def test_parts_for_a_cluster_are_whole_row_groups_in_order() -> None:
    path = written(table(), "rows.parquet", row_group_size=150)
    parts = stream.parts_of(path, ["id"])
    assert [(part.groups, part.first, part.steps) for part in parts] == [
        ([0], 0, 2),
        ([1], 150, 2),
        ([2], 300, 2),
        ([3], 450, 2),
    ]
