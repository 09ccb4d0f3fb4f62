"""Prepared sequences as a folder that outlives the process, and is read where it lies."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from farzi.data import Cuts, Sequences, Split, Vocabulary
from farzi.preparing.bins import Bins
from farzi.preparing.tokenizing import END, UNKNOWN

FORMAT = 1
"""Version of the folder; a loader refuses later ones."""
EVENTS, SEQUENCES = "events.arrow", "sequences.arrow"
VOCABULARY, CARD = "vocabulary.json", "card.json"
TOKENIZER, BINS = "tokenizer.json", "bins.json"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Sequences ready to be trained on, and an account of how they came to be.

    On disk a folder: `events.arrow` has one row an event (`token`; `time` in microseconds if it is
    known; `loss_mask`, 1 or 0, if not all tokens are asked for); `sequences.arrow` has one row a
    sequence (`start` and `end` of its events, how far training (`train_end`) and validation
    (`validation_end`) may read, and its `name`); `vocabulary.json` lists the tokens; `card.json` is
    the card. The Arrow files are mapped into memory: only what is used is read.

    Attributes:
        sequences: all events.
        cuts: which of them are for training, for validation and for the test.
        times: microseconds, int64 `[events]`; None if they are not known.
        names: of the sequences, such as the users' ids.
        card: every count, what was dropped and why, the split, and a hash of the contents.
        tokenizer: of subwords, as the `tokenizers` library writes it; in `tokenizer.json`.
        bins: what the tokens stand for where the items were numbers; in `bins.json`.
    """

    sequences: Sequences
    cuts: Cuts
    times: np.ndarray | None
    names: pa.Array
    card: dict[str, Any]
    tokenizer: str | None = None
    bins: Bins | None = None

    @cached_property
    def split(self) -> Split:
        """What may be learned from, and the questions."""
        return self.cuts.split(self.sequences)

    @property
    def is_text(self) -> bool:
        """Whether these are texts, and no events."""
        return "characters_read" in self.card

    @property
    def content(self) -> str:
        """A hash of everything but the card; empty before it is saved."""
        return str(self.card.get("sha256", ""))

    def text_bytes(self, text: Sequences) -> int | None:
        """How long some of the text is in UTF-8, less what no model is asked for.

        That is the first token of each sequence. None if the tokens do not tell, such as words of
        which some are unknown, or if a loss mask leaves out more. White space between words counts
        as one byte.
        """
        if text.loss_mask is not None:
            return None
        text = replace(text, starts=np.minimum(text.starts + 1, text.ends))
        tokens, kind = text.vocabulary.tokens, self.card["options"]["tokenizer"]
        if self.tokenizer is not None:
            decoder = Tokenizer.from_str(self.tokenizer)
            return sum(len(decoder.decode(ids.tolist()).encode()) for ids in text)
        if kind == "words" and UNKNOWN in tokens:
            return None
        sizes = {
            "bytes": lambda token: 1,
            "characters": lambda token: len(token.encode(errors="surrogatepass")),
            "words": lambda token: 1 if token == END else len(token.encode()) + 1,
        }
        return int(np.array([sizes[kind](token) for token in tokens])[text.flat()].sum())

    def save(self, folder: Path | str) -> None:
        """Write the folder, at once or not at all.

        Raises:
            ValueError: if something else is in its place.
        """
        folder = Path(folder)
        check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        new, old = temporary / "new", temporary / "old"
        try:
            new.mkdir()
            self._write(new)
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        events = {"token": pa.array(self.sequences.values)}
        if self.times is not None:
            events["time"] = pa.array(self.times)
        if self.sequences.loss_mask is not None:
            events["loss_mask"] = pa.array(self.sequences.loss_mask.astype(np.int8))
        rows = {
            "start": pa.array(self.sequences.starts),
            "end": pa.array(self.sequences.ends),
            "train_end": pa.array(self.cuts.train),
            "validation_end": pa.array(self.cuts.validation),
            "name": self.names,
        }
        for name, columns in ((EVENTS, events), (SEQUENCES, rows)):
            table = pa.table(columns)
            with (
                pa.OSFile(str(folder / name), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table, max_chunksize=max(len(table), 1))
        (folder / VOCABULARY).write_text(self.sequences.vocabulary.json())
        if self.tokenizer is not None:
            (folder / TOKENIZER).write_text(self.tokenizer)
        if self.bins is not None:
            (folder / BINS).write_text(self.bins.json())
        card = self.card | {"format": FORMAT, "sha256": _hash(folder)}
        (folder / CARD).write_text(json.dumps(card, indent=1, allow_nan=False) + "\n")


def load_prepared(folder: Path | str) -> Prepared:
    """Read a folder that `Prepared.save` wrote; its events stay in the file until they are used.

    Raises:
        ValueError: if there is none, or something in it is not what it should be.
    """
    folder = Path(folder)
    for name in (CARD, EVENTS, SEQUENCES, VOCABULARY):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no {name}; give a folder that farzi prepare wrote.")
    card = _card(folder)
    try:
        vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_bytes())
        events, rows = _mapped(folder / EVENTS), _mapped(folder / SEQUENCES)
        values = _numbers(events, "token", np.int32)
        vocabulary.check(values)
        starts, ends, train, validation = (
            _numbers(rows, name, np.int64)
            for name in ("start", "end", "train_end", "validation_end")
        )
        sequences = Sequences(values, starts, ends, vocabulary, _loss_mask(events))
        times = _numbers(events, "time", np.int64) if "time" in events.column_names else None
        names = rows["name"].combine_chunks()
        path = folder / TOKENIZER
        tokenizer = path.read_text() if path.exists() else None
    except (ValueError, pa.ArrowException, KeyError) as error:
        cause = str(error).rstrip(".")
        raise ValueError(f"{folder} is damaged ({cause}); prepare it again.") from None
    bins = _bins(folder, len(vocabulary))
    return Prepared(sequences, Cuts(train, validation), times, names, card, tokenizer, bins)


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_bytes())
    except ValueError as error:
        raise ValueError(f"{folder / CARD} is damaged ({error}); prepare it again.") from None
    found = card.get("format") if isinstance(card, dict) else card
    if found != FORMAT:
        raise ValueError(
            f"{folder / CARD} has format {found!r}, but this farzi reads format {FORMAT}; use the "
            "farzi that wrote it, or a later one."
        )
    return card


