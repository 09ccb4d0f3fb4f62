"""Files that are named for their parts are the split."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_log import words, write

from farzi.preparing.options import EventOptions, SplitOptions
from farzi.preparing.parts import parts_of
from farzi.preparing.prepare import prepare


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("ml.train.inter ml.valid.inter ml.test.inter", "train validation test"),
        ("test.csv.gz training.csv.gz dev.csv.gz other.csv.gz", "test train validation train"),
        ("train/0.pq train/1.pq val/0.pq test/0.pq", "train train validation test"),
        ("day=1/train.csv day=1/val.csv day=1/test.csv", "train validation test"),
        ("train.csv test.csv", ""),
        ("a.csv b.csv c.csv", ""),
    ],
)  # fmt: skip
def test_a_file_is_for_what_it_or_its_folder_is_called(names, parts):
    files = [Path("my test of train and val") / name for name in names.split()]
    assert parts_of(files) == tuple(parts.split())


def folder_of(tmp_path, **parts):
    for part, rows in parts.items():
        log = "".join(f"{user},{item},{time}\n" for user, item, time in rows)
        write(tmp_path, "user,item,time\n" + log, f"log.{part}.csv")
    return tmp_path


TRAIN = [("u", "a", 1), ("u", "b", 7), ("v", "a", 2), ("w", "c", 1), ("w", "c", 2)]
VALID = [("u", "d", 5), ("u", "c", 4), ("v", "b", 9)]
TEST = [("u", "a", 3), ("v", "b", 1), ("x", "b", 1), ("x", "e", 0)]


def parts_of_sequences(prepared):
    """Tokens to learn from, for validation and for the test, by the sequence's name."""
    sequences, cuts = prepared.sequences, prepared.cuts
    decode = sequences.vocabulary.decode
    ends = zip(sequences.starts, cuts.train, cuts.validation, sequences.ends, strict=True)
    return {
        name.as_py(): tuple(
            "".join(decode(sequences.values[one:next])) for one, next in itertools.pairwise(four)
        )
        for name, four in zip(prepared.names, ends, strict=True)
    }


def test_events_are_in_the_order_of_their_parts(tmp_path):
    prepared = prepare(folder_of(tmp_path, train=TRAIN, valid=VALID, test=TEST))
    assert parts_of_sequences(prepared) == {
        "x": ("", "", "eb"),
        "u": ("ab", "cd", "a"),
        "v": ("a", "b", "b"),
        "w": ("cc", "", ""),
    }
    split = prepared.card["split"]
    assert split["how"] == "given by the names of the files"
    assert (split["validation_questions"], split["test_questions"]) == (2, 3)
    # Of the five events to learn from, at 1, 1, 2, 2 and 7, later than the answers at 3, 1 and 1:
    assert split["training_events_after_test"] == pytest.approx((1 + 3 + 3) / 3 / 5)
    assert prepared.sequences.vocabulary.tokens == ("a", "b", "c", "d", "e")
    assert prepared.sequences.vocabulary.decode(prepared.split.test.targets) == ["a", "b", "b"]


def test_without_times_the_files_decide(tmp_path):
    for part, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
        (tmp_path / part).mkdir()
        frame.drop("time").write_parquet(tmp_path / part / "0.parquet")
    prepared = prepare(tmp_path)
    assert parts_of_sequences(prepared)["u"] == ("ab", "dc", "a")
    assert prepared.card["split"]["training_events_after_test"] is None


def test_another_split_may_be_asked_for(tmp_path):
    folder = folder_of(tmp_path, train=TRAIN, valid=VALID, test=TEST)
    prepared = prepare(folder, split=SplitOptions("last"))
    assert words(prepared)["u"] == ["a", "a", "c", "d", "b"]
    assert prepared.card["split"]["how"] == "last"
    with pytest.raises(ValueError, match="test_share: set, but the split is 'given by the names"):
        prepare(folder, split=SplitOptions(test_share=0.3))


def test_what_is_left_out_moves_the_cuts(tmp_path):
    folder = folder_of(tmp_path, train=TRAIN, valid=VALID, test=TEST)
    # The repeats are of v, whose b is in both parts, and of w.
    options = EventOptions(collapse_repeats=True, max_length=3)
    prepared = prepare(folder, options)
    parts = parts_of_sequences(prepared)
    assert parts["u"] == ("", "cd", "a")
    assert (parts["v"], parts["w"]) == (("a", "b", ""), ("c", "", ""))
    assert [drop["events"] for drop in prepared.card["dropped"]] == [2, 2]


def test_visits_are_cut_too(tmp_path):
    prepared = prepare(
        folder_of(
            tmp_path,
            train=[("u", "a", 0), ("u", "b", 1), ("u", "c", 50), ("u", "d", 51)],
            valid=[("u", "e", 52), ("u", "f", 90)],
            test=[("u", "g", 53), ("u", "h", 54), ("u", "i", 91)],
        ),
        EventOptions(visit_gap=10.0),
    )
    sequences, cuts = prepared.sequences, prepared.cuts
    decoded = ["".join(sequences.vocabulary.decode(ids)) for ids in sequences]
    assert decoded == ["ab", "cde", "fgh", "i"]
    assert (cuts.train - sequences.starts).tolist() == [2, 2, 0, 0]
    assert (cuts.validation - sequences.starts).tolist() == [2, 3, 1, 0]


def test_the_parts_hold_the_events_of_their_files(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.integers(20, size=600) for name in ("user", "item", "time")})
    for number, part in enumerate(("train", "train-more", "validation", "test")):
        frame[150 * number : 150 * (number + 1)].write_parquet(tmp_path / f"{part}.parquet")
    split = prepare(tmp_path).card["split"]
    sizes = [split[f"{part}_events"] for part in ("training", "validation", "test")]
    assert sizes == [300, 150, 150]
