"""What a file of separated values looks like: its separator, its header, and where it is broken."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from farzi.preparing.columns import is_known
from farzi.preparing.lines import lines

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
    looked_at = islice(lines(path, LONGEST_LINE), _LOOKED_AT)
    texts = [text.rstrip("\r\n") for _, text in looked_at if text.strip()]
    if not texts:
        raise ValueError(f"{path} is empty; name a file that holds events.")
    separator = separator or _separator(path, texts)
    rows = [_fields(text, separator) for text in texts]
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
    for number, text in lines(path):
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


def _separator(path: Path, texts: list[str]) -> str:
    for separator in SEPARATORS:
        counts = {len(_fields(text, separator)) for text in texts}
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
