"""Real sequences to compare the distilled ones with."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from farzi.data import PADDING


def random_rows(
    rows: Int[np.ndarray, "rows time"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, "count time"]:
    """`count` different rows without padding, drawn evenly.

    Raises:
        ValueError: if there are fewer than `count` rows without padding.
    """
    full = np.flatnonzero((rows != PADDING).all(axis=1))
    if len(full) < count:
        raise ValueError(
            f"{count} full sequences of {rows.shape[1]} events are asked for, but the data hold "
            f"{len(full)}; ask for fewer or shorter ones."
        )
    return rows[generator.choice(full, count, replace=False)]
