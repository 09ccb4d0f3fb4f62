"""What of a log is kept: filters, sequences, and the count of every drop."""

import numpy as np
import polars as pl
from small_log import AS_SEQUENCES, TEXT, log_of, words, write

from farzi.preparing import events as events_module
from farzi.preparing.options import EventOptions
from farzi.preparing.prepare import prepare


def kept(log, **options):
    prepared = prepare(log, EventOptions(**options))
    return ["".join(tokens) for tokens in words(prepared).values()], prepared.card


def test_minima_hold_for_what_is_left():
    # Without d, which comes once, the second user has two events; without that user, c comes once.
    sequences, card = kept(log_of("aabb", "ccd", "aabbc"), min_user_events=3, min_item_events=2)
    assert sequences == ["aabb", "aabb"]
    assert card["dropped"] == [
        {"events": 4, "reason": "users under 3 or items under 2 events, until both hold"}
    ]


def test_minima_may_be_applied_once():
    sequences, _ = kept(
        log_of("aabb", "ccd", "aabbc"), min_user_events=3, min_item_events=2, once=True
    )
    assert sequences == ["aabb", "cc", "aabbc"]


def test_a_gap_begins_a_new_sequence():
    log = log_of("abcdef", "abc").with_columns(
        pl.when(pl.col("item") > "b").then(pl.col("time") + 10).otherwise("time").alias("time")
    )
    prepared = prepare(log, EventOptions(visit_gap=5.0))
    decoded = ["".join(prepared.sequences.vocabulary.decode(ids)) for ids in prepared.sequences]
    assert decoded == ["ab", "cdef", "ab", "c"]
    assert [name.as_py() for name in prepared.names] == ["0", "0", "1", "1"]


def test_repeats_in_a_row_may_be_collapsed():
    sequences, card = kept(log_of("aabbba", "abab"), collapse_repeats=True)
    assert sequences == ["aba", "abab"]
    assert card["dropped"] == [{"events": 3, "reason": "repeats of the event before"}]


def test_the_last_events_of_long_sequences_are_kept():
    sequences, card = kept(log_of("abcdef", "abc"), max_length=4)
    assert sequences == ["cdef", "abc"]
    assert card["dropped"] == [{"events": 2, "reason": "older than the last 4 of a sequence"}]


def test_types_and_ratings_are_filtered_and_counted():
    log = log_of("abcdef").with_columns(
        rating=pl.Series([1.0, 2, 3, 4, 5, 5]),
        event_type=pl.Series(["view", "buy", "buy", "view", "buy", "buy"]),
    )
    sequences, card = kept(log, types=("buy",), min_rating=3.0)
    assert sequences == ["cef"]
    assert card["dropped"] == [
        {"events": 2, "reason": "of other types than buy"},
        {"events": 1, "reason": "rated below 3.0"},
    ]


def test_incomplete_events_may_be_left_out(tmp_path):
    log = TEXT + "a,,50\n,tea,50\na,tea,\na,tea,never\na,tea,nan\n"
    prepared = prepare(write(tmp_path, log), EventOptions(drop_incomplete=True))
    assert words(prepared) == AS_SEQUENCES
    assert prepared.card["dropped"] == [{"events": 5, "reason": "incomplete"}]


def test_every_event_read_is_kept_or_accounted_for():
    rng = np.random.default_rng(0)
    log = pl.DataFrame(
        {
            "user": rng.integers(40, size=1000),
            "item": rng.integers(90, size=1000),
            "time": rng.integers(500, size=1000),
            "rating": rng.integers(1, 6, size=1000),
        }
    )
    options = EventOptions(
        min_user_events=12,
        min_item_events=6,
        min_rating=2.0,
        collapse_repeats=True,
        max_length=4,
        visit_gap=30.0,
    )
    card = prepare(log, options).card
    assert len(card["dropped"]) == 4
    assert sum(drop["events"] for drop in card["dropped"]) + card["events"] == 1000


def test_a_log_is_worked_through_user_by_user(monkeypatch):
    rng = np.random.default_rng(0)
    log = pl.DataFrame({name: rng.integers(30, size=500) for name in ("user", "item", "time")})
    whole = prepare(log, EventOptions(max_length=9))
    monkeypatch.setattr(events_module, "EVENTS_AT_ONCE", 60)
    parts = prepare(log, EventOptions(max_length=9))
    assert words(parts) == words(whole)
    assert parts.card == whole.card
