"""From text to token ids: characters, bytes, words, or a tokenizer of subwords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

UNKNOWN, END = "<unk>", "<eos>"
"""Of words: one that is not in the vocabulary, and the end of a line."""


@dataclass(frozen=True)
class Tokenization:
    """A way to turn text into ids.

    Attributes:
        tokens: what the ids stand for.
        encode: from a text to int32 `[tokens]`; a character or word that it does not know is an
            error, or `UNKNOWN` if there is that token.
        json: of a subword tokenizer, as `tokenizers` writes it.
    """

    tokens: tuple[str, ...]
    encode: Callable[[str], np.ndarray]
    json: str | None = None


def tokenization(
    kind: str, texts: Sequence[str], *, size: int = 8192, min_count: int = 1
) -> Tokenization:
    """A tokenization learned from training text, where it has to be.

    Args:
        kind: "characters", "bytes", "words", "bpe" or the path of a tokenizer.json.
        texts: to learn from.
        size: of the vocabulary of "bpe".
        min_count: rarer words become `UNKNOWN`.

    Raises:
        ValueError: if there is no such kind.
    """
    if kind == "characters":
        return _characters(texts)
    if kind == "bytes":
        return _bytes()
    if kind == "words":
        return _words(texts, min_count)
    if kind == "bpe":
        return _subwords(_train(texts, size))
    if not Path(kind).is_file():
        raise ValueError(
            f"there is no tokenizer {kind!r}; use characters, bytes, words, bpe, or the path of a "
            "tokenizer.json."
        )
    try:
        return _subwords(Tokenizer.from_file(kind))
    except Exception as error:  # `tokenizers` raises no narrower type.
        raise ValueError(f"{kind} is no tokenizer.json ({error}); name another file.") from None


def _characters(texts: Sequence[str]) -> Tokenization:
    known = np.unique(np.concatenate([_code_points(text) for text in texts]))

    def encode(text: str) -> np.ndarray:
        points = _code_points(text)
        ids = np.minimum(np.searchsorted(known, points), len(known) - 1)
        new = np.flatnonzero(known[ids] != points)
        if new.size:
            raise ValueError(
                f"the character {chr(points[new[0]])!r} does not occur in the training text; "
                "use bytes, which know all characters."
            )
        return ids.astype(np.int32)

    return Tokenization(tuple(map(chr, known)), encode)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _bytes() -> Tokenization:
    tokens = tuple(chr(byte) if 32 < byte < 127 else f"<0x{byte:02X}>" for byte in range(256))
    return Tokenization(
        tokens, lambda text: np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    )


def _words(texts: Sequence[str], min_count: int) -> Tokenization:
    counts = Counter[str]()
    for text in texts:
        counts.update(_split(text))
    counts[END] += min_count  # It is no word, and never rare.
    frequent = sorted(word for word, count in counts.items() if count >= min_count)
    rare = len(frequent) < len(counts)
    tokens = tuple(frequent) if UNKNOWN in counts or not rare else (*frequent, UNKNOWN)
    ids = {token: number for number, token in enumerate(tokens)}

    def encode(text: str) -> np.ndarray:
        words = _split(text)
        if UNKNOWN in ids:
            return np.array([ids.get(word, ids[UNKNOWN]) for word in words], np.int32)
        try:
            return np.array([ids[word] for word in words], np.int32)
        except KeyError as error:
            raise ValueError(
                f"the word {error.args[0]!r} does not occur in the training text; raise "
                "min_count, so that rare words and new ones become <unk>."
            ) from None

    return Tokenization(tokens, encode)


def _split(text: str) -> list[str]:
    """Words between white space, and `END` for every end of a line."""
    words: list[str] = []
    if not text:
        return words
    for line in text.split("\n")[: -1 if text.endswith("\n") else None]:
        words += line.split()
        words.append(END)
    return words


def _train(texts: Sequence[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _subwords(tokenizer: Tokenizer) -> Tokenization:
    size = tokenizer.get_vocab_size()
    tokens = tuple(tokenizer.id_to_token(number) or f"<{number}>" for number in range(size))

    def encode(text: str) -> np.ndarray:
        # Special tokens for the ends of a text are for models that read one text at a time.
        return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)

    return Tokenization(tokens, encode, tokenizer.to_str())
