"""Amounts of memory: as people write them, and as the compiler states them for a program."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {"B": 1} | {
    f"{prefix}{suffix}": base**power
    for suffix, base in (("B", 1000), ("iB", 1024))
    for power, prefix in enumerate(("k", "M", "G", "T"), start=1)
}
_BY_LOWER_CASE = {unit.lower(): factor for unit, factor in _UNITS.items()}


def parse_bytes(amount: int | str) -> int:
    """Bytes as a whole number, or as text such as "4 GB", "512MB" or "1.5 GiB".

    Args:
        amount: kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB powers of 1024.

    Raises:
        ValueError: if it is neither, or nothing.

    >>> parse_bytes("1.5 GB")
    1500000000
    """
    if isinstance(amount, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", amount)
        factor = match and _BY_LOWER_CASE.get(match[2].lower())
        if not match or not factor:
            raise ValueError(
                f"{amount!r} is no amount of memory; write a number and one of "
                f'{", ".join(_UNITS)}, such as "4 GB".'
            )
        amount = round(float(match[1]) * factor)
    if amount < 1:
        raise ValueError(f"an amount of memory is {amount} bytes; use a positive one.")
    return amount


def format_bytes(count: int) -> str:
    """Bytes with three digits and a unit.

    >>> format_bytes(123_456_789)
    '123 MB'
    """
    for unit in ("TB", "GB", "MB", "kB"):
        if count >= 0.9995 * _UNITS[unit]:
            value = count / _UNITS[unit]
            return f"{value:.{max(3 - len(str(round(value))), 0)}f} {unit}"
    return f"{count} B"


def program_bytes(program: Any) -> int:
    """Memory of a compiled program (`jax.stages.Compiled`) at work, as the compiler states it.

    What it reads, what it returns and what it needs in between; nothing is run to know it.
    """
    analysis = program.memory_analysis()
    return int(
        analysis.temp_size_in_bytes
        + analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
    )
