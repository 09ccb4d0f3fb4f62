"""What a file of separated values looks like: its separator, its header, and where it is broken."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from farzi.preparing.columns import is_known

SEPARATORS = ("\t", ",", ";", "|", " ")
LONGEST_LINE = 2**20
"""A longer one is taken for a mistake: another kind of file, or other line ends."""
_LOOKED_AT = 50


@dataclass(frozen=True)
class Layout:
    """How a file of separated values is to be read.

    Attributes:
        separator: between two fields.
        header: whether the first line holds names.
        columns: those names, or the ones that were given or are meant where there is no header.
    """

    separator: str
    header: bool
    columns: tuple[str, ...]


def layout(path: Path, separator: str | None = None, columns: tuple[str, ...] = ()) -> Layout:
    """Look at the first lines of a file.

    Args:
        path: the file; may end with .gz.
        separator: if it is known.
        columns: names of the columns of a file without header.

    Raises:
        ValueError: if the file is empty, no text, or no separator makes sense of it.
    """
    lines = list(_first_lines(path))
    if not lines:
        raise ValueError(f"{path} is empty; name a file that holds events.")
    separator = separator or _separator(path, lines)
    rows = [_fields(line, separator) for line in lines]
    first = rows[0]
    if columns:
        if len(columns) != len(first):
            raise ValueError(
                f"{path} has {len(first)} columns, but names are given for {len(columns)}; "
                "name every column, in order."
            )
        return Layout(separator, False, columns)
    second = rows[1] if len(rows) > 1 else []
    header = any(map(is_known, first)) or (
        not any(map(_is_number, first)) and any(map(_is_number, second))
    )
    if not header:
        return Layout(separator, False, _by_position(path, first))
    twice = sorted({name for name in first if first.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path}, line 1: there is more than one column {twice[0]!r}; rename all but one."
        )
    return Layout(separator, True, tuple(first))


def check_lines(path: Path, layout: Layout) -> None:
    """Find the first line that cannot be read; to be called when reading has failed.

    Raises:
        ValueError: that names it, if there is one.
    """
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            text = _decoded(path, number, line)
            fields = len(_fields(text, layout.separator))
            if fields != len(layout.columns) and text.strip():
                raise ValueError(
                    f"{path}, line {number}: {fields} fields where line 1 has "
                    f"{len(layout.columns)}; put quotation marks around text that contains "
                    f"{layout.separator!r}, or give the file's separator."
                )


def _by_position(path: Path, first: list[str]) -> tuple[str, ...]:
    """Names for the columns of a file that has none."""
    if len(first) == 2:
        return ("user", "item")  # The form that SASRec's authors gave their data.
    raise ValueError(
        f"{path} has {len(first)} columns and no header; say what they are, in order, as in "
        f"--columns user,item,{'time' if len(first) == 3 else 'rating,time'}."
    )


def _first_lines(path: Path) -> Iterator[str]:
    with _open(path) as file:
        for number in range(1, _LOOKED_AT + 1):
            line = file.readline(LONGEST_LINE)
            if not line:
                return
            if len(line) == LONGEST_LINE:
                raise ValueError(
                    f"{path}, line {number} is longer than a million bytes; name a file that has "
                    "an event a line."
                )
            text = _decoded(path, number, line)
            if text.strip():
                yield text.rstrip("\r\n")


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: byte {error.start + 1} is no text in UTF-8; convert the "
            "file, with iconv for example."
        ) from None


def _separator(path: Path, lines: list[str]) -> str:
    for separator in SEPARATORS:
        counts = {len(_fields(line, separator)) for line in lines}
        if len(counts) == 1 and counts != {1}:
            return separator
    raise ValueError(
        f"{path}: no separator (tab, comma, semicolon, bar, space) gives its first lines the same "
        "number of columns, at least two; give it with --separator."
    )


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
