"""Numbers become tokens by quantiles of what is learned from, and come back as medians."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import write

from farzi.preparing.account import account
from farzi.preparing.bins import Bins, quantile_bins
from farzi.preparing.folder import BINS, load_prepared
from farzi.preparing.options import EventOptions, SplitOptions
from farzi.preparing.prepare import prepare

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=60)


def learned(numbers, bins):
    return quantile_bins(*np.unique(np.array(numbers, np.float64), return_counts=True), bins)


@given(NUMBERS.filter(lambda numbers: len(set(numbers)) > 1), NUMBERS, st.integers(2, 20))
def test_numbers_stay_in_their_bins(numbers, others, count):
    bins = learned(numbers, count)
    assert 2 <= len(bins) <= count
    for some in (numbers, others):
        ids = bins.encode(some)
        assert np.array_equal(bins.encode(bins.decode(ids)), ids)
        assert np.all(np.diff(bins.encode(sorted(some))) >= 0)
    assert set(bins.encode(numbers).tolist()) == set(range(len(bins)))
    assert set(bins.values) <= set(numbers)
    assert len(set(bins.tokens)) == len(bins)


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=90, unique=True), st.integers(2, 20))
def test_different_numbers_fill_bins_equally(numbers, count):
    sizes = np.bincount(learned(numbers, count).encode(numbers))
    assert len(sizes) == min(count, len(numbers))
    assert sizes.max() - sizes.min() <= 1


def test_bins_hold_medians():
    bins = learned([1, 2, 3, 4, 5, 60, 7, 80, 90], 3)
    assert bins.edges.tolist() == [4, 60]
    assert bins.values.tolist() == [2, 5, 80]
    assert bins.tokens == ("[-inf, 4)", "[4, 60)", "[60, inf)")


def test_equal_numbers_leave_fewer_bins():
    assert learned([0] * 99 + [1], 2).edges.tolist() == [1]
    assert len(learned([0] * 60 + [1, 2, 3, 4] * 10, 10)) == 5
    with pytest.raises(ValueError, match="to learn bins from there is only 3; name another column"):
        learned([3, 3], 4)
    with pytest.raises(ValueError, match="to learn bins from there is none"):
        quantile_bins(np.array([1.0, 2.0]), np.array([0, 0]), 4)


def test_tokens_tell_edges_apart():
    edges = np.array([1, np.nextafter(1, 2), 1e6 + 1, 1e6 + 2])
    tokens = Bins(edges, np.array([0, 1, 2, *edges[2:]])).tokens
    assert tokens[1] == "[1, 1.0000000000000002)"
    assert len(set(tokens)) == 5


@pytest.mark.parametrize(
    ("edges", "values", "message"),
    [
        ([1, 2], [0, 1], "give one value more than edges"),
        ([2, 1], [0, 1, 2], "rise and are finite"),
        ([1, np.inf], [0, 1, 2], "rise and are finite"),
        ([1, 2], [0, 1, 1.5], "a value does not lie in its bin"),
    ],
)
def test_what_are_no_bins(edges, values, message):
    with pytest.raises(ValueError, match=message):
        Bins(np.array(edges, np.float64), np.array(values, np.float64))


def test_what_no_bin_holds():
    bins = learned([1, 2, 3], 3)
    for number in (np.nan, np.inf):
        with pytest.raises(ValueError, match="infinite or none at all"):
            bins.encode([1.0, number])
    for ids in ([0, -1], [3]):
        with pytest.raises(ValueError, match="but there are 3 bins"):
            bins.decode(ids)


def log(numbers, users=4):
    """A log whose users take turns, one number an event, in the order of time."""
    return pl.DataFrame(
        {
            "user": [str(event % users) for event in range(len(numbers))],
            "time": range(len(numbers)),
            "value": numbers,
        }
    )


def test_events_of_numbers():
    numbers = np.random.default_rng(0).permutation(200) / 8
    prepared = prepare(log(numbers), EventOptions(bins=16))
    bins = prepared.bins
    assert prepared.card["columns"]["item"] == "value"
    assert prepared.card["bins"] == {"asked_for": 16, "made": 16}
    assert prepared.sequences.vocabulary.tokens == bins.tokens
    assert "16 bins of numbers" in account(prepared)
    for user, ids in enumerate(prepared.sequences):
        assert np.array_equal(ids, bins.encode(numbers[user::4]))
    counts = np.bincount(prepared.split.train.flat())
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("how", ["last", "time", "sequences", "position"])
def test_edges_do_not_see_what_is_held_out(how):
    numbers = np.random.default_rng(0).normal(size=400)
    split = SplitOptions(how)
    usual = prepare(log(numbers, users=20), EventOptions(bins=8), split)
    held_out = np.full(400, False)
    train_ends = dict(zip(usual.names.to_pylist(), usual.cuts.train, strict=True))
    for user, start in zip(usual.names.to_pylist(), usual.sequences.starts, strict=True):
        held_out[int(user) :: 20] = np.arange(start, start + 20) >= train_ends[user]
    changed = prepare(
        log(np.where(held_out, 1e9 + numbers, numbers), users=20), EventOptions(bins=8), split
    )
    assert np.array_equal(changed.bins.edges, usual.bins.edges)
    assert np.array_equal(changed.bins.values, usual.bins.values)
    assert changed.sequences.values.max() == 7
    train = [one.split.train.flat().tolist() for one in (usual, changed)]
    assert train[0] == train[1]


def test_numbers_are_equal_however_they_are_written(tmp_path):
    written = ["1", "1.0", " 1e0", "2", "-0", "0", "2.50", "2.5"]
    lines = "".join(f"a,{number}\n" for number in written)
    prepared = prepare(write(tmp_path, f"user,reading\n{lines}"), EventOptions(bins=6))
    assert prepared.bins.decode(prepared.sequences[0]).tolist()[:6] == [1, 1, 1, 2, 0, 0]
    assert prepared.card["bins"] == {"asked_for": 6, "made": 3}
    assert "3 bins of numbers instead of 6, because many" in account(prepared)
    same = prepare(
        write(tmp_path, f"user,reading\n{lines}"), EventOptions(bins=4, collapse_repeats=True)
    )
    assert same.card["dropped"] == [{"events": 4, "reason": "repeats of the event before"}]


@pytest.mark.parametrize("number", ["tea", "nan", "inf", "-inf", ""])
def test_what_is_no_number_is_told_with_its_place(tmp_path, number):
    path = write(tmp_path, f"user,value\na,1\na,{number}\na,3\na,4\na,5\n")
    cause = f"{number!r} is no number" if number else "there is no item"
    message = rf"line 3, column 'value': {cause}; correct it, name the column of numbers with --it"
    with pytest.raises(ValueError, match=message):
        prepare(path, EventOptions(bins=2))
    prepared = prepare(path, EventOptions(bins=2, drop_incomplete=True))
    assert prepared.card["dropped"] == [{"events": 1, "reason": "incomplete"}]


def test_the_number_of_several_columns(tmp_path):
    path = write(tmp_path, "user,item,price,size\n" + "".join(f"a,b,{i},{-i}\n" for i in range(9)))
    assert prepare(path, EventOptions(bins=2)).card["columns"]["item"] == "price"
    named = prepare(path, EventOptions(item="size", bins=2))
    assert named.bins.values.tolist() == [-5, -2]
    with pytest.raises(ValueError, match="line 2, column 'item': 'b' is no number"):
        prepare(path, EventOptions(item="item", bins=2))
    with pytest.raises(ValueError, match="bins from there is only 7"):
        prepare(log([7.0] * 8 + [1.0] * 4), EventOptions(bins=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "bins is 1; use a whole number from 2 up"),
        ({"bins": 4, "min_item_events": 2}, "bins and min_item_events are both set"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        EventOptions(**options)


def test_bins_come_back_from_the_folder(tmp_path):
    folder = tmp_path / "prepared"
    prepared = prepare(log(np.random.default_rng(0).normal(size=99)), EventOptions(bins=9))
    prepared.save(folder)
    loaded = load_prepared(folder)
    assert np.array_equal(loaded.bins.edges, prepared.bins.edges)
    assert np.array_equal(loaded.bins.values, prepared.bins.values)
    other = prepare(log(np.random.default_rng(1).normal(size=99)), EventOptions(bins=9))
    other.save(tmp_path / "other")
    assert loaded.card["sha256"] != load_prepared(tmp_path / "other").card["sha256"]
    good = json.loads((folder / BINS).read_text())
    for bad, message in (
        ("{", "bins.json is damaged"),
        ("[3]", "bins.json is damaged"),
        (json.dumps({"edges": good["edges"]}), "there are no edges and values"),
        (json.dumps(good | {"values": ["x"] * 9}), "bins.json is damaged"),
        (json.dumps(good | {"edges": good["edges"][::-1]}), "the edges of bins rise"),
        (json.dumps(good | {"edges": [*good["edges"][:-1], float("nan")]}), "rise and are finite"),
        (json.dumps({"edges": [0.0], "values": [-1.0, 1.0]}), "2 bins, but there are 9 tokens"),
    ):
        (folder / BINS).write_text(bad)
        with pytest.raises(ValueError, match=message):
            load_prepared(folder)
