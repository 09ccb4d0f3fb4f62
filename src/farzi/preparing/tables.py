"""Whatever holds a table, file or object, read lazily and with the place of every row."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from farzi.preparing.lines import check_json_lines
from farzi.preparing.parts import PARTS, Part, parts_of
from farzi.preparing.text_files import Layout, check_lines, layout

PLACE = "__place"
"""Column with the place of a row: the number of its file, and of the row in it from 0."""
_ROWS_BITS = 40

_SEPARATED = (".csv", ".tsv", ".txt", ".inter", ".tab", ".dat", ".data", ".log")
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
READABLE = (*_SEPARATED, *_JSON_LINES, *_PARQUET, *_ARROW)


@dataclass(frozen=True)
class Table:
    """A table that is read when it is needed.

    Attributes:
        frame: its columns, and `PLACE`.
        source: what it is, in words.
        files: what it is read from, in order; none for an object.
        names: of what an object consists of, for messages.
        parts: what each file, or table of an object, is for, where their names say so.
        layout: of files of separated values, whose columns are all text.
    """

    frame: pl.LazyFrame
    source: str
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    layout: Layout | None = None

    @cached_property
    def types(self) -> dict[str, Any]:
        """The polars type of each column, by name."""
        return dict(self.attempt(self.frame.drop(PLACE).collect_schema))

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.types)

    @property
    def part(self) -> pl.Expr:
        """The part that a row is for, by its file, as a place in `PARTS`, int8."""
        file = pl.col(PLACE) // 2**_ROWS_BITS
        parts = [PARTS.index(part) for part in self.parts]
        return file.replace_strict(range(len(parts)), parts, return_dtype=pl.Int8)

    def part_of(self, place: int) -> Part:
        """What a row is for."""
        return self.parts[place >> _ROWS_BITS] if self.parts else "train"

    def place(self, place: int) -> str:
        """Where a row is, in words."""
        row = place & (2**_ROWS_BITS - 1)
        if not self.files:
            return f"{self.names[place >> _ROWS_BITS]}, row {row + 1}"
        path = self.files[place >> _ROWS_BITS]
        if path.name.endswith((*_PARQUET, *_ARROW)):
            return f"{path}, row {row + 1}"
        header = self.layout is not None and self.layout.header
        return f"{path}, line {row + 1 + header}"

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """What a query of this table gives.

        Raises:
            ValueError: if a file cannot be read, with the place where that is known.
        """
        return self.attempt(lambda: frame.collect(engine="streaming"))

    def attempt(self, read: Callable[[], Any]) -> Any:
        """Do something that reads the table; see `collect`."""
        try:
            return read()
        except (pl.exceptions.PolarsError, OSError) as error:
            for path in self.files:
                _check(path, self.layout)
            raise ValueError(_unreadable(self.source, error)) from None


def open_table(source: Any, *, separator: str | None = None, columns: Sequence[str] = ()) -> Table:
    """A table from a file, a glob, a folder, or an object.

    Args:
        source: a path (a glob such as "log/*.parquet" too; a folder, of Parquet partitions for
            example, or saved by Hugging Face's `save_to_disk`), or a `datasets.Dataset` or a data
            frame, or several by name, such as a `datasets.DatasetDict`.
        separator: of separated values, if it is not recognised.
        columns: names of all columns of separated values without header.

    Raises:
        ValueError: if there is nothing there that can be read.
    """
    if not isinstance(source, str | Path):
        table = _of_object(source)
        _check_unused(table.source, separator, columns)
        return table
    files = find_files(source)
    kinds = {_kind(path) for path in files}
    if len(kinds) > 1:
        raise ValueError(
            f"{source} holds files of different kinds ({', '.join(sorted(kinds))}); name the files "
            f'of one kind, as in "{source}/*{min(kinds)}".'
        )
    if kinds & set(_SEPARATED):
        return _separated(source, files, separator, tuple(columns))
    _check_unused(str(source), separator, columns)
    frames = [_scan(path).with_row_index(PLACE) for path in files]
    return Table(_in_order(frames), str(source), files, parts=parts_of(files))


def find_files(source: str | Path) -> tuple[Path, ...]:
    """The files that a path stands for, in the order of their names.

    Raises:
        ValueError: if there are none that can be read.
    """
    path = Path(source)
    if path.is_dir():
        files = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and _kind(file) in READABLE and not file.name.startswith((".", "_"))
        ]
        saved = {folder: _saved(folder) for folder in {file.parent for file in files}}
        files = [file for file in files if file.name in saved[file.parent]]
    elif path.is_file():
        files = [path]
    elif glob.has_magic(str(source)):
        files = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
        files = [file for file in files if file.is_file()]
    else:
        raise ValueError(f"there is no file or folder {source}; check the path.")
    if not files:
        raise ValueError(
            f"{source} holds no file that can be read; those end with {', '.join(READABLE)}."
        )
    unknown = [file for file in files if _kind(file) not in READABLE]
    if unknown:
        raise ValueError(
            f"{unknown[0]} is of no kind that can be read; those end with {', '.join(READABLE)}."
        )
    for file in files:
        if not file.stat().st_size:
            raise ValueError(f"{file} is empty; name a file that holds events.")
    return tuple(files)


def _saved(folder: Path) -> set[str]:
    """The names of a folder's files, without what Hugging Face wrote beside the data sets it saved.

    That are its notes, and what was computed from a data set that was loaded from there.
    """
    names = {file.name for file in folder.iterdir()} - {"dataset_dict.json"}
    if "state.json" in names:
        try:
            state = json.loads((folder / "state.json").read_bytes())
            return {file["filename"] for file in state["_data_files"]}
        except (ValueError, TypeError, KeyError):
            pass  # Then it is something else of that name.
    return names


def _separated(
    source: str | Path, files: tuple[Path, ...], separator: str | None, columns: tuple[str, ...]
) -> Table:
    found = layout(files[0], separator, columns)
    frames = []
    for path in files:
        own = layout(path, found.separator, columns or (() if found.header else found.columns))
        if own != found:
            raise ValueError(
                f"{path} has the columns {', '.join(own.columns)}, but {files[0]} has "
                f"{', '.join(found.columns)}; give files with the same columns."
            )
        frame = pl.scan_csv(
            path,
            separator=found.separator,
            has_header=found.header,
            new_columns=None if found.header else list(found.columns),
            infer_schema=False,
            glob=False,
        )
        frames.append(frame.with_row_index(PLACE))
    return Table(_in_order(frames), str(source), files, parts=parts_of(files), layout=found)


def _check_unused(source: str, separator: str | None, columns: Sequence[str]) -> None:
    if separator is not None or columns:
        raise ValueError(
            f"separator and columns are for separated values, which {source} does not hold; leave "
            "them out."
        )


def _scan(path: Path) -> pl.LazyFrame:
    kind = _kind(path)
    try:
        if kind in _PARQUET:
            frame = pl.scan_parquet(path, glob=False, hive_partitioning="=" in str(path))
        elif kind in _JSON_LINES:
            frame = pl.scan_ndjson(path, infer_schema_length=None)
        else:
            frame = _scan_arrow(path)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        _check(path)
        raise ValueError(_unreadable(path, error)) from None
    return frame


def _check(path: Path, layout: Layout | None = None) -> None:
    """Raise an error that names the first line of a file that cannot be read, if it has lines."""
    if layout is not None:
        check_lines(path, layout)
    elif _kind(path) in _JSON_LINES:
        check_json_lines(path)


def _scan_arrow(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_ipc(path)
        frame.collect_schema()
    except pl.exceptions.PolarsError:
        return pl.read_ipc_stream(path).lazy()  # The form of Arrow that Hugging Face writes.
    return frame


def _of_object(source: Any) -> Table:
    kind = f"this {type(source).__module__.partition('.')[0]} {type(source).__name__}"
    if not (isinstance(source, Mapping) and source):
        frame = _frame(source, kind).with_row_index(PLACE)
        return Table(_in_order([frame]), kind, names=(kind,))
    names = tuple(f"{kind}, {str(key)!r}" for key in source)
    frames = [
        _frame(table, name).with_row_index(PLACE)
        for table, name in zip(source.values(), names, strict=True)
    ]
    parts = parts_of([Path(str(key)) for key in source])
    return Table(_in_order(frames), kind, names=names, parts=parts)


def _frame(source: Any, name: str) -> pl.LazyFrame:
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        return source.lazy()
    if callable(getattr(source, "to_polars", None)):  # datasets.Dataset
        return source.to_polars().lazy()
    if callable(getattr(source, "__dataframe__", None)):  # pandas and others
        return pl.from_dataframe(source).lazy()
    raise ValueError(f"{name} is no table; give a path, a datasets.Dataset, or a data frame.")


def _in_order(frames: Iterable[pl.LazyFrame]) -> pl.LazyFrame:
    """One table of several, whose rows remember their places."""
    numbered = [
        frame.with_columns(pl.col(PLACE).cast(pl.Int64) + (number << _ROWS_BITS))
        for number, frame in enumerate(frames)
    ]
    return pl.concat(numbered, how="vertical_relaxed") if len(numbered) > 1 else numbered[0]


def _kind(path: Path) -> str:
    """The end of a file's name, `.gz` aside."""
    return re.sub(r"\.gz$", "", path.name.lower()).rpartition(".")[2].join((".", ""))


def _unreadable(what: str | Path, error: Exception) -> str:
    said = (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
    return f"{what} cannot be read ({said}); it may be incomplete: fetch or write it again."
