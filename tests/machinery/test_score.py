"""`score` answers files of any size as the champion does, in little memory, and leaves no half of a file."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlops_template.data import csv_file
from mlops_template.data.contract import load_contract
from mlops_template.errors import ProjectError
from mlops_template.scoring import score as scoring
from mlops_template.scoring import stream
from mlops_template.scoring.score import ScoreSummary, Scorer, score
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from mlops_template.training.cluster import CLUSTER
from ruamel.yaml import YAML

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
    monkeypatch.delenv(CLUSTER, raising=False)
    monkeypatch.setattr(stream, "BATCH", 100)
    for module in (stream, csv_file):
        monkeypatch.setattr(module, "BLOCK", 8192)
    monkeypatch.setattr(stream, "PART", 200)


def scored(champion: Path, source: str, out: str) -> ScoreSummary:
    """What the command does."""
    project = champion.parents[1]
    return score(load_params(project / paths.PARAMS), load_contract(project / paths.CONTRACT), champion, source, out)


def expected(champion: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The answers of the model to all rows at once."""
    model = load_model(champion)
    predictions = model.predict(rows).reset_index(drop=True)
    decisions = pd.Series(predictions["probability_1"] > 0.5, name="prediction").astype("int64")
    return pd.concat([rows["id"].reset_index(drop=True), predictions, decisions], axis="columns")


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
    predictions = Scorer.predictions
    monkeypatch.setattr(
        Scorer, "predictions", lambda scorer, rows, file: seen.append(len(rows)) or predictions(scorer, rows, file)
    )
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


def test_rows_without_an_id_are_named_by_their_place(champion: Path) -> None:
    """By the number within the file, as errors count them; by the file too where several are written together."""
    project = champion.parents[1]
    params, contract = load_params(project / paths.PARAMS), load_contract(project / paths.CONTRACT)
    params = params.model_copy(update={"columns": params.columns.model_copy(update={"id": "row_id"})})
    rows = table().drop(columns="id")
    for name, part in (("a.parquet", rows.iloc[:350]), ("b.csv", rows.iloc[350:])):
        written(part, name)
    score(params, contract, champion, "a.parquet", "one.csv")
    alone = pd.read_csv("one.csv")
    assert alone.columns.tolist() == ["row", "probability_0", "probability_1", "prediction"]
    assert alone["row"].tolist() == list(range(1, 351))
    score(params, contract, champion, "[ab].*", "all.parquet")
    together = pd.read_parquet("all.parquet")
    assert [Path(file).name for file in together["file"]] == ["a.parquet"] * 350 + ["b.csv"] * 250
    assert together["row"].tolist() == [*range(1, 351), *range(1, 251)]
    written(rows.head(0), "none.csv")
    score(params, contract, champion, "none.csv", "none.parquet")
    assert pd.read_parquet("none.parquet").columns.tolist() == alone.columns.tolist()


@pytest.mark.parametrize("out", ["a.json", "a.xlsx", "folder/a.feather"])
def test_a_kind_of_file_that_is_not_written_is_no_folder(out: str, champion: Path) -> None:
    with pytest.raises(ProjectError, match=r"written as \.parquet or \.csv, or into a folder"):
        scored(champion, written(table(), "rows.csv"), out)
    assert scored(champion, "rows.csv", "v1.2").out == ["v1.2/rows.parquet"]


def test_urls_are_read_and_written(champion: Path) -> None:
    import fsspec

    rows = table().head(50)
    with fsspec.open("memory://in/rows.csv", "wb") as file:
        file.write(rows.to_csv(index=False, date_format="%d/%m/%Y").encode())
    scored(champion, "memory://in/*.csv", "memory://out/answers.csv")
    with fsspec.open("memory://out/answers.csv", "rb") as file:
        assert same(pd.read_csv(file), expected(champion, rows))


@pytest.mark.parametrize(("pattern", "rows"), [("in/?.csv", 600), ("in/[ab].csv", 400), ("file://{}/in/[!a].csv", 400)])
def test_all_signs_of_a_glob_are_known(pattern: str, rows: int, champion: Path) -> None:
    Path("in").mkdir()
    for name in "abc":
        written(table().head(200), f"in/{name}.csv")
    assert scored(champion, pattern.format(Path.cwd()), "a.parquet").rows == rows


