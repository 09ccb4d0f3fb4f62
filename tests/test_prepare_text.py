"""From text to sequences: tokenizers, units, parts given by files."""

import json
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.data import drawn_sequences
from farzi.preparing.account import account
from farzi.preparing.folder import load_prepared
from farzi.preparing.options import SplitOptions, TextOptions
from farzi.preparing.prepare import prepare
from farzi.preparing.tokenizing import tokenization

POEM = "the cat sat\non the mat\n\nthe end\n"


def write(tmp_path, text, name="poem.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tokens(prepared):
    decode = prepared.sequences.vocabulary.decode
    return [decode(ids) for ids in prepared.sequences]


def test_words_end_their_lines_with_a_token(tmp_path):
    prepared = prepare(write(tmp_path, POEM), TextOptions("words"))
    end = "<eos>"
    assert tokens(prepared) == [
        ["the", "cat", "sat", end, "on", "the", "mat", end, end, "the", "<unk>", end]
    ]
    assert prepared.card["unknown"] == {"training": 0, "held_out": 1}
    assert "0 events for training and 1 held out are <unk>; raise min_count" in account(prepared)


def test_any_file_may_be_text(tmp_path):
    prepared = prepare(write(tmp_path, POEM, "POEM.md"), TextOptions("characters"))
    assert "".join(tokens(prepared)[0]) == POEM


def test_lines_may_be_sequences(tmp_path):
    options = TextOptions("bytes", unit="line")
    prepared = prepare(
        write(tmp_path, POEM), options, SplitOptions(validation_share=0.3, test_share=0.3)
    )
    assert ["".join(words) for words in tokens(prepared)] == [
        "the<0x20>cat<0x20>sat<0x0A>",
        "on<0x20>the<0x20>mat<0x0A>",
        "the<0x20>end<0x0A>",
    ]
    assert [name.as_py().rpartition(", ")[2] for name in prepared.names] == [
        "line 1",
        "line 2",
        "line 4",
    ]
    assert prepared.card["split"]["how"] == "sequences"
    assert prepared.card["dropped"] == [{"texts": 1, "reason": "empty"}]


def test_characters_and_bytes(tmp_path):
    path = write(tmp_path, "naïve café " * 3)
    characters = prepare(path, TextOptions("characters"))
    assert "".join(tokens(characters)[0]) == "naïve café " * 3
    assert len(characters.sequences.vocabulary) == len(set("naïve café "))
    as_bytes = prepare(path, TextOptions("bytes"))
    assert bytes(as_bytes.sequences[0].astype(np.uint8)).decode() == "naïve café " * 3
    assert len(as_bytes.sequences.vocabulary) == 256


def test_one_text_is_cut_by_position(tmp_path):
    prepared = prepare(
        write(tmp_path, "ab" * 50),
        TextOptions("characters"),
        SplitOptions(validation_share=0.2, test_share=0.1),
    )
    split = prepared.card["split"]
    assert split["how"] == "position"
    sizes = [split[f"{part}_events"] for part in ("training", "validation", "test")]
    assert sizes == [70, 20, 10]


def test_subwords_are_learned_saved_and_used_again(tmp_path):
    path = write(tmp_path, POEM * 50)
    prepared = prepare(path, TextOptions("bpe", bpe_size=270))
    assert len(prepared.sequences.vocabulary) == 270
    prepared.save(tmp_path / "prepared")
    assert load_prepared(tmp_path / "prepared").tokenizer == prepared.tokenizer
    again = prepare(path, TextOptions(str(tmp_path / "prepared" / "tokenizer.json")))
    assert [ids.tolist() for ids in again.sequences] == [ids.tolist() for ids in prepared.sequences]


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_subwords_lose_nothing(text):
    from tokenizers import Tokenizer

    how = tokenization("bpe", [POEM], [], size=260)
    ids = how.encode(text)
    assert Tokenizer.from_str(how.json).decode(ids.tolist(), skip_special_tokens=False) == text


def test_files_named_for_their_parts_are_the_split(tmp_path):
    for name, text in (
        ("p.train.txt", "a b c\nb a c\n"),
        ("p.valid.txt", "a c\n"),
        ("p.test.txt", "b\n"),
    ):
        write(tmp_path, text, name)
    prepared = prepare(tmp_path, TextOptions("words"))
    assert prepared.card["split"]["how"] == "given by the names of the files"
    assert len(prepared.sequences.vocabulary) == 4
    train = [ids for ids in prepared.split.train if len(ids)]
    assert [prepared.sequences.vocabulary.decode(ids) for ids in train] == [
        ["a", "b", "c", "<eos>", "b", "a", "c", "<eos>"]
    ]
    sizes = [prepared.card["split"][f"{part}_events"] for part in ("validation", "test")]
    assert sizes == [3, 2]


def test_nothing_is_learned_from_what_is_held_out(tmp_path):
    for name, text in (("train.txt", "a b a b\n"), ("dev.txt", "a q\n"), ("test.txt", "b q\n")):
        write(tmp_path, text, name)
    learned = prepare(tmp_path, TextOptions("words"))
    assert "q" not in learned.sequences.vocabulary.tokens
    # An alphabet is no knowledge.
    assert "q" in prepare(tmp_path, TextOptions("characters")).sequences.vocabulary.tokens
    write(tmp_path, "a b a b r\n", "train.txt")
    prepared = prepare(tmp_path, TextOptions("words", min_count=2))
    assert "q" not in prepared.sequences.vocabulary.tokens
    unknown = prepared.sequences.vocabulary.tokens.index("<unk>")
    assert [int(np.sum(ids == unknown)) for ids in prepared.sequences] == [1, 1, 1]


@pytest.mark.parametrize("tokenizer", ["words", "bpe"])
@pytest.mark.parametrize("split", ["position", "sequences", None])
def test_a_vocabulary_is_learned_from_training_text(tmp_path, tokenizer, split):
    """Words planted in what is held out, often enough to be learned, are in no token."""
    lines = ["one two three four five six seven eight nine ten"] * 30
    options = TextOptions(tokenizer, unit="whole" if split == "position" else "line")
    path, how = tmp_path / "text.txt", SplitOptions(split=split)
    held_out = range(24, 30)
    if split != "position":
        held_out = np.concatenate(drawn_sequences(30)).tolist()
    for line in held_out:
        lines[line] = "zqzqzq zqzqzq"
    path.write_text("\n".join(lines) + "\n")
    prepared = prepare(path, options, how)
    assert not any("zq" in token for token in prepared.sequences.vocabulary.tokens)
    lines[min(set(range(30)) - set(held_out))] += " zqzqzq zqzqzq"
    path.write_text("\n".join(lines) + "\n")
    assert any("zq" in token for token in prepare(path, options, how).sequences.vocabulary.tokens)


def test_documents_in_a_column(tmp_path):
    documents = pl.DataFrame({"text": ["a b\n", "", "b a\n", "b b\n"], "body": ["x y"] * 4})
    documents.write_ndjson(tmp_path / "documents.jsonl")
    documents.write_parquet(tmp_path / "documents.parquet")
    split = SplitOptions(validation_share=0.3, test_share=0.3)
    for name in ("documents.jsonl", "documents.parquet"):
        prepared = prepare(tmp_path / name, TextOptions("words"), split)
        assert len(prepared.sequences) == 3
        assert prepared.card["dropped"] == [{"texts": 1, "reason": "empty"}]
        assert re.search(r"left out +1 text, empty\n", account(prepared))
    other = prepare(tmp_path / "documents.jsonl", TextOptions("words", field="body"), split)
    assert tokens(other)[0] == ["x", "y", "<eos>"]
    with pytest.raises(ValueError, match=r"no column 'title' .* it has text, body; name it with"):
        prepare(tmp_path / "documents.jsonl", TextOptions("words", field="title"))


def test_a_text_that_every_python_has():
    prepared = prepare("python-reference", TextOptions("characters"))
    assert len(prepared.sequences) > 50
    assert prepared.sequences.events > 300_000


def test_windows_line_ends_and_byte_order_marks_are_no_text(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbfa b\r\nb a\r\n")
    assert tokens(prepare(path, TextOptions("words"))) == [["a", "b", "<eos>", "b", "a", "<eos>"]]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"fine\ncaf\xe9\n", TextOptions("words"), "line 2: byte 9 of the file is no text in UTF"),
        (b"  \n", TextOptions("bytes", unit="line"), "holds no text; name a file that does"),
        (b"aaaa", TextOptions("characters"), "all 4 events are the same"),
        (b"some text", TextOptions("wrds"), "no tokenizer 'wrds'; use characters, bytes, words"),
    ],
)
def test_what_is_no_text(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(write(tmp_path, content), options)


def test_what_is_no_tokenizer(tmp_path):
    path = write(tmp_path, json.dumps({"model": 3}), "tokenizer.json")
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer\.json"):
        prepare(write(tmp_path, POEM), TextOptions(str(path)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": "bpe", "bpe_size": 9}, "bpe_size is 9, but there are 256 bytes"),
        ({"tokenizer": "words", "min_count": 0}, "min_count is 0; use a whole number"),
        ({"tokenizer": "words", "bpe_size": 300}, "bpe_size is set, which is for 'bpe', but"),
        ({"tokenizer": "bytes", "min_count": 2}, "min_count is set, which is for 'words', but"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        TextOptions(**options)
