"""Times as people write them, as whole microseconds."""

from __future__ import annotations

from typing import Literal

import polars as pl

Kind = Literal["number", "date", "text", "date in text"]
"""How times are written."""

# What a number since 1970 counts, by its size: the years 1973 to 5138 in each unit.
_UNITS = {"s": (1e8, 1e11), "ms": (1e11, 1e14), "us": (1e14, 1e17), "ns": (1e17, 1e20)}
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


def as_number(column: str, kind: Kind) -> pl.Expr:
    """A column of times as numbers, in the unit that they are written in; null where it has none.

    Dates, in text such as "2013-01-01 05:15" or as a type of their own, become microseconds.
    """
    values = pl.col(column)
    if kind == "number":
        return values.cast(pl.Float64, strict=False)
    if kind == "text":
        return values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    if kind == "date in text":
        text = values.cast(pl.String).str.strip_chars()
        values = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    return values.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64)


def unit_of(least: float, most: float) -> str | None:
    """The unit of times in a range: "s", "ms", "us" or "ns" since 1970, or None if unknown.

    Raises:
        ValueError: if the range can only be one of several units.
    """

    def unit(time: float) -> str | None:
        return next((u for u, (low, high) in _UNITS.items() if low <= time < high), None)

    first, last = unit(least), unit(most)
    if first and last and first != last:
        raise ValueError(
            f"times run from {least:.0f} to {most:.0f}, as if some counted {first} and others "
            f"{last} since 1970; give all in one unit"
        )
    return last if first else None


def microseconds(times: pl.Expr, unit: str | None) -> pl.Expr:
    """Times of a unit as int64; of an unknown one, which may be minutes or days, as millionths."""
    return (times * _MICROSECONDS.get(unit or "s", 1e6)).round().cast(pl.Int64)
