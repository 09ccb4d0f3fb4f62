"""A log of events as sequences: one a user, or one a visit, in the order of time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from farzi.data import Cuts
from farzi.preparing.checking import Drop, checked
from farzi.preparing.columns import recognise
from farzi.preparing.options import EventOptions
from farzi.preparing.parts import cuts_between
from farzi.preparing.tables import PLACE, Table

EVENTS_AT_ONCE = 10_000_000
"""About as many events are held in memory at a time; more are worked through user by user."""


@dataclass(frozen=True, eq=False)
class Events:
    """Sequences of events.

    Attributes:
        values: ids, int32 `[events]`.
        offsets: where each sequence starts, int64 `[sequences + 1]`.
        times: microseconds, int64 `[events]`; None for a log without times.
        items: what the ids stand for; for bins numbers, in rising order.
        users: whose each sequence is.
        roles: which column of the log was taken for what.
        unit: that the times were written in, or None if that is not known.
        read: events in the log.
        dropped: what was left out of them.
        cuts: those between the parts that the files are named for; None if that was not asked for.
    """

    values: np.ndarray
    offsets: np.ndarray
    times: np.ndarray | None
    items: pl.Series
    users: pl.Series
    roles: dict[str, str]
    unit: str | None
    read: int
    dropped: tuple[Drop, ...]
    cuts: Cuts | None


def read_events(table: Table, options: EventOptions, *, by_part: bool = False) -> Events:
    """Sequences from a log.

    Args:
        table: the log.
        options: what of it is kept.
        by_part: what a user did in files for training comes first, then validation, then the test.

    Raises:
        ValueError: if a column is missing or a value cannot be, with its place, or nothing is left.
    """
    named = {
        role: name
        for role in ("user", "item", "time", "rating", "type")
        if (name := getattr(options, role)) is not None
    }
    roles = recognise(table.columns, named, table.source, numbers=options.bins is not None)
    log = checked(table, roles, options)
    dropped = list(log.dropped)
    with tempfile.TemporaryDirectory(prefix="farzi-") as folder:
        kept = Path(folder) / "events.parquet"
        table.attempt(lambda: log.frame.sink_parquet(kept, compression="lz4"))
        frame = pl.scan_parquet(kept)
        users, items, few = _frequent(frame, options)
        dropped += few
        if not len(users):
            raise ValueError(
                f"{table.source}: no event is left of {log.read:,}; "
                + "; ".join(f"{drop.events:,} were left out as {drop.reason}" for drop in dropped)
                + "; ask for less."
            )
        if by_part:
            frame = frame.with_columns(table.part.alias("part"))
        runs = list(_runs(frame, users, items, options))
    repeats = sum(run.repeats for run in runs)
    if repeats:
        dropped.append(Drop(repeats, "repeats of the event before"))
    older = sum(run.older for run in runs)
    if older:
        dropped.append(Drop(older, f"older than the last {options.max_length} of a sequence"))

    def joined(name: str) -> np.ndarray:
        return np.concatenate([run.events[name] for run in runs])

    lengths = np.concatenate([run.lengths for run in runs])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Events(
        values=joined("id"),
        offsets=offsets,
        times=joined("time") if "time" in roles else None,
        items=items["item"],
        users=pl.concat([run.users for run in runs]),
        roles=roles,
        unit=log.unit,
        read=log.read,
        dropped=tuple(dropped),
        cuts=cuts_between(joined("part"), offsets) if by_part else None,
    )


def _frequent(
    frame: pl.LazyFrame, options: EventOptions
) -> tuple[pl.DataFrame, pl.DataFrame, list[Drop]]:
    """Users, with their events, and items, in the order in which they first come."""

    def count(role: str, frame: pl.LazyFrame) -> pl.DataFrame:
        counted = frame.group_by(role).agg(pl.len().alias("events"), pl.col(PLACE).min())
        return counted.sort(PLACE).collect(engine="streaming")

    least = {"user": options.min_user_events, "item": options.min_item_events}
    counts = {role: count(role, frame) for role in least}
    before = int(counts["user"]["events"].sum())
    while True:
        enough = {role: counts[role].filter(pl.col("events") >= least[role]) for role in least}
        if all(len(enough[role]) == len(counts[role]) for role in least):
            break
        left = frame
        for role in least:
            left = left.join(enough[role].lazy().select(role), on=role, how="semi")
        counts = {role: count(role, left) for role in least}
        if options.once:
            break
    dropped = []
    after = int(counts["user"]["events"].sum())
    if after < before:
        reason = " or ".join(f"{role}s under {n}" for role, n in least.items() if n > 1)
        reason += " events" + ("" if options.once else ", until both hold")
        dropped.append(Drop(before - after, reason))
    return counts["user"], counts["item"].sort("item"), dropped


@dataclass(frozen=True, eq=False)
class _Run:
    """The sequences of some users.

    Attributes:
        events: columns of them, each `[events]`: "code" of the user, "id", "time" and "part" where
            there are such.
        lengths: events of each sequence.
        users: whose each is.
        repeats, older: events that were left out.
    """

    events: dict[str, np.ndarray]
    lengths: np.ndarray
    users: pl.Series
    repeats: int
    older: int


def _runs(
    frame: pl.LazyFrame, users: pl.DataFrame, items: pl.DataFrame, options: EventOptions
) -> Iterator[_Run]:
    """The sequences, for as many users at a time as fit into memory."""
    ids = items.select("item", pl.int_range(pl.len(), dtype=pl.Int32).alias("id")).lazy()
    codes = users.select("user", "events", pl.int_range(pl.len(), dtype=pl.Int64).alias("code"))
    number = (codes["events"].cum_sum() - 1) // EVENTS_AT_ONCE
    order = [name for name in ("part", "time") if name in frame.collect_schema()]
    for one in number.unique(maintain_order=True):
        some = codes.filter(number == one)
        sorted_ = (
            frame.join(some.lazy().select("user", "code"), on="user")
            .join(ids, on="item")
            .select("code", "id", PLACE, *order)
            .collect(engine="streaming")
            .sort("code", *order, PLACE)
        )
        events = {name: sorted_[name].to_numpy() for name in ("code", "id", *order)}
        new = _begins(events["code"])
        if options.visit_gap is not None:
            new[1:] |= np.diff(events["time"]) > options.visit_gap * 1e6
        repeats = older = 0
        if options.collapse_repeats:
            repeat = ~_begins(events["id"]) & ~new
            repeats = int(repeat.sum())
            events = {name: column[~repeat] for name, column in events.items()}
            new = new[~repeat]
        starts = np.flatnonzero(new)
        lengths = np.diff(starts, append=len(new))
        owners = some["user"].gather(events["code"][starts] - int(some["code"][0]))
        if options.max_length is not None:
            ends = np.repeat(starts + lengths, lengths)
            late = np.arange(len(new)) >= ends - options.max_length
            older = int((~late).sum())
            events = {name: column[late] for name, column in events.items()}
            lengths = np.minimum(lengths, options.max_length)
        yield _Run(events, lengths, owners, repeats, older)


def _begins(values: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before, bool `[values]`."""
    return np.concatenate([[True], values[1:] != values[:-1]])
