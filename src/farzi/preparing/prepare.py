"""From what a user has to prepared sequences."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pyarrow as pa

from farzi.data import Cuts, Sequences, Vocabulary, at_times, by_sequence, last_out, leakage
from farzi.preparing.events import Events, read_events
from farzi.preparing.folder import Prepared
from farzi.preparing.options import EventOptions, SplitOptions
from farzi.preparing.tables import open_table


def prepare(
    source: Any,
    options: EventOptions | None = None,
    split: SplitOptions | None = None,
    *,
    separator: str | None = None,
    columns: Sequence[str] = (),
) -> Prepared:
    """Sequences of events from a log.

    One sequence a user (or a visit), ordered by time; events at the same time, and all of a log
    without times, as they stand in the file.

    Args:
        source: a path to CSV, TSV, RecBole's .inter, "user item" lines, Parquet, JSON Lines or
            Arrow, a glob or folder of them; or a `datasets.Dataset` or a data frame.
        options: what of the log is kept.
        split: which events are held out.
        separator: between fields, if it is not recognised.
        columns: of a file without header: user, item, time, rating, type or another name, in order.

    Raises:
        ValueError: if something in it cannot be, with its place and the remedy.
    """
    options, split = options or EventOptions(), split or SplitOptions()
    table = open_table(source, separator=separator, columns=columns)
    events = read_events(table, options)
    sequences = Sequences.from_offsets(events.values, events.offsets, Vocabulary(events.items))
    try:
        cuts = _cuts(sequences, events.times, split)
        parts = cuts.split(sequences)
    except ValueError as error:
        raise ValueError(f"{table.source}: {error}") from None
    if len(sequences.vocabulary) < 2:
        raise ValueError(
            f"{table.source}: all {sequences.events:,} events have the same item, "
            f"{sequences.vocabulary.tokens[0]!r}, so there is nothing to learn; name another "
            "column with --item."
        )
    lengths = sequences.lengths
    card = {
        "source": table.source,
        "farzi": importlib.metadata.version("farzi"),
        "columns": events.roles,
        "options": _changed(options) | _changed(split),
        "events_read": events.read,
        "dropped": [asdict(drop) for drop in events.dropped],
        "events": sequences.events,
        "sequences": len(sequences),
        "tokens": len(sequences.vocabulary),
        "length": {
            "least": int(lengths.min()),
            "median": float(np.median(lengths)),
            "mean": float(lengths.mean()),
            "most": int(lengths.max()),
        },
        "time": _time(events),
        "split": {
            "how": split.split,
            "training_events": parts.train.events,
            "validation_questions": len(parts.validation),
            "test_questions": len(parts.test),
            "sequences_not_asked_about": parts.too_short,
            "training_events_after_test": None
            if events.times is None
            else leakage(sequences, events.times, cuts),
        },
    }
    return Prepared(sequences, cuts, events.times, pa.array(events.users.to_arrow()), card)


def _cuts(sequences: Sequences, times: np.ndarray | None, options: SplitOptions) -> Cuts:
    shares = {"validation": options.validation_share, "test": options.test_share}
    if options.split == "last":
        return last_out(sequences)
    if options.split == "sequences":
        return by_sequence(sequences, **shares, seed=options.seed)
    if times is None:
        raise ValueError(
            "a split by time needs a column with times; name it with --time, or use another split."
        )
    return at_times(sequences, times, **shares)


def _time(events: Events) -> dict[str, Any] | None:
    if events.times is None:
        return None
    ends = [int(events.times.min()), int(events.times.max())]
    if events.unit is not None:
        ends = [str(np.datetime64(end, "us")) for end in ends]
    else:
        ends = [end / 1e6 for end in ends]
    return {"unit": events.unit, "from": ends[0], "to": ends[1]}


def _changed(options: EventOptions | SplitOptions) -> dict[str, Any]:
    """What is not as it is by default."""
    return {
        field.name: value
        for field in fields(options)
        if (value := getattr(options, field.name)) != field.default
    }
