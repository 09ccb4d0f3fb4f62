import numpy as np
import pytest

from farzi.data import Vocabulary

VOCABULARY = Vocabulary(("tea", "milk", "sugar"))


def test_ids_are_places():
    ids = VOCABULARY.encode(["sugar", "tea", "sugar"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [2, 0, 2]
    assert len(VOCABULARY) == 3


def test_decoding_undoes_encoding_and_drops_padding():
    tokens = ["milk", "milk", "tea"]
    padded = np.concatenate([VOCABULARY.encode(tokens), [-1, -1]])
    assert VOCABULARY.decode(padded) == tokens


def test_nothing_encodes_to_nothing():
    assert VOCABULARY.encode([]).shape == (0,)
    assert VOCABULARY.encode([]).dtype == np.int32


def test_a_token_given_twice_is_named():
    with pytest.raises(ValueError, match=r"'milk' twice; give each token once"):
        Vocabulary(("tea", "milk", "sugar", "milk"))


def test_an_unknown_token_is_named():
    with pytest.raises(ValueError, match="no token 'coffee'; leave it out"):
        VOCABULARY.encode(["tea", "coffee"])


def test_equal_tokens_make_equal_vocabularies():
    assert Vocabulary(("tea", "milk", "sugar")) == VOCABULARY
    assert Vocabulary(("milk", "tea", "sugar")) != VOCABULARY