def check_free(folder: Path) -> None:
    """Raise if something is in a folder's place that is not to be replaced.

    Raises:
        ValueError: then.
    """
    if folder.is_dir():
        if (folder / CARD).is_file() or not any(folder.iterdir()):
            return
        raise ValueError(f"{folder} already holds something else; name a new folder.")
    if folder.exists():
        raise ValueError(f"{folder} is a file; name a new folder.")


def _bins(folder: Path, tokens: int) -> Bins | None:
    path = folder / BINS
    if not path.exists():
        return None
    try:
        bins = Bins.from_json(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); prepare it again.") from None
    if len(bins) != tokens:
        raise ValueError(
            f"{path} has {len(bins)} bins, but there are {tokens} tokens; prepare it again."
        )
    return bins


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _numbers(table: pa.Table, name: str, dtype: type) -> np.ndarray:
    column = table[name]
    if column.type != pa.from_numpy_dtype(dtype) or column.null_count:
        raise ValueError(f"its {name} are no {np.dtype(dtype).name}")
    if column.num_chunks == 1:
        return column.chunk(0).to_numpy(zero_copy_only=True)
    return column.to_numpy()


def _loss_mask(events: pa.Table) -> np.ndarray | None:
    if "loss_mask" not in events.column_names:
        return None
    mask = _numbers(events, "loss_mask", np.int8)
    if mask.size and not 0 <= mask.min() <= mask.max() <= 1:
        raise ValueError("its loss mask holds other numbers than 0 and 1")
    return mask.view(bool)


def _hash(folder: Path) -> str:
    """Of what the folder holds, the card aside."""
    digest = hashlib.sha256()
    for name in (EVENTS, SEQUENCES, VOCABULARY, TOKENIZER, BINS):
        if (folder / name).exists():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
