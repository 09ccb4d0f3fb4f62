"""From text to token ids: characters, bytes, words, or a tokenizer of subwords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
        encode: from a text to int32 `[tokens]`; a word that it does not know becomes `UNKNOWN`.
        json: of a subword tokenizer, as `tokenizers` writes it.
    """

    tokens: tuple[str, ...]
    encode: Callable[[str], np.ndarray]
    json: str | None = None

    def id(self, token: str) -> int:
        """Of one of the tokens."""
        return self.tokens.index(token)


def tokenization(
    kind: str,
    learned_from: Sequence[str],
    texts: Sequence[str],
    *,
    size: int = 8192,
    min_count: int = 1,
    special: Sequence[str] = (),
) -> Tokenization:
    """A tokenization for texts, learned from those among them that it may know.

    Args:
        kind: "characters", "bytes", "words", "bpe" or the path of a tokenizer.json.
        learned_from: for "words" and "bpe".
        texts: all that it will be asked to encode; an alphabet has all their characters.
        size: of the vocabulary of "bpe".
        min_count: rarer words become `UNKNOWN`.
        special: tokens that no text becomes; they stand last, but where a tokenizer has them.

    Raises:
        ValueError: if there is no such kind.
    """
    plain = {
        "characters": lambda: _characters(texts),
        "bytes": _bytes,
        "words": lambda: _words(learned_from, texts, min_count),
    }
    if kind in plain:
        made = plain[kind]()
        return replace(made, tokens=(*made.tokens, *special))
    if kind == "bpe":
        return _subwords(_train(learned_from, size), special)
    if not Path(kind).is_file():
        raise ValueError(
            f"there is no tokenizer {kind!r}; use characters, bytes, words, bpe, or the path of a "
            "tokenizer.json."
        )
    try:
        return _subwords(Tokenizer.from_file(kind), special)
    except Exception as error:  # `tokenizers` raises no narrower type.
        raise ValueError(f"{kind} is no tokenizer.json ({error}); name another file.") from None


def _characters(texts: Sequence[str]) -> Tokenization:
    known = np.unique(np.concatenate([_code_points(text) for text in texts]))
    return Tokenization(
        tuple(map(chr, known)),
        lambda text: np.searchsorted(known, _code_points(text)).astype(np.int32),
    )


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _bytes() -> Tokenization:
    tokens = tuple(chr(byte) if 32 < byte < 127 else f"<0x{byte:02X}>" for byte in range(256))
    return Tokenization(
        tokens, lambda text: np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    )


def _words(learned_from: Sequence[str], texts: Sequence[str], min_count: int) -> Tokenization:
    counts = Counter[str]()
    for text in learned_from:
        counts.update(_split(text))
    counts[END] += min_count  # It is no word, and never rare.
    known = {word for word, count in counts.items() if count >= min_count}
    if any(word not in known for text in texts for word in _split(text)):
        known.add(UNKNOWN)
    tokens = tuple(sorted(known))
    ids = {token: number for number, token in enumerate(tokens)}
    unknown = ids.get(UNKNOWN, -1)
    return Tokenization(
        tokens,
        lambda text: np.array([ids.get(word, unknown) for word in _split(text)], np.int32),
    )


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


def _subwords(tokenizer: Tokenizer, special: Sequence[str]) -> Tokenization:
    tokenizer.add_special_tokens(list(special))
    size = tokenizer.get_vocab_size()
    tokens = tuple(tokenizer.id_to_token(number) or f"<{number}>" for number in range(size))

    def encode(text: str) -> np.ndarray:
        # Special tokens for the ends of a text are for models that read one text at a time.
        return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)

    return Tokenization(tokens, encode, tokenizer.to_str())
