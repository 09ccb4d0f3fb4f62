"""What `prepare` writes comes back, stays in its file, and replaces nothing else."""

import json
import os
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from farzi.preparing.folder import CARD, EVENTS, Prepared, load_prepared
from farzi.preparing.options import SplitOptions, TextOptions
from farzi.preparing.prepare import prepare

LOG = pl.DataFrame(
    {
        "user": [str(row % 7) for row in range(90)],
        "item": [f"item {row * row % 11}" for row in range(90)],
        "time": range(90),
    }
)


def contents(prepared: Prepared):
    return (
        [ids.tolist() for ids in prepared.sequences],
        [ids.tolist() for ids in prepared.split.train],
        prepared.split.validation.targets.tolist(),
        prepared.split.test.targets.tolist(),
        prepared.sequences.vocabulary,
        None if prepared.times is None else prepared.times.tolist(),
        prepared.names.to_pylist(),
    )


@pytest.mark.parametrize("log", [LOG, LOG.drop("time")], ids=["times", "no times"])
@pytest.mark.parametrize("how", ["last", "sequences"])
def test_comes_back(tmp_path, log, how):
    prepared = prepare(log, split=SplitOptions(how))
    prepared.save(tmp_path / "prepared")
    loaded = load_prepared(tmp_path / "prepared")
    assert contents(loaded) == contents(prepared)
    assert {key: loaded.card[key] for key in prepared.card} == prepared.card


def test_events_stay_in_the_file(tmp_path):
    prepare(LOG).save(tmp_path / "prepared")
    loaded = load_prepared(tmp_path / "prepared")
    for part in (loaded.sequences, loaded.split.train, loaded.split.test.contexts):
        assert np.shares_memory(part.values, loaded.sequences.values)
    assert not loaded.sequences.values.flags.owndata
    assert not loaded.sequences.values.flags.writeable


def test_the_hash_is_that_of_the_contents(tmp_path):
    hashes = []
    for name, log in (("a", LOG), ("b", LOG), ("c", LOG.reverse())):
        prepare(log).save(tmp_path / name)
        hashes.append(json.loads((tmp_path / name / CARD).read_text())["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_hash_knows_the_tokenizer(tmp_path):
    (tmp_path / "poem.txt").write_text("the end\n" * 50)
    prepared = prepare(tmp_path / "poem.txt", TextOptions("bpe", bpe_size=260))
    hashes = []
    for tokenizer in (prepared.tokenizer, prepared.tokenizer + "\n"):
        replace(prepared, tokenizer=tokenizer).save(tmp_path / "prepared")
        hashes.append(load_prepared(tmp_path / "prepared").card["sha256"])
    assert hashes[0] != hashes[1]


def test_replaces_what_was_prepared_and_nothing_else(tmp_path):
    prepare(LOG).save(tmp_path / "prepared")
    prepare(LOG.drop("time")).save(tmp_path / "prepared")
    assert load_prepared(tmp_path / "prepared").times is None
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("...")
    for place in (other, other / "thesis.tex"):
        with pytest.raises(ValueError, match="name a new folder"):
            prepare(LOG).save(place)
    assert os.listdir(other) == ["thesis.tex"]
    assert sorted(os.listdir(tmp_path)) == ["other", "prepared"]


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    prepare(LOG).save(tmp_path / "prepared")
    before = contents(load_prepared(tmp_path / "prepared"))
    replace, calls = os.replace, []

    def fail_second(*places):
        calls.append(places)
        if len(calls) == 2:
            raise OSError("no space left")
        replace(*places)

    monkeypatch.setattr(os, "replace", fail_second)
    with pytest.raises(OSError, match="no space"):
        prepare(LOG.drop("time")).save(tmp_path / "prepared")
    assert contents(load_prepared(tmp_path / "prepared")) == before
    assert os.listdir(tmp_path) == ["prepared"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / EVENTS).unlink(), "holds no events.arrow; give a folder that"),
        (lambda folder: (folder / EVENTS).write_bytes(b"ARROW1"), "is damaged"),
        (lambda folder: (folder / CARD).write_text("{"), "is damaged"),
        (lambda folder: (folder / CARD).write_text('{"format": 99}'), "format 99, but this farzi"),
        (lambda folder: (folder / "vocabulary.json").write_text('["a"]'), "has 1 tokens"),
        (lambda folder: (folder / "vocabulary.json").write_text("3"), "is damaged"),
    ],
)
def test_a_damaged_folder(tmp_path, damage, message):
    prepare(LOG).save(tmp_path / "prepared")
    damage(tmp_path / "prepared")
    with pytest.raises(ValueError, match=message):
        load_prepared(tmp_path / "prepared")