def test_a_file_whose_name_looks_like_a_glob_is_read(champion: Path) -> None:
    written(table().head(9), "a[1].csv")
    assert scored(champion, "a[1].csv", "a.parquet").rows == 9


def test_no_row_gives_no_answer_but_its_columns(champion: Path) -> None:
    found = scored(champion, written(table().head(0), "rows.parquet"), "a.parquet")
    assert found.rows == 0
    assert pd.read_parquet("a.parquet").columns.tolist() == ["id", "probability_0", "probability_1", "prediction"]


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


@pytest.mark.parametrize(
    "place",
    ["{}", "./{}", "in/../{}", "in/link.parquet", "file://HERE/{}", "local://HERE/{}", "simplecache::file://HERE/{}"],
)
@pytest.mark.parametrize("turned", [False, True], ids=["out", "in"])
def test_however_its_place_is_written_a_file_is_not_overwritten(place: str, turned: bool, champion: Path) -> None:
    before = Path(written(table(), "rows.parquet")).read_bytes()
    Path("in").mkdir()
    Path("in/link.parquet").symlink_to("../rows.parquet")
    places = ("rows.parquet", place.format("rows.parquet").replace("HERE", str(Path.cwd())))
    with pytest.raises(ProjectError, match=r"\.parquet would be overwritten by the predictions for it"):
        scored(champion, *(reversed(places) if turned else places))
    assert Path("rows.parquet").read_bytes() == before


@pytest.mark.parametrize("folder", [".", "{}/", "file://{}", "file://{}/", "memory://in/", "memory://in"])
def test_a_folder_is_not_filled_with_answers_to_itself(folder: str, champion: Path) -> None:
    import fsspec

    written(table().head(9), "rows.parquet")
    fsspec.filesystem("memory").put("rows.parquet", "/in/rows.parquet")
    folder = folder.format(Path.cwd())
    with pytest.raises(ProjectError, match=r"rows\.parquet would be overwritten"):
        scored(champion, f"{folder.rstrip('/')}/*.parquet", folder)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("rows.csv/a.parquet", r"rows\.csv/a\.parquet: rows\.csv is a file, not a folder: name another"),
        ("rows.csv/below/a.parquet", r"parquet: rows\.csv is a file, not a folder: name another"),
        ("rows.csv/", r"rows\.csv/rows\.parquet: rows\.csv is a file, not a folder: name another"),
        ("folder.parquet", r"folder\.parquet is a folder: name another place"),
        ("file://{}/folder.parquet", r"folder\.parquet is a folder: name another place"),
        ("/dev/null/a.csv", r"/dev/null/a\.csv cannot be written \(.*: name another place"),
        ("/proc/folder/a.csv", r"/proc/folder/a\.csv cannot be written \(No such file.*: name another place"),
        (f"{'x' * 250}.csv", r"x\.csv cannot be written \(File name too long\): name another place"),
        ("nosuch://bucket/a.csv", r"nosuch://bucket/a\.csv cannot be written \(.*: name another place"),
        ("dropbox://a.csv", r"dropbox://a\.csv cannot be written \(.*: add its library with `uv add`"),
        ("http://127.0.0.1:1/a.csv", r"http://127\.0\.0\.1:1/a\.csv cannot be written \(.*: name another place"),
    ],
)
def test_a_place_that_takes_no_answers_is_named(out: str, said: str, champion: Path) -> None:
    written(table().head(9), "rows.csv")
    Path("folder.parquet").mkdir()
    with pytest.raises(ProjectError, match=said) as error:
        scored(champion, "rows.csv", out.format(Path.cwd()))
    assert "\n" not in str(error.value)
    assert sorted(file.name for file in Path().rglob("*")) == ["folder.parquet", "rows.csv"]


