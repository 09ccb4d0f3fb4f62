"""Text as sequences of tokens: whole files, documents, lines or conversations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from farzi.data import Cuts, drawn_sequences
from farzi.preparing.conversations import (
    END_OF_TURN,
    Turn,
    conversation_columns,
    speaker,
    turns,
)
from farzi.preparing.options import SplitOptions, TextOptions
from farzi.preparing.parts import PARTS, Part, cuts_between, parts_of
from farzi.preparing.tables import PLACE, Table, find_files, open_table
from farzi.preparing.tokenizing import Tokenization, tokenization

PYTHON_REFERENCE = "python-reference"
"""The source that is always there: the language reference that comes with every CPython."""
_TABLES = (".jsonl", ".ndjson", ".parquet", ".arrow")


class Document(NamedTuple):
    """What becomes a sequence.

    Attributes:
        part: what it is for, if the files' names say so.
        name: where it is from.
        turns: what it says; one turn of no one, but in a conversation.
    """

    part: Part
    name: str
    turns: list[Turn]

    @property
    def texts(self) -> list[str]:
        """What is said in each turn."""
        return [turn.text for turn in self.turns]

    @property
    def characters(self) -> int:
        """In all turns."""
        return sum(map(len, self.texts))

    def first(self, share: float) -> list[str]:
        """The beginning of what is said, in whole words: a share of the characters."""
        left, found = round(share * self.characters), []
        for text in self.texts:
            head = text[:left]
            if len(head) < len(text):
                head = head[: max(head.rfind(" "), head.rfind("\n")) + 1] or head
            found.append(head)
            left -= len(head)
        return found


@dataclass(frozen=True, eq=False)
class Text:
    """Sequences of tokens.

    Attributes:
        values: ids, int32 `[tokens]`.
        offsets: where each sequence starts, int64 `[sequences + 1]`.
        loss_mask: which tokens a model is asked for, bool `[tokens]`; None if for all.
        tokenization: what the ids stand for.
        names: where each sequence is from.
        cuts: those of files that are named for their parts; None if they are not.
        characters: in all.
        dropped: texts that are left out, by the reason.
    """

    values: np.ndarray
    offsets: np.ndarray
    loss_mask: np.ndarray | None
    tokenization: Tokenization
    names: pl.Series
    cuts: Cuts | None
    characters: int
    dropped: dict[str, int]


def read_text(source: Any, options: TextOptions, split: SplitOptions) -> Text:
    """Sequences from text.

    Args:
        source: a path, or a table with a column of text.
        options: how text becomes tokens.
        split: what of it a vocabulary may be learned from.

    Raises:
        ValueError: if a file is no text, or there is nothing in it.
    """
    everything = list(_documents(source, options))
    documents = [document for document in everything if document.characters]
    if not documents:
        raise ValueError(f"{_name(source)} holds no text; name a file that does.")
    given = {document.part for document in documents} == set(PARTS)
    roles = sorted({turn.role for document in documents for turn in document.turns if turn.role})
    how = tokenization(
        options.tokenizer,
        list(itertools.chain.from_iterable(_learned_from(documents, split, given))),
        [text for document in documents for text in document.texts],
        size=options.bpe_size,
        min_count=options.min_count,
        special=[speaker(role) for role in roles] + [END_OF_TURN] * bool(roles),
    )
    read = [(document, *_encode(document, how)) for document in documents]
    kept = [(document, ids, mask) for document, ids, mask in read if len(ids)]
    if not kept:
        raise ValueError(f"{_name(source)} holds no token; name a file that holds text.")
    lengths = [len(ids) for _, ids, _ in kept]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    parts = [PARTS.index(document.part) for document, _, _ in kept]
    silent = sum(not document.turns for document in everything)
    dropped = {"empty": len(everything) - len(kept) - silent, "without response": silent}
    return Text(
        np.concatenate([ids for _, ids, _ in kept]),
        offsets,
        np.concatenate([mask for _, _, mask in kept]) if roles else None,
        how,
        pl.Series([document.name for document, _, _ in kept], dtype=pl.String),
        cuts_between(np.repeat(np.array(parts, np.int8), lengths), offsets) if given else None,
        sum(document.characters for document in documents),
        {reason: count for reason, count in dropped.items() if count},
    )


def _learned_from(
    documents: Sequence[Document], split: SplitOptions, given: bool
) -> Iterator[list[str]]:
    """What a vocabulary may be learned from: nothing that is held out, as far as that is known.

    The end of each text of a split by position is known only by its characters. The two last tokens
    of a text are too few to matter.
    """
    how = split.split
    if given and how is None:
        yield from (document.texts for document in documents if document.part == "train")
    elif how == "sequences" or (how is None and len(documents) > 1):
        drawn = drawn_sequences(
            len(documents),
            validation=split.validation_share,
            test=split.test_share,
            seed=split.seed,
        )
        held_out = set(np.concatenate(drawn).tolist())
        yield from (document.texts for i, document in enumerate(documents) if i not in held_out)
    else:
        held_out_share = split.validation_share + split.test_share if how != "last" else 0.0
        yield from (document.first(1 - held_out_share) for document in documents)


def _encode(document: Document, how: Tokenization) -> tuple[np.ndarray, np.ndarray]:
    """Ids, and which of them are asked for."""
    ids, masks = [], []
    for turn in document.turns:
        said = how.encode(turn.text)
        asked = np.full(len(said), turn.asked)
        if turn.role is not None:
            said = np.concatenate([[how.id(speaker(turn.role))], said, [how.id(END_OF_TURN)]])
            asked = np.concatenate([[False], asked, [turn.asked]])
        ids.append(said.astype(np.int32))
        masks.append(asked)
    return np.concatenate(ids), np.concatenate(masks)


def _documents(source: Any, options: TextOptions) -> Iterator[Document]:
    if not isinstance(source, str | Path):
        yield from _rows(open_table(source), options)
        return
    if str(source) == PYTHON_REFERENCE and not Path(source).exists():
        from pydoc_data.topics import topics

        for name, text in sorted(topics.items()):
            yield from _cut("train", name, text, options)
        return
    alone = Path(source).is_file()  # Then it is text whatever its name ends with.
    files = (Path(source),) if alone else find_files(source)
    if all(options.field is not None or path.name.endswith(_TABLES) for path in files):
        yield from _rows(open_table(source), options)
        return
    for path, part in zip(files, parts_of(files) or ("train",) * len(files), strict=True):
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


def _rows(table: Table, options: TextOptions) -> Iterator[Document]:
    """The documents or conversations in a table."""
    field = options.field or "text"
    columns = () if options.field else conversation_columns(table.columns)
    if field in table.columns:
        columns = (field,)
    elif not columns:
        raise ValueError(
            f"{table.source} has no column {field!r} to take the text from: it has "
            f"{', '.join(table.columns)}; name it with --field."
        )
    elif options.unit != "whole":
        raise ValueError(
            f"{table.source} holds conversations, which are not cut by lines; leave out unit."
        )
    for row in table.collect(table.frame.select(*columns, PLACE)).iter_rows():
        *values, place = row
        part, name = table.part_of(place), table.place(place)
        try:
            if field in columns:
                text = "" if values[0] is None else str(values[0])
                yield from _cut(part, name, text, options)
            else:
                yield Document(part, name, turns(values))
        except ValueError as error:
            raise ValueError(f"{name}: {error}.") from None


def _cut(part: Part, name: str, text: str, options: TextOptions) -> Iterable[Document]:
    text = text.replace("\r\n", "\n")
    if options.unit == "whole":
        return [Document(part, name, [Turn(text)])]
    return [
        Document(part, f"{name}, line {number}", [Turn(line + "\n" if line.strip() else "")])
        for number, line in enumerate(text.removesuffix("\n").split("\n"), 1)
    ]


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "the table"
