"""The packaged data set: where each aircraft that left New York City in 2013 flew to."""

from __future__ import annotations

from importlib import resources

import numpy as np
import polars as pl

from farzi.data.sequences import Sequences
from farzi.data.vocabulary import Vocabulary


def flights() -> Sequences:
    """The 328,521 flights out of New York City's airports in 2013 (CC0).

    One sequence an aircraft (4,037 of them), one token a destination (104), in the order of their
    scheduled departures. Source and licence stand beside the file, in `flights.md`.
    """
    frame = _read("aircraft", "destination")
    aircraft = frame["aircraft"].rle_id().to_numpy()
    offsets = np.searchsorted(aircraft, np.arange(aircraft[-1] + 2))
    destinations = frame["destination"].cast(pl.String)
    names = destinations.unique().sort()
    ids = destinations.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)
    return Sequences.from_offsets(ids, offsets.astype(np.int64), Vocabulary(tuple(names)))


def flight_times() -> np.ndarray:
    """When each of the `flights` was to leave: microseconds since 2013 began, `[flights]`."""
    minutes = _read("aircraft", "minutes_later").select(
        pl.col("minutes_later").cum_sum().over(pl.col("aircraft").rle_id())
    )
    return minutes.to_series().to_numpy().astype(np.int64) * 60_000_000


def _read(*columns: str) -> pl.DataFrame:
    with resources.as_file(resources.files("farzi.data") / "flights.parquet") as path:
        return pl.read_parquet(path, columns=list(columns))
