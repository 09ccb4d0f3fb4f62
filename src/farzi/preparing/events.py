"""A log of events as sequences: one a user, or one a visit, in the order of time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from farzi.preparing.columns import recognise
from farzi.preparing.options import EventOptions
from farzi.preparing.tables import PLACE, Table
from farzi.preparing.times import Kind, as_number, microseconds, unit_of

EVENTS_AT_ONCE = 10_000_000
"""About as many events are held in memory at a time; more are worked through user by user."""
_LOOKED_AT = 1000


@dataclass(frozen=True)
class Drop:
    """Events that were left out, and why."""

    events: int
    reason: str


@dataclass(frozen=True, eq=False)
class Events:
    """Sequences of events.

    Attributes:
        values: ids, int32 `[events]`.
        offsets: where each sequence starts, int64 `[sequences + 1]`.
        times: microseconds, int64 `[events]`; None for a log without times.
        items: what the ids stand for.
        users: whose each sequence is.
        roles: which column of the log was taken for what.
        unit: that the times were written in, or None if that is not known.
        read: events in the log.
        dropped: what was left out of them.
    """

    values: np.ndarray
    offsets: np.ndarray
    times: np.ndarray | None
    items: tuple[str, ...]
    users: pl.Series
    roles: dict[str, str]
    unit: str | None
    read: int
    dropped: tuple[Drop, ...]


def read_events(table: Table, options: EventOptions) -> Events:
    """Sequences from a log.

    Raises:
        ValueError: if a column is missing or a value cannot be, with its place, or nothing is left.
    """
    named = {
        role: name
        for role in ("user", "item", "time", "rating", "type")
        if (name := getattr(options, role)) is not None
    }
    roles = recognise(table.columns, named, table.source)
    _check_wanted(roles, options, table)
    plain = _plain(table, roles)
    read, unit, dropped, wanted = _checked(table, plain, roles, options)
    with tempfile.TemporaryDirectory(prefix="farzi-") as folder:
        kept = Path(folder) / "events.parquet"
        table.attempt(lambda: wanted(plain).sink_parquet(kept, compression="lz4"))
        frame = pl.scan_parquet(kept)
        users, items, few = _frequent(frame, options)
        dropped += few
        if not len(users):
            raise ValueError(
                f"{table.source}: no event is left of {read:,}; "
                + "; ".join(f"{drop.events:,} were left out as {drop.reason}" for drop in dropped)
                + "; ask for less."
            )
        parts = list(_parts(frame, users, items, options))
    values, lengths, times, owners, collapsed, cut = zip(*parts, strict=True)
    if sum(collapsed):
        dropped.append(Drop(sum(collapsed), "repeats of the event before"))
    if sum(cut):
        dropped.append(Drop(sum(cut), f"older than the last {options.max_length} of a sequence"))
    return Events(
        values=np.concatenate(values),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        times=np.concatenate(times) if "time" in roles else None,
        items=tuple(items["item"]),
        users=pl.concat(owners),
        roles=roles,
        unit=unit,
        read=read,
        dropped=tuple(dropped),
    )


def _check_wanted(roles: dict[str, str], options: EventOptions, table: Table) -> None:
    needs = {
        "rating": ("min_rating", options.min_rating is not None),
        "type": ("types", bool(options.types)),
        "time": ("visit_gap", options.visit_gap is not None),
    }
    for role, (option, wanted) in needs.items():
        if wanted and role not in roles:
            raise ValueError(
                f"{option} is set, but {table.source} has no column that is known to hold the "
                f"{role}: it has {', '.join(table.columns)}; name it, as in --{role} NAME."
            )


def _plain(table: Table, roles: dict[str, str]) -> pl.LazyFrame:
    """User and item as text, time and rating as numbers; null where there is none."""

    def text(role: str) -> pl.Expr:
        stripped = pl.col(roles[role]).cast(pl.String).str.strip_chars()
        return pl.when(stripped != "").then(stripped).alias(role)

    columns = [pl.col(PLACE), text("user"), text("item")]
    if "time" in roles:
        columns.append(as_number(roles["time"], _kind(table, roles["time"])).alias("time"))
    if "rating" in roles:
        rating = pl.col(roles["rating"]).cast(pl.Float64, strict=False)
        columns.append(rating.alias("rating"))
    if "type" in roles:
        columns.append(text("type"))
    return table.frame.select(columns)


def _kind(table: Table, column: str) -> Kind:
    """How the times in a column are written; of text, as it begins."""
    dtype = table.types[column]
    if dtype != pl.String:
        return "date" if dtype.is_temporal() else "number"
    first = table.frame.select(column).head(_LOOKED_AT)
    counts = [as_number(column, kind).count().alias(kind) for kind in ("text", "date in text")]
    found = table.collect(first.select(counts))
    return "date in text" if found["date in text"].item() > found["text"].item() else "text"


def _checked(
    table: Table, plain: pl.LazyFrame, roles: dict[str, str], options: EventOptions
) -> tuple[int, str | None, list[Drop], Callable[[pl.LazyFrame], pl.LazyFrame]]:
    """One pass over the log that finds what is wrong with it.

    Returns:
        Number of events, unit of the times, what is to be dropped, and how.
    """
    bad = {role: pl.col(role).is_null() for role in ("user", "item")}
    if "time" in roles:
        bad["time"] = ~pl.col("time").is_finite().fill_null(False)
    low = pl.lit(False)
    if options.min_rating is not None:
        bad["rating"] = ~pl.col("rating").is_finite().fill_null(False)
        low = (pl.col("rating") < options.min_rating).fill_null(False)
    other = ~pl.col("type").is_in(options.types) if options.types else pl.lit(False)
    other = other.fill_null(True)
    any_bad = pl.any_horizontal(*bad.values())
    good = ~any_bad
    questions = [pl.len().alias("read"), any_bad.sum().alias("bad")]
    questions += [
        pl.when(is_bad).then(pl.col(PLACE)).min().alias(f"bad {role}")
        for role, is_bad in bad.items()
    ]
    questions += [
        (good & other).sum().alias("other"),
        (good & ~other & low).sum().alias("low"),
    ]
    if "time" in roles:
        time = pl.when(good).then(pl.col("time"))
        questions += [time.min().alias("least"), time.max().alias("most")]
    found = table.collect(plain.select(questions)).row(0, named=True)
    if not found["read"]:
        raise ValueError(f"{table.source} has no events, only names; name a file that holds some.")
    for role in bad:
        place = found[f"bad {role}"]
        if place is not None and not options.drop_incomplete:
            raise ValueError(_bad_value(table, roles[role], role, place))
    dropped = []
    for name, reason in (
        ("bad", "incomplete"),
        ("other", f"of other types than {', '.join(options.types)}"),
        ("low", f"rated below {options.min_rating}"),
    ):
        if found[name]:
            dropped.append(Drop(found[name], reason))
    unit = None
    if "time" in roles and found["least"] is not None:
        unit = _unit(table, roles["time"], found["least"], found["most"])

    def wanted(frame: pl.LazyFrame) -> pl.LazyFrame:
        frame = frame.filter(good & ~other & ~low)
        if "time" in roles:
            frame = frame.with_columns(microseconds(pl.col("time"), unit))
        return frame.select("user", "item", PLACE, *(["time"] if "time" in roles else []))

    return found["read"], unit, dropped, wanted


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


def _parts(
    frame: pl.LazyFrame, users: pl.DataFrame, items: pl.DataFrame, options: EventOptions
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, pl.Series, int, int]]:
    """For some users at a time: ids, lengths of sequences, times, users, collapsed and cut."""
    ids = items.select("item", pl.int_range(pl.len(), dtype=pl.Int32).alias("id")).lazy()
    codes = users.select("user", "events", pl.int_range(pl.len(), dtype=pl.Int64).alias("code"))
    part = (codes["events"].cum_sum() - 1) // EVENTS_AT_ONCE
    timed = "time" in frame.collect_schema()
    order = ["code", "time", PLACE] if timed else ["code", PLACE]
    for number in part.unique(maintain_order=True):
        some = codes.filter(part == number)
        events = (
            frame.join(some.lazy().select("user", "code"), on="user")
            .join(ids, on="item")
            .select("code", "id", PLACE, *(["time"] if timed else []))
            .collect(engine="streaming")
            .sort(order)
        )
        code, values = events["code"].to_numpy(), events["id"].to_numpy()
        times = events["time"].to_numpy() if timed else np.empty(0, np.int64)
        new = np.concatenate([[True], code[1:] != code[:-1]])
        if options.visit_gap is not None:
            new[1:] |= np.diff(times) > options.visit_gap * 1e6
        collapsed = cut = 0
        if options.collapse_repeats:
            repeat = np.concatenate([[False], values[1:] == values[:-1]]) & ~new
            collapsed = int(repeat.sum())
            code, values, new = code[~repeat], values[~repeat], new[~repeat]
            times = times[~repeat] if timed else times
        starts = np.flatnonzero(new)
        lengths = np.diff(starts, append=len(values))
        if options.max_length is not None:
            ends = np.repeat(starts + lengths, lengths)
            late = np.arange(len(values)) >= ends - options.max_length
            cut = int((~late).sum())
            code, values = code[late], values[late]
            times = times[late] if timed else times
            lengths = np.minimum(lengths, options.max_length)
            starts = np.cumsum(lengths) - lengths
        owners = some["user"].gather(code[starts] - int(some["code"][0]))
        yield values, lengths, times, owners, collapsed, cut


def _unit(table: Table, column: str, least: float, most: float) -> str | None:
    try:
        return unit_of(least, most)
    except ValueError as error:
        raise ValueError(f"{table.source}, column {column!r}: {error}.") from None


def _bad_value(table: Table, column: str, role: str, place: int) -> str:
    """What stands at a place where it cannot."""
    row = table.collect(table.frame.filter(pl.col(PLACE) == place).select(column)).item()
    where = f"{table.place(place)}, column {column!r}"
    if row is None or not str(row).strip():
        cause = f"there is no {role}"
    else:
        cause = f"{str(row)[:50]!r} is no {'number' if role == 'rating' else role}"
    return f"{where}: {cause}; correct it, or leave such events out with --drop-incomplete."
