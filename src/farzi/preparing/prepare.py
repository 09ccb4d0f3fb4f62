"""From what a user has to prepared sequences."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from farzi.data import (
    Cuts,
    Sequences,
    Vocabulary,
    at_times,
    by_position,
    by_sequence,
    last_out,
    leakage,
)
from farzi.preparing.bins import Bins, quantile_bins
from farzi.preparing.events import Events, read_events
from farzi.preparing.folder import Prepared
from farzi.preparing.options import EventOptions, SplitOptions, TextOptions
from farzi.preparing.parts import GIVEN
from farzi.preparing.tables import open_table
from farzi.preparing.text import read_text
from farzi.preparing.tokenizing import UNKNOWN


def prepare(
    source: Any,
    options: EventOptions | TextOptions | None = None,
    split: SplitOptions | None = None,
    *,
    separator: str | None = None,
    columns: Sequence[str] = (),
) -> Prepared:
    """Sequences from a log of events or from text.

    Of events one sequence a user (or a visit), ordered by time; events at the same time, and all of
    a log without times, as they stand in the file.

    Args:
        source: a path to CSV, TSV, RecBole's .inter, "user item" lines, Parquet, JSON Lines, Arrow,
            or text; a glob or folder of them; a `datasets.Dataset` or a data frame; or several of
            these by name, such as a `datasets.DatasetDict`.
        options: what of a log is kept, or how text becomes tokens.
        split: which events are held out.
        separator: between fields of events, if it is not recognised.
        columns: of a file of events without header: user, item, time, rating, type or another name,
            in order.

    Raises:
        ValueError: if something in it cannot be, with its place and the remedy.
    """
    split = split or SplitOptions()
    if isinstance(options, TextOptions):
        if separator is not None or columns:
            raise ValueError("separator and columns are for events; leave them out for text.")
        return _of_text(source, options, split)
    options = options or EventOptions()
    table = open_table(source, separator=separator, columns=columns)
    given = bool(table.parts) and split.split is None
    events = read_events(table, options, by_part=given)
    starts, ends = events.offsets[:-1], events.offsets[1:]
    # Where they are cut does not depend on their tokens, which depend on the cuts if they are bins.
    sequences = Sequences(events.values, starts, ends, Vocabulary(()))
    how = GIVEN if given else split.split or "last"
    _check_used(how, split)
    card = {
        "source": table.source,
        "columns": events.roles,
        "options": _changed(options) | _changed(split),
        "events_read": events.read,
        "dropped": [asdict(drop) for drop in events.dropped],
        "time": _time(events),
    }
    cuts = events.cuts or _attempt(table.source, lambda: _cuts(sequences, events.times, how, split))
    asked_for = options.bins
    if asked_for is None:
        sequences = replace(sequences, vocabulary=Vocabulary(tuple(events.items)))
        return _prepared(sequences, cuts, events.times, events.users, how, card)
    bins = _attempt(table.source, lambda: _bins(events, cuts, asked_for))
    values = bins.encode(events.items.to_numpy())[events.values]
    sequences = replace(sequences, values=values, vocabulary=Vocabulary(bins.tokens))
    card["bins"] = {"asked_for": asked_for, "made": len(bins)}
    prepared = _prepared(sequences, cuts, events.times, events.users, how, card)
    return replace(prepared, bins=bins)


def _bins(events: Events, cuts: Cuts, bins: int) -> Bins:
    """Bins of the numbers before the cuts."""
    lengths = np.diff(events.offsets)
    learned = np.arange(len(events.values)) < np.repeat(cuts.train, lengths)
    counts = np.bincount(events.values[learned], minlength=len(events.items))
    return quantile_bins(events.items.to_numpy(), counts, bins)


def _of_text(source: Any, options: TextOptions, split: SplitOptions) -> Prepared:
    text = read_text(source, options, split)
    tokens = Vocabulary(text.tokenization.tokens)
    sequences = Sequences.from_offsets(text.values, text.offsets, tokens, text.loss_mask)
    name = str(source) if isinstance(source, str | Path) else type(source).__name__
    card = {
        "source": name,
        "columns": {},
        "options": _changed(options) | _changed(split),
        "characters_read": text.characters,
        "dropped": [{"texts": count, "reason": reason} for reason, count in text.dropped.items()],
        "time": None,
    }
    if text.cuts is not None and split.split is None:
        how, cuts = GIVEN, text.cuts
    else:
        how = split.split or ("sequences" if len(sequences) > 1 else "position")
        cuts = _attempt(name, lambda: _cuts(sequences, None, how, split))
    _check_used(how, split)
    if text.loss_mask is not None:
        card["asked_for"] = int(text.loss_mask.sum())
    if UNKNOWN in tokens.tokens:
        card["unknown"] = _unknown(sequences, cuts)
    prepared = _prepared(sequences, cuts, None, text.names, how, card)
    return replace(prepared, tokenizer=text.tokenization.json)


def _unknown(sequences: Sequences, cuts: Cuts) -> dict[str, int]:
    """How many tokens stand for unknown words, for training and held out."""
    unknown = sequences.values == sequences.vocabulary.tokens.index(UNKNOWN)
    before = np.concatenate([[0], np.cumsum(unknown)])
    training = int((before[cuts.train] - before[sequences.starts]).sum())
    return {"training": training, "held_out": int(before[-1]) - training}


def _prepared(
    sequences: Sequences,
    cuts: Cuts,
    times: np.ndarray | None,
    names: pl.Series,
    how: str,
    card: dict[str, Any],
) -> Prepared:
    """All of it with its counts, if there is something to learn from and to ask."""
    if sequences.values.min() == sequences.values.max():
        raise ValueError(
            f"{card['source']}: all {sequences.events:,} events are the same, so there is nothing "
            "to learn; take another column for the item, or another tokenizer."
        )
    parts = _attempt(card["source"], lambda: cuts.split(sequences))
    lengths = sequences.lengths
    leaked = None if times is None else leakage(sequences, times, cuts)
    counts = {
        "farzi": importlib.metadata.version("farzi"),
        "events": sequences.events,
        "sequences": len(sequences),
        "tokens": len(sequences.vocabulary),
        "length": {
            "least": int(lengths.min()),
            "median": float(np.median(lengths)),
            "mean": float(lengths.mean()),
            "most": int(lengths.max()),
        },
        "split": {
            "how": how,
            "training_events": parts.train.events,
            "validation_events": int((cuts.validation - cuts.train).sum()),
            "test_events": int((sequences.ends - cuts.validation).sum()),
            "validation_questions": len(parts.validation),
            "test_questions": len(parts.test),
            "sequences_not_asked_about": parts.too_short,
            "training_events_after_test": leaked,
        },
    }
    return Prepared(sequences, cuts, times, pa.array(names.to_arrow()), card | counts)


def _cuts(sequences: Sequences, times: np.ndarray | None, how: str, options: SplitOptions) -> Cuts:
    shares = {"validation": options.validation_share, "test": options.test_share}
    if how == "last":
        return last_out(sequences)
    if how == "sequences":
        return by_sequence(sequences, **shares, seed=options.seed)
    if how == "position":
        return by_position(sequences, **shares)
    if times is None:
        raise ValueError(
            "a split by time needs a column with times; name it with --time, or use another split."
        )
    return at_times(sequences, times, **shares)


def _check_used(how: str, options: SplitOptions) -> None:
    """Raise if something is set that a split does not read."""
    shares = ("validation_share", "test_share")
    used = {"time": shares, "position": shares, "sequences": (*shares, "seed")}.get(how, ())
    unused = [name for name in _changed(options) if name not in ("split", *used)]
    if unused:
        raise ValueError(
            f"{', '.join(unused)}: set, but the split is {how!r}, which has no use for it; leave "
            "it out, or choose another split."
        )


def _attempt(source: str, make: Callable[[], Any]) -> Any:
    """What `make` gives; if it cannot, an error that names the source."""
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _time(events: Events) -> dict[str, Any] | None:
    if events.times is None:
        return None
    ends = [int(events.times.min()), int(events.times.max())]
    if events.unit is not None:
        ends = [str(np.datetime64(end, "us")) for end in ends]
    else:
        ends = [end / 1e6 for end in ends]
    return {"unit": events.unit, "from": ends[0], "to": ends[1]}


def _changed(options: EventOptions | TextOptions | SplitOptions) -> dict[str, Any]:
    """What is not as it is by default."""
    return {
        field.name: value
        for field in fields(options)
        if (value := getattr(options, field.name)) != field.default
    }
