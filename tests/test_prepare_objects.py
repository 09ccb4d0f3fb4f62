"""Data sets of Hugging Face and frames of pandas, as the libraries make them."""

import datasets
import numpy as np
import pandas
import polars as pl
import pytest
from small_log import AS_SEQUENCES, FRAME, words

from farzi.preparing.options import EventOptions, SplitOptions, TextOptions
from farzi.preparing.prepare import prepare

LOG = {name: FRAME[name].to_list() for name in FRAME.columns}
NOISE = {"user": ["c"] * 3, "item": ["tea"] * 3, "time": [0, 1, 2]}
PARTS = {
    "train": {"user": ["a", "a", "b"], "item": ["tea", "ale", "tea"], "time": [1, 2, 3]},
    "validation": {"user": ["a", "b"], "item": ["milk", "ale"], "time": [4, 5]},
    "test": {"user": ["b", "a"], "item": ["milk", "tea"], "time": [6, 7]},
}


@pytest.fixture(autouse=True)
def _no_bars():
    datasets.disable_progress_bars()


def dataset():
    return datasets.Dataset.from_dict(LOG)


def both():
    return datasets.Dataset.from_dict({name: NOISE[name] + LOG[name] for name in LOG})


@pytest.mark.parametrize(
    "make",
    [
        dataset,
        lambda: dataset().with_format("numpy", columns=["user"]),
        lambda: both().select(range(3, 8)),
        lambda: both().filter(lambda event: event["user"] != "c"),
        lambda: both().filter(lambda event: event["user"] != "c").shuffle(seed=0),
        lambda: datasets.concatenate_datasets([dataset().select([0, 1]), dataset().skip(2)]),
        lambda: dataset().to_pandas(),
        lambda: dataset().to_pandas().astype({"user": object, "item": "category"}),
        lambda: (
            dataset().to_pandas().assign(time=lambda log: pandas.to_datetime(log.time, unit="s"))
        ),
        lambda: dataset().to_pandas().set_index(pandas.Index(list("xyzvw"))),
        lambda: dataset().data.table,
        FRAME.lazy,
    ],
)
def test_objects_of_other_libraries(make):
    assert words(prepare(make())) == AS_SEQUENCES


def test_a_choice_of_rows_keeps_their_order():
    untimed = dataset().remove_columns("time").select([4, 2, 0, 1, 3])
    assert words(prepare(untimed)) == {"a": ["ale", "tea", "milk"], "b": ["tea", "ale"]}


@pytest.mark.parametrize("shards", [1, 3])
def test_a_saved_data_set(tmp_path, shards):
    choice = both().filter(lambda event: event["user"] != "c")
    choice.save_to_disk(tmp_path / "log", num_shards=shards)
    assert len(list((tmp_path / "log").glob("*.arrow"))) == shards
    assert words(prepare(tmp_path / "log")) == AS_SEQUENCES
    assert words(prepare(datasets.load_from_disk(tmp_path / "log"))) == AS_SEQUENCES


def test_what_is_computed_from_a_saved_data_set_is_no_part_of_it(tmp_path):
    dataset().save_to_disk(tmp_path / "log")
    loaded = datasets.load_from_disk(tmp_path / "log")
    loaded.map(lambda event: event | {"item": "ale"})
    loaded.filter(lambda event: event["user"] != "c")
    assert len(list((tmp_path / "log").glob("cache-*.arrow"))) == 2
    assert words(prepare(tmp_path / "log")) == AS_SEQUENCES


def several(tmp_path):
    return datasets.DatasetDict(
        {name: datasets.Dataset.from_dict(part) for name, part in PARTS.items()}
    )


def several_saved(tmp_path):
    shards = {"train": 2, "validation": 1, "test": 1}
    several(tmp_path).save_to_disk(tmp_path / "log", num_shards=shards)
    return tmp_path / "log"


def several_frames(tmp_path):
    return {name: pl.DataFrame(part) for name, part in PARTS.items()}


@pytest.mark.parametrize("make", [several, several_saved, several_frames])
def test_the_parts_of_several_data_sets_are_the_split(tmp_path, make):
    prepared = prepare(make(tmp_path))
    assert words(prepared) == {"a": ["tea", "ale", "milk", "tea"], "b": ["tea", "ale", "milk"]}
    assert prepared.card["split"]["how"] == "given by the names of the files"
    ends = np.array([prepared.cuts.train, prepared.cuts.validation]) - prepared.sequences.starts
    parts = dict(zip(prepared.names.to_pylist(), ends.T.tolist(), strict=True))
    assert parts == {"a": [2, 3], "b": [1, 2]}
    last = prepare(make(tmp_path), split=SplitOptions("last"))
    assert last.card["split"]["training_events"] == 3


def test_a_place_in_an_object_is_named(tmp_path):
    parts = several(tmp_path)
    parts["test"] = datasets.Dataset.from_dict(PARTS["test"] | {"item": ["milk", None]})
    with pytest.raises(ValueError, match="DatasetDict, 'test', row 2, column 'item': there is no"):
        prepare(parts)
    with pytest.raises(ValueError, match="this pandas DataFrame, row 1, column 'item': 'tea' is"):
        prepare(dataset().to_pandas(), EventOptions(item="item", bins=2))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "this builtins int is no table; give a path"),
        ({}, "this builtins dict is no table"),
        (LOG, "this builtins dict, 'user' is no table"),
    ],
)
def test_what_is_no_table(source, message):
    with pytest.raises(ValueError, match=message):
        prepare(source)


TEXTS = {"train": ["a b\n", "b a b\n", ""], "validation": ["a a\n"], "test": ["b b\n", "a b\n"]}


def texts_of(prepared):
    decode = prepared.sequences.vocabulary.decode
    return [" ".join(decode(ids)) for ids in prepared.sequences]


@pytest.mark.parametrize(
    "make",
    [
        datasets.Dataset.from_dict,
        lambda columns: datasets.Dataset.from_dict(columns).select(range(4)),
        lambda columns: datasets.Dataset.from_dict(columns).to_pandas(),
        pl.DataFrame,
    ],
)
def test_texts_of_an_object(make):
    columns = {"text": ["a b\n", "b a\n", "", "c\n"], "body": ["b a\n"] * 4}
    split = SplitOptions("sequences", validation_share=0.3, test_share=0.3)
    prepared = prepare(make(columns), TextOptions("characters"), split)
    assert texts_of(prepared) == ["a   b \n", "b   a \n", "c \n"]
    assert prepared.card["dropped"] == [{"texts": 1, "reason": "empty"}]
    assert prepared.names[2].as_py().endswith(", row 4")
    named = prepare(make(columns), TextOptions("words", field="body"), split)
    assert texts_of(named) == ["b a <eos>"] * 4


def test_texts_of_several_data_sets(tmp_path):
    parts = {name: datasets.Dataset.from_dict({"text": texts}) for name, texts in TEXTS.items()}
    several = datasets.DatasetDict(parts)
    several.save_to_disk(tmp_path / "texts")
    for source in (several, tmp_path / "texts"):
        prepared = prepare(source, TextOptions("words"))
        split = prepared.card["split"]
        assert split["how"] == "given by the names of the files"
        assert [split[f"{part}_events"] for part in ("training", "validation", "test")] == [7, 3, 6]
        assert prepared.card["dropped"] == [{"texts": 1, "reason": "empty"}]
