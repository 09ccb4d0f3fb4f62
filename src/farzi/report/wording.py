"""Tokens, numbers and quantities as text that fits a page."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

MISSING = "\N{EN DASH}"
"""Stands where a number is not known."""

ARM_NAMES = {
    "full": "Full data",
    "distilled": "Distilled",
    "random": "Random sample",
    "recent": "Recent",
    "popular": "Popular",
    "longest": "Longest",
    "k-centre": "k-centre",
    "facility-location": "Facility location",
}

# Bidirectional embeddings, overrides and isolates would reorder the text around a token.
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_VISIBLE = str.maketrans({"\n": "↵", "\r": "↵", "\t": "⇥"})


def readable(token: str, width: int) -> str:
    r"""A token as it can be printed: blanks made visible, nothing unprintable, cut to `width`.

    >>> readable("a rather long token", 10), readable(" ", 10), readable("two\nlines", 10)
    ('a rather…', '␣', 'two↵lines')
    """
    text = _DIRECTION_MARKS.sub("", token.translate(_VISIBLE))
    # Control characters have no place in HTML, and lone surrogates cannot even be encoded.
    text = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    if not text.strip():
        text = "␣" * max(len(text), 1)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def arm_name(arm: str) -> str:
    """What an arm of the evaluation is called on the page."""
    kind = arm.removesuffix("-soft")
    if kind not in ARM_NAMES:
        return readable(arm, 24)
    return ARM_NAMES[kind] + (", soft labels" if arm != kind else "")


def known(value: Any) -> float | None:
    """`value` as a finite float; None for what is absent, null or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def number(value: Any, decimals: int = 0) -> str:
    """A number with thousands separated, or a dash.

    >>> number(328521), number(0.41234, 3), number(float("nan")) == MISSING
    ('328,521', '0.412', True)
    """
    value = known(value)
    return MISSING if value is None else f"{value:,.{decimals}f}"


def counted(count: Any, noun: str) -> str:
    """A number and its noun in the right number.

    >>> counted(1, "sequence"), counted(2400, "event")
    ('1 sequence', '2,400 events')
    """
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def percent(fraction: Any) -> str:
    r"""A fraction as per cent: one decimal from 1 % on, two significant digits below.

    >>> percent(0.9741), percent(0.00497), percent(0)
    ('97.4\xa0%', '0.50\xa0%', '0\xa0%')
    """
    value = known(fraction)
    if value is None:
        return MISSING
    value *= 100
    if value == 0:
        text = "0"
    elif abs(value) >= 1:
        text = f"{value:,.1f}"
    else:
        text = f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def file_size(size: Any) -> str:
    r"""Bytes in the decimal unit that leaves one to three digits before the point.

    >>> file_size(512), file_size(1_314_084)
    ('512\xa0B', '1.31\xa0MB')
    """
    value = known(size)
    if value is None:
        return MISSING
    units = ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    if units[0] == "B" or value >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{text}\N{NO-BREAK SPACE}{units[0]}"


def duration(seconds: Any) -> str:
    r"""Seconds as people say them.

    >>> [duration(s) for s in (0.314, 21.44, 340, 7500)]
    ['0.31\xa0s', '21.4\xa0s', '5\xa0min 40\xa0s', '2\xa0h 05\xa0min']
    """
    value = known(seconds)
    if value is None:
        return MISSING
    space = "\N{NO-BREAK SPACE}"
    if value < 1:
        return f"{value:.2f}{space}s"
    if value < 59.95:
        return f"{value:.1f}{space}s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60}{space}min {whole % 60:02d}{space}s"
    minutes = round(value / 60)
    return f"{minutes // 60}{space}h {minutes % 60:02d}{space}min"


def interval(metric: dict[str, Any] | None, decimals: int = 4) -> str:
    r"""Mean and half-width of the interval; the mean alone where there is no interval.

    >>> interval({"mean": 0.4, "ci95": 0.01}, 2), interval({"mean": 0.4, "ci95": None}, 2)
    ('0.40\xa0±\xa00.01', '0.40')
    """
    metric, space = metric or {}, "\N{NO-BREAK SPACE}"
    mean, half = number(metric.get("mean"), decimals), known(metric.get("ci95"))
    return mean if half is None else f"{mean}{space}±{space}{half:.{decimals}f}"
