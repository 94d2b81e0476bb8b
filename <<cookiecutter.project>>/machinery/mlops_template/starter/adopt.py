"""Making the project about a table of the user's own: settings, contract and data follow from its columns."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from ..data import known_files, partitions
from ..data.contract import Contract, conform
from ..data.ingest import accept
from ..data.source_files import read_files
from ..data.sources import GENERATED_ID, NOTHING_HELD, number_equal, texts_of, with_ids
from ..errors import ProjectError
from ..integrations import git
from ..owner.modules import own_code
from ..render.markdown import code
from ..serving.model_code import FEATURES
from ..settings import paths
from ..settings.params import Files, Params, describe
from . import no_features
from .first_settings import change_settings, settings_writer, write_contract
from .hints import here_only, warnings_of
from .infer import Inferred, infer
from .table import format_of, read

README, PYPROJECT = Path("README.md"), Path("pyproject.toml")
SAMPLES = ("Will this flight arrive late?", "How many minutes late will this flight arrive?")
"""What the template's default descriptions say."""


@dataclass(frozen=True)
class Adopted:
    """What was made of a table."""

    rows: int
    inferred: Inferred
    warnings: list[str]

    def __str__(self) -> str:
        inferred = self.inferred
        classes = f" of {len(inferred.classes)} classes" if inferred.classes else ""
        lines = [f"took {self.rows:,} rows: {inferred.task}{classes} from {len(inferred.roles)} features"]
        lines += [f"  left out {name}: {reason}" for name, reason in inferred.left_out.items()]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def adopt(
    table: str, target: str, time: str | None = None, id_column: str | None = None, formats: Sequence[str] = ()
) -> Adopted:
    """Write `params.yaml` (its comments kept) and `contract.yaml` for a table, and take in its rows.

    `table` is a CSV or Parquet file, a glob or URL of such files, or `DATABASE-URL::TABLE`, where the URL may be
    `env:NAME`. `formats`: COLUMN=FORMAT, as in contract.yaml, where it cannot be seen how texts are written.
    Whatever is wrong with the table, ProjectError is raised and the project is as it was.
    """
    name_of_id = id_column or GENERATED_ID
    written = dict(format_of(text) for text in formats)
    data, rows = read(table, [*written, *([id_column] if id_column else [])])
    if GENERATED_ID in rows:
        raise ProjectError(f"the table has a column {GENERATED_ID}, as ids are called that are made here: rename it")
    named = [("--target", target), ("--time", time), ("--id", id_column), *(("--format", name) for name in written)]
    for option, column in named:
        if column is not None and column not in rows:
            raise ProjectError(f"{option} {column}: the table has no such column, it has {', '.join(map(str, rows))}")
    inferred = infer(rows, target, time, name_of_id, written)
    if "files" in data:  # as `ingest` will: what is text keeps every sign of it
        texts = texts_of(Contract(columns=inferred.rules))
        rows = pd.concat(read_files(Files(**data["files"]), texts), ignore_index=True)
    if not inferred.roles:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in inferred.left_out.items())
        raise ProjectError(f"no column of {table} can be used to predict {target} ({reasons})")

    contract = Contract(columns=inferred.rules)
    rows = number_equal(with_ids(conform(rows, contract), name_of_id))
    yaml = settings_writer()
    document = yaml.load(paths.PARAMS.read_text(encoding="utf-8"))
    change_settings(document, data, inferred, rows, {"id": name_of_id, "time": time, "target": target})
    try:
        params = Params.model_validate(document)
    except ValidationError as error:
        raise ProjectError(f"{table}: {describe(error, Params)}") from None
    accepted = accept(rows, params, contract, NOTHING_HELD)
    features = features_to_replace(accepted.drop(columns=target))
    replace_project(yaml, document, contract, accepted, time, features)
    warnings = [*warnings_of(rows, target, inferred, time), *here_only(data)]
    if features:
        warnings.append(f"{features} was about other columns: it adds no feature now, `git diff` shows what it did")
    return Adopted(len(accepted), inferred, warnings)


def replace_project(
    yaml: YAML,
    document: CommentedMap,
    contract: Contract,
    rows: pd.DataFrame,
    time: str | None,
    features: Path | None,
) -> None:
    """Put the new settings, contract and rows in the place of the old; all as before if that fails.

    `features` is the file that adds features of other columns and now adds none.
    """
    settings = StringIO()
    yaml.dump(document, settings)
    old = partitions.files()
    described = descriptions(str(document["columns"]["target"]))
    changed = [paths.PARAMS, paths.CONTRACT, *described, *([features] if features else [])]
    before = {path: path.read_bytes() for path in changed if path.exists()}
    new = partitions.add(rows, time)
    try:
        for path, text in described.items():
            path.write_text(text, encoding="utf-8", newline="\n")
        paths.PARAMS.write_text(settings.getvalue(), encoding="utf-8", newline="\n")
        write_contract(contract)
        if features:
            features.write_text(Path(no_features.__file__).read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    except BaseException:
        for path, content in before.items():
            path.write_bytes(content)
        for file in new:
            file.unlink()
        raise
    for file in (*old, known_files.LIST):
        file.unlink(missing_ok=True)


def descriptions(target: str) -> dict[Path, str]:
    """README and pyproject.toml where they still say what the sample's model answers; now it is another target."""
    texts = {README: f"Predicts {code(target)}.", PYPROJECT: json.dumps(f"Predicts {target}.", ensure_ascii=False)}
    changed: dict[Path, str] = {}
    for path, said in texts.items():
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        for sample in SAMPLES:
            line = json.dumps(sample) if path == PYPROJECT else sample
            if line in old:
                changed[path] = old.replace(line, said, 1)
    return changed


def features_to_replace(rows: pd.DataFrame) -> Path | None:
    """The owner's features.py where it cannot add features to these rows, None where it can or there is none.

    Raises ProjectError when it has changes that are in no commit yet.
    """
    code = own_code("features")
    if FEATURES not in code.files:
        return None
    try:
        code.add_features(rows)
    except ProjectError as error:
        file = code.folder / f"{FEATURES}.py"
        if git.git_or_none("status", "--porcelain", "--", file.as_posix()):
            raise ProjectError(f"{error}: this table has other columns; commit {file}, or `git checkout` it") from None
        return file
    return None
