"""Text as sequences of tokens: whole files, documents or lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from farzi.data import Cuts
from farzi.preparing.options import TextOptions
from farzi.preparing.parts import PARTS, Part, cuts_between, parts_of
from farzi.preparing.tables import find_files, open_table
from farzi.preparing.tokenizing import Tokenization, tokenization

PYTHON_REFERENCE = "python-reference"
"""The source that is always there: the language reference that comes with every CPython."""


@dataclass(frozen=True, eq=False)
class Text:
    """Sequences of tokens.

    Attributes:
        values: ids, int32 `[tokens]`.
        offsets: where each sequence starts, int64 `[sequences + 1]`.
        tokenization: what the ids stand for.
        names: where each sequence is from.
        cuts: those of files that are named for their parts; None if they are not.
        characters: in all.
        empty: texts without a token, which are left out.
    """

    values: np.ndarray
    offsets: np.ndarray
    tokenization: Tokenization
    names: pl.Series
    cuts: Cuts | None
    characters: int
    empty: int


def read_text(source: str | Path, options: TextOptions) -> Text:
    """Sequences from text.

    Raises:
        ValueError: if a file is no text, or there is nothing in it.
    """
    texts = list(_texts(source, options))
    parts = {part for part, _, _ in texts}
    given = parts == set(PARTS)
    learned_from = [text for part, _, text in texts if part == "train" or not given]
    if not any(learned_from):
        raise ValueError(f"{source} holds no text to learn from; name a file that does.")
    how = tokenization(
        options.tokenizer, learned_from, size=options.bpe_size, min_count=options.min_count
    )
    values, names, of = [], [], []
    for part, name, text in texts:
        try:
            ids = how.encode(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if len(ids):
            values.append(ids)
            names.append(name)
            of.append(PARTS.index(part))
    lengths = [len(ids) for ids in values]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    cuts = cuts_between(np.repeat(np.array(of, np.int8), lengths), offsets) if given else None
    return Text(
        np.concatenate(values),
        offsets,
        how,
        pl.Series(names, dtype=pl.String),
        cuts,
        sum(len(text) for _, _, text in texts),
        len(texts) - len(values),
    )


def _texts(source: str | Path, options: TextOptions) -> Iterator[tuple[Part, str, str]]:
    """Part, name and text of each sequence."""
    if str(source) == PYTHON_REFERENCE and not Path(source).exists():
        from pydoc_data.topics import topics

        for name, text in sorted(topics.items()):
            yield from _cut("train", name, text, options)
        return
    alone = Path(source).is_file()  # Then it is text whatever its name ends with.
    files = (Path(source),) if alone else find_files(source)
    parts = parts_of(files) or ("train",) * len(files)
    for path, part in zip(files, parts, strict=True):
        if options.field is not None or path.name.endswith((".jsonl", ".ndjson", ".parquet")):
            for row, text in enumerate(_column(path, options), 1):
                yield from _cut(part, f"{path}, row {row}", text, options)
            continue
        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ValueError(
                f"{path}, line {line}: byte {error.start + 1} of the file is no text in UTF-8; "
                "convert the file, with iconv for example."
            ) from None
        yield from _cut(part, str(path), text, options)


def _column(path: Path, options: TextOptions) -> pl.Series:
    """The texts in one column of a table."""
    table = open_table(path)
    field = options.field or "text"
    if field not in table.columns:
        raise ValueError(
            f"{path} has no column {field!r} to take the text from: it has "
            f"{', '.join(table.columns)}; name it with --field."
        )
    return table.collect(table.frame.select(pl.col(field).cast(pl.String).fill_null("")))[field]


def _cut(part: Part, name: str, text: str, options: TextOptions) -> Iterator[tuple[Part, str, str]]:
    text = text.replace("\r\n", "\n")
    if options.unit == "whole":
        yield part, name, text
        return
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        yield part, f"{name}, line {number}", line + "\n" if line.strip() else ""
