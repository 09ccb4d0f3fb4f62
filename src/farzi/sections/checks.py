"""Checks that several sections share."""

from __future__ import annotations

from typing import Any


def check_positive(section: Any, *keys: str) -> None:
    """Raise unless each of these settings is from 1 up, or None.

    Raises:
        ValueError: then.
    """
    for key in keys:
        value = getattr(section, key)
        if value is not None and value < 1:
            raise ValueError(f"{key} is {value}; use a whole number from 1 up")