def test_a_full_disk_is_named(champion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    monkeypatch.setattr(pq.ParquetWriter, "close", full)
    monkeypatch.setattr(pq.ParquetWriter, "__del__", lambda _: None)
    with pytest.raises(ProjectError, match=r"a\.parquet cannot be written \(No space left"):
        scored(champion, written(table().head(9), "rows.csv"), "a.parquet")
    assert sorted(file.name for file in Path().iterdir()) == ["rows.csv"]


def test_ids_of_two_kinds_do_not_go_into_one_file(champion: Path) -> None:
    Path("in").mkdir()
    written(table().head(9).assign(id=range(9)), "in/a.parquet")
    written(table().head(9), "in/b.parquet")
    with pytest.raises(ProjectError, match=r"all\.csv: id is int64 in some files and .*string in others: name"):
        scored(champion, "in/*", "all.csv")
    assert not Path("all.csv").exists()
    scored(champion, "in/*", "out")
    assert pd.read_parquet("out/a.parquet")["id"].tolist() == list(range(9))


@pytest.mark.parametrize(
    "ids",
    [
        [2**60 + 1, None, 2**60 + 3],
        [Decimal("12345678901234567890.10"), None, Decimal("0.10")],
        ["007", None, "NA"],
        [datetime(2024, 1, 1, 0, 0, 0, 1, UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
    ],
    ids=["integer", "decimal", "text", "moment"],
)
def test_an_id_comes_out_as_it_went_in(ids: list[Any], champion: Path) -> None:
    rows = pa.Table.from_pandas(table().head(150).drop(columns="id"), preserve_index=False)
    rows = rows.append_column("id", pa.array(ids * 50))  # a batch with gaps, then one more
    pq.write_table(rows, "rows.parquet")
    scored(champion, "rows.parquet", "a.parquet")
    assert pq.read_table("a.parquet")["id"].equals(rows["id"])
    scored(champion, "rows.parquet", "a.csv")
    texts = pd.read_csv("a.csv", dtype="str", keep_default_na=False)["id"]
    assert isinstance(ids[0], datetime) or texts.head(3).tolist() == [str(ids[0]), "", str(ids[2])]


def test_an_id_that_is_the_index_of_a_frame_is_found(champion: Path) -> None:
    table().head(9).set_index("id").to_parquet("rows.parquet")
    scored(champion, "rows.parquet", "a.parquet")
    assert same(pd.read_parquet("a.parquet"), expected(champion, table().head(9)))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_a_category_that_is_called_na_is_answered_alike_in_every_file(name: str, champion: Path) -> None:
    rows = table().assign(shop=lambda all: all["shop"].where(all.index % 3 != 0, "NA"))
    rows["shop"] = rows["shop"].where(rows.index % 5 != 0)
    rows["id"] = rows["id"].where(rows.index != 7, "null")
    scored(champion, written(rows, name), "a.parquet")
    assert same(pd.read_parquet("a.parquet"), expected(champion, rows))


def test_a_number_a_date_or_a_truth_may_be_missing_in_words(champion: Path) -> None:
    rows = table().head(30).drop(columns=["bought", "time"])
    spelled = rows.assign(birthday=rows["birthday"].dt.strftime("%d/%m/%Y")).astype("str")
    for column, word in {"price": "nan", "member": "NA", "birthday": "N/A"}.items():
        rows[column] = rows[column].where(rows.index != 3)
        spelled.loc[3, column] = word
    spelled["shop"] = rows["shop"]
    spelled.to_csv("rows.csv", index=False)
    scored(champion, "rows.csv", "a.parquet")
    assert same(pd.read_parquet("a.parquet"), expected(champion, rows.astype({"member": "boolean"})))


def test_files_of_one_name_are_not_mixed_up(champion: Path) -> None:
    for folder in ("x", "y"):
        Path(folder).mkdir()
        written(table(), f"{folder}/rows.csv")
    with pytest.raises(ProjectError, match="have the same name"):
        scored(champion, "*/rows.csv", "out")


def test_rows_that_onnx_does_not_take_are_answered_by_the_pipeline(champion: Path) -> None:
    scorer = Scorer(load_model(champion), load_contract(champion.parents[1] / paths.CONTRACT), ["id"], b"no model")
    rows = table().head(20)
    assert scorer.predictions(rows, "rows.csv").equals(expected(champion, rows))


def test_parts_for_a_cluster_are_whole_row_groups_in_order() -> None:
    path = written(table(), "rows.parquet", row_group_size=150)
    parts = stream.parts_of(path, ["id"])
    assert [(part.groups, part.first, part.steps) for part in parts] == [
        ([0], 0, 2),
        ([1], 150, 2),
        ([2], 300, 2),
        ([3], 450, 2),
    ]
