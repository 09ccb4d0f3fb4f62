"""What was prepared, in words and figures for the terminal."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from farzi.plain_text import plain_text
from farzi.preparing.folder import Prepared
from farzi.preparing.tokenizing import UNKNOWN

_WIDTH = 100


def account(prepared: Prepared) -> str:
    """Every count of the card, as a table."""
    card = prepared.card
    rows = Table(box=None, show_header=False, padding=(0, 2))
    rows.add_row("source", card["source"])
    if card["columns"]:
        found = ", ".join(f"{role}: {name}" for role, name in card["columns"].items())
        rows.add_row("columns", found)
        rows.add_row("events read", f"{card['events_read']:,}")
    else:
        rows.add_row("characters read", f"{card['characters_read']:,}")
    for drop in card["dropped"]:
        rows.add_row("left out", _dropped(drop))
    rows.add_row("events", f"{card['events']:,}")
    if "asked_for" in card:
        rows.add_row("asked for", f"{card['asked_for']:,} of them, in responses")
    if "unknown" in card:
        unknown = card["unknown"]
        rows.add_row(
            "unknown words",
            f"{unknown['training']:,} events for training and {unknown['held_out']:,} held out are "
            f"{UNKNOWN}" + ("" if unknown["training"] else "; raise min_count to learn of them"),
        )
    length = card["length"]
    rows.add_row(
        "sequences",
        f"{card['sequences']:,} of {length['least']:,} to {length['most']:,} events, "
        f"{length['mean']:.1f} on average",
    )
    rows.add_row("tokens", _tokens(card))
    if card["time"] is not None:
        unit = card["time"]["unit"] or "unit not known"
        rows.add_row("time", f"{card['time']['from']} to {card['time']['to']} ({unit})")
    split = card["split"]
    parts = [f"{split[f'{part}_events']:,}" for part in ("training", "validation", "test")]
    rows.add_row("split", f"{split['how']}:")
    rows.add_row("", f"{', '.join(parts)} events for training, validation and test")
    if card["columns"]:
        rows.add_row(
            "",
            f"{split['validation_questions']:,} validation and {split['test_questions']:,} test "
            f"questions, {split['sequences_not_asked_about']:,} sequences not asked about",
        )
    if split["training_events_after_test"] is not None:
        rows.add_row(
            "leakage in time",
            f"{split['training_events_after_test']:.1%} of the events to learn from are later "
            "than a test event, on average",
        )
    return plain_text(rows, width=_WIDTH)


def first_rows(prepared: Prepared, count: int = 5, events: int = 8) -> str:
    """The first sequences as they were understood."""
    table = Table("sequence", "events", "first of them", box=box.SIMPLE_HEAD)
    for i in range(min(count, len(prepared.sequences))):
        ids = prepared.sequences[i]
        words = prepared.sequences.vocabulary.decode(ids[:events])
        start = prepared.sequences.starts[i]
        if prepared.times is not None:
            words = [
                f"{word} @ {_when(int(prepared.times[start + k]), prepared.card['time']['unit'])}"
                for k, word in enumerate(words)
            ]
        more = [f"... {len(ids) - events} more"] if len(ids) > events else []
        between = " " if prepared.times is None else "\n"
        table.add_row(str(prepared.names[i]), str(len(ids)), between.join(words + more))
    return plain_text(table, width=_WIDTH)


def _dropped(drop: dict[str, Any]) -> str:
    if "texts" in drop:
        return f"{drop['texts']:,} text{'s' * (drop['texts'] > 1)}, {drop['reason']}"
    return f"{drop['events']:,} {drop['reason']}"


def _tokens(card: dict[str, Any]) -> str:
    bins = card.get("bins")
    if bins is None:
        return f"{card['tokens']:,}"
    fewer = f" instead of {bins['asked_for']:,}, because many numbers are equal"
    return f"{bins['made']:,} bins of numbers" + fewer * (bins["made"] < bins["asked_for"])


def _when(time: int, unit: str | None) -> str:
    return f"{time / 1e6:g}" if unit is None else str(np.datetime64(time, "us"))[:19]
