"""Real sequences to compare the distilled ones with."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from farzi.data import Windows


def random_rows(
    rows: Windows, count: int, generator: np.random.Generator
) -> Int[np.ndarray, " count"]:
    """Numbers of `count` different rows without padding, drawn evenly.

    Raises:
        ValueError: if there are fewer than `count` rows without padding.
    """
    full = rows.full
    if len(full) < count:
        raise ValueError(
            f"{count} full sequences of {rows.length + 1} events are asked for, but the data hold "
            f"{len(full)}; ask for fewer or shorter ones."
        )
    return full[generator.choice(len(full), count, replace=False)]
