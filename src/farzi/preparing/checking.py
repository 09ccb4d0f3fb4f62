"""One pass over a log that finds what is wrong with it, and says what of it is kept."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from farzi.preparing.options import EventOptions
from farzi.preparing.tables import PLACE, Table
from farzi.preparing.times import Kind, as_number, microseconds, unit_of

_LOOKED_AT = 1000


@dataclass(frozen=True)
class Drop:
    """Events that were left out, and why."""

    events: int
    reason: str


@dataclass(frozen=True, eq=False)
class Checked:
    """What is right with a log.

    Attributes:
        frame: the events that are kept: user, item, `PLACE` and, if there are times, time in
            microseconds.
        read: events in the log.
        unit: that the times were written in, or None if that is not known.
        dropped: what is left out.
    """

    frame: pl.LazyFrame
    read: int
    unit: str | None
    dropped: tuple[Drop, ...]


def checked(table: Table, roles: dict[str, str], options: EventOptions) -> Checked:
    """Go through a log once.

    Args:
        table: the log.
        roles: which of its columns holds what.
        options: what of it is kept.

    Raises:
        ValueError: if a column is missing, or a value cannot be, with its place.
    """
    _check_wanted(roles, options, table)
    plain = _plain(table, roles, options)
    bad = {role: pl.col(role).is_null() for role in ("user", "item")}
    numbers = {
        "item": options.bins is not None,
        "time": "time" in roles,
        "rating": options.min_rating is not None,
    }
    for role, wanted in numbers.items():
        if wanted:
            bad[role] = ~pl.col(role).is_finite().fill_null(False)
    low = pl.lit(False)
    if options.min_rating is not None:
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
            raise ValueError(_bad_value(table, roles, role, place, options))
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

    frame = plain.filter(good & ~other & ~low)
    if "time" in roles:
        frame = frame.with_columns(microseconds(pl.col("time"), unit))
    kept = frame.select("user", "item", PLACE, *(["time"] if "time" in roles else []))
    return Checked(kept, found["read"], unit, tuple(dropped))


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


def _plain(table: Table, roles: dict[str, str], options: EventOptions) -> pl.LazyFrame:
    """User and item as text, time, rating and items for bins as numbers; null for none."""

    def text(role: str) -> pl.Expr:
        stripped = pl.col(roles[role]).cast(pl.String).str.strip_chars()
        return pl.when(stripped != "").then(stripped).alias(role)

    columns = [pl.col(PLACE), text("user")]
    if options.bins is None:
        columns.append(text("item"))
    else:
        kind = "number" if table.types[roles["item"]].is_numeric() else "text"
        columns.append(as_number(roles["item"], kind).alias("item"))
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


def _unit(table: Table, column: str, least: float, most: float) -> str | None:
    try:
        return unit_of(least, most)
    except ValueError as error:
        raise ValueError(f"{table.source}, column {column!r}: {error}.") from None


def _bad_value(
    table: Table, roles: dict[str, str], role: str, place: int, options: EventOptions
) -> str:
    """What stands at a place where it cannot."""
    column = roles[role]
    row = table.collect(table.frame.filter(pl.col(PLACE) == place).select(column)).item()
    where = f"{table.place(place)}, column {column!r}"
    binned = role == "item" and options.bins is not None
    if row is None or not str(row).strip():
        cause = f"there is no {role}"
    else:
        cause = f"{str(row)[:50]!r} is no {'number' if role == 'rating' or binned else role}"
    other = "name the column of numbers with --item, " if binned else ""
    return f"{where}: {cause}; correct it, {other}or leave such events out with --drop-incomplete."
