"""Prompts and responses, and messages: only responses are asked for."""

import json

import numpy as np
import pytest

from farzi.data import windows
from farzi.preparing.account import account
from farzi.preparing.folder import load_prepared
from farzi.preparing.options import SplitOptions, TextOptions
from farzi.preparing.prepare import prepare

ASKED = [
    {"prompt": "two and two?", "response": "four"},
    {"prompt": "one and two?", "response": "three"},
    {"prompt": "", "response": "hello"},
    {"prompt": "say nothing", "response": ""},
    {"prompt": "say nothing", "response": None},
]
SPLIT = SplitOptions(validation_share=0.3, test_share=0.3)


def write(tmp_path, rows, name="log.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shown(prepared, i):
    """A sequence as text, what is asked for in capitals."""
    log = prepared.sequences
    asked = log.loss_mask[log.starts[i] : log.ends[i]]
    tokens = log.vocabulary.decode(log[i])
    pairs = zip(tokens, asked, strict=True)
    return "".join(token.upper() if is_asked else token for token, is_asked in pairs)


def test_only_responses_and_their_ends_are_asked_for(tmp_path):
    prepared = prepare(write(tmp_path, ASKED), TextOptions("characters"), SPLIT)
    assert [shown(prepared, i) for i in range(3)] == [
        "<|user|>two and two?<|end|><|assistant|>FOUR<|END|>",
        "<|user|>one and two?<|end|><|assistant|>THREE<|END|>",
        "<|user|><|end|><|assistant|>HELLO<|END|>",
    ]
    assert len(prepared.sequences) == 3
    assert prepared.card["dropped"] == [{"texts": 2, "reason": "without response"}]
    assert prepared.card["asked_for"] == 5 + 6 + 6
    assert "17 of them, in responses" in account(prepared)
    assert "2 texts, without response" in account(prepared)


def test_messages_are_read_up_to_the_last_response(tmp_path):
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "hello"},
                {"role": "user", "content": "Bye"},
                {"role": "assistant", "content": "bye"},
                {"role": "user", "content": "Wait"},
            ]
        },
        {"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "b"}]},
        {"messages": [{"role": "assistant", "content": "c"}]},
        {"messages": [{"role": "user", "content": "nobody answers"}]},
        {"messages": []},
    ]
    prepared = prepare(write(tmp_path, rows), TextOptions("characters"), SPLIT)
    assert [shown(prepared, i) for i in range(3)] == [
        "<|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>HELLO<|END|>"
        "<|user|>Bye<|end|><|assistant|>BYE<|END|>",
        "<|user|>A<|end|><|assistant|>B<|END|>",
        "<|assistant|>C<|END|>",
    ]
    assert prepared.card["dropped"] == [{"texts": 2, "reason": "without response"}]


def test_other_usual_names(tmp_path):
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    messages = prepare(
        write(tmp_path, [{"conversations": turns}] * 4), TextOptions("characters"), SPLIT
    )
    rows = [{"instruction": "a", "output": "b"}] * 4
    columns = prepare(write(tmp_path, rows, "other.jsonl"), TextOptions("characters"), SPLIT)
    assert shown(messages, 0) == shown(columns, 0) == "<|user|>a<|end|><|assistant|>B<|END|>"


@pytest.mark.parametrize("tokenizer", ["bytes", "words", "bpe"])
def test_the_mask_survives_the_folder_and_every_tokenizer(tmp_path, tokenizer):
    prepared = prepare(write(tmp_path, ASKED), TextOptions(tokenizer), SPLIT)
    prepared.save(tmp_path / "prepared")
    loaded = load_prepared(tmp_path / "prepared")
    np.testing.assert_array_equal(loaded.sequences.loss_mask, prepared.sequences.loss_mask)
    end = loaded.sequences.vocabulary.tokens.index("<|end|>")
    asked = loaded.sequences.loss_mask
    # One end of a turn in each conversation is asked for, and comes last.
    assert np.sum(asked & (loaded.sequences.values == end)) == 3
    assert (loaded.sequences.values[loaded.sequences.ends - 1] == end).all()
    rows = windows(loaded.split.train, 40)
    np.testing.assert_array_equal(
        rows.loss_mask(slice(None)).sum() > 0, loaded.split.train.events > 0
    )
    assert loaded.split.train.loss_mask is not None
    if tokenizer == "bpe":
        from tokenizers import Tokenizer

        again = Tokenizer.from_str(loaded.tokenizer)
        assert again.token_to_id("<|end|>") == end
        assert again.get_vocab_size() == len(loaded.sequences.vocabulary)


def test_words_of_two_turns_are_two_words(tmp_path):
    rows = [{"prompt": "a", "response": "b"}] * 4
    prepared = prepare(write(tmp_path, rows), TextOptions("words"), SPLIT)
    assert prepared.sequences.vocabulary.tokens == (
        "<eos>", "a", "b", "<|assistant|>", "<|user|>", "<|end|>",
    )  # fmt: skip
    assert shown(prepared, 0) == "<|user|>a<eos><|end|><|assistant|>B<EOS><|END|>"


def test_a_damaged_mask_is_refused(tmp_path):
    prepared = prepare(write(tmp_path, ASKED), TextOptions("bytes"), SPLIT)
    mask = prepared.sequences.loss_mask
    wrong = np.where(mask, np.int8(2), np.int8(0))
    object.__setattr__(prepared.sequences, "loss_mask", wrong)
    prepared.save(tmp_path / "prepared")
    with pytest.raises(ValueError, match="loss mask holds other numbers than 0 and 1"):
        load_prepared(tmp_path / "prepared")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"messages": [{"role": "user"}]}], None),
        ([{"messages": "Hello"}], r"line 1: 'Hello' is no list of messages"),
        (
            [{"messages": [{"content": "a"}]}],
            r"line 1: .* is no message; write them with a role and a content of text",
        ),
        ([{"prompt": "a", "response": ["b"]}], r"line 1: \"\['b'\]\" is no text; write it as text"),
    ],
)
def test_bad_conversations(tmp_path, rows, message):
    path = write(tmp_path, rows)
    with pytest.raises(ValueError, match=message or "holds no text"):
        prepare(path, TextOptions("bytes"), SPLIT)


def test_conversations_are_not_cut_by_lines(tmp_path):
    with pytest.raises(ValueError, match="holds conversations, which are not cut by lines"):
        prepare(write(tmp_path, ASKED), TextOptions("bytes", unit="line"))


def test_a_named_field_is_plain_text(tmp_path):
    prepared = prepare(write(tmp_path, ASKED), TextOptions("characters", field="prompt"), SPLIT)
    assert prepared.sequences.loss_mask is None
    assert prepared.sequences.vocabulary.decode(prepared.sequences[0])[:3] == list("two")
