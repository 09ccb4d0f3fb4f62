"""Distilled data as a folder of files that any program can read."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float

from farzi.data import Vocabulary
from farzi.distilled import Factored
from farzi.files import write_atomically
from farzi.models import Tokens
from farzi.training import LearnerRecipe

FORMAT = 1
"""Version of the folder; a loader refuses later ones."""

TENSORS = "distilled.safetensors"
VOCABULARY = "vocabulary.json"
METRICS = "metrics.json"


@dataclass(frozen=True, eq=False)
class DistilledData:
    """Synthetic sequences, the tokens that they are about, and how to train on them.

    On disk a folder: `distilled.safetensors` holds `latents` (float16, `[sequences, time, rank]`)
    and `decoder` (float16, `[rank, vocab]`), whose product divided by the temperature gives the
    logits of the tokens in `vocabulary.json`; and `loss_mask` (bool, `[sequences, time]`) where
    learners are not asked for every place. Temperature and training stand in the file's metadata,
    as JSON under the key `farzi`.
    """

    factors: Factored
    vocabulary: Vocabulary
    learner: LearnerRecipe

    def __post_init__(self) -> None:
        if self.factors.decoder.shape[1] != len(self.vocabulary):
            raise ValueError(
                f"the decoder is for {self.factors.decoder.shape[1]} tokens but the vocabulary has "
                f"{len(self.vocabulary)}; give the vocabulary that the data were distilled with."
            )

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Raise unless the data are about these tokens.

        Raises:
            ValueError: then.
        """
        if self.vocabulary.tokens != vocabulary.tokens:
            raise ValueError(
                f"the distilled data are about {len(self.vocabulary)} tokens and the real ones "
                f"about {len(vocabulary)}, which are not the same; give data distilled from these."
            )

    def probabilities(self) -> Float[Array, "sequences time vocab"]:
        """A distribution over tokens at each place of each sequence."""
        return self.factors.probabilities()

    def tokens(self) -> Tokens:
        """What learners train on: the probabilities, their loss mask if there is one, or latents.

        See `farzi.distilled.Factored.tokens`.
        """
        return self.factors.tokens()

    def save(self, folder: Path | str) -> None:
        """Write the folder; a file is replaced at once or not at all. Numbers become float16."""
        folder = Path(folder)
        tensors = self.stored()
        write_atomically(folder / VOCABULARY, self.vocabulary.json().encode())
        write_atomically(folder / TENSORS, tensors)

    def stored(self) -> bytes:
        """The content of `distilled.safetensors`.

        Raises:
            ValueError: if float16 cannot hold a number.
        """
        with np.errstate(over="ignore"):
            arrays = {
                "latents": np.asarray(self.factors.latents).astype(np.float16),
                "decoder": np.asarray(self.factors.decoder).astype(np.float16),
            }
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"the {name} hold numbers that float16 cannot (beyond 65504 or not finite); "
                    "distil again with a smaller outer_rate."
                )
        if self.factors.loss_mask is not None:
            arrays["loss_mask"] = np.asarray(self.factors.loss_mask)
        # One entry, because safetensors writes several in random order.
        about = {
            "format": FORMAT,
            "temperature": self.factors.temperature,
            "learner": asdict(self.learner),
        }
        return safetensors.numpy.save(arrays, {"farzi": json.dumps(about)})

    @property
    def bytes(self) -> int:
        """Size of the stored latents and decoder."""
        return len(self.stored())


def load(folder: Path | str) -> DistilledData:
    """Read a folder that `DistilledData.save` wrote.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is not what it should be.
    """
    folder = Path(folder)
    for name in (TENSORS, VOCABULARY):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {name}; give a folder that farzi saved distilled data in."
            )
    try:
        vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_bytes())
        with safetensors.safe_open(folder / TENSORS, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("farzi", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (ValueError, safetensors.SafetensorError) as error:
        cause = str(error).rstrip(".")
        raise ValueError(f"{folder} is damaged ({cause}); save or copy it again.") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else about
        raise ValueError(
            f"{folder / TENSORS} has format {found!r}, but this farzi reads format "
            f"{FORMAT}; use the farzi that wrote it, or a later one."
        )
    _check(folder, arrays, len(vocabulary))
    factors = Factored(
        jnp.asarray(arrays["latents"], jnp.float32),
        jnp.asarray(arrays["decoder"], jnp.float32),
        temperature=_positive(folder, about, "temperature"),
        loss_mask=jnp.asarray(arrays["loss_mask"]) if "loss_mask" in arrays else None,
    )
    learner = about.get("learner")
    numbers = learner if isinstance(learner, dict) else {}
    made_for = {
        field.name: _positive(folder, numbers, field.name) for field in fields(LearnerRecipe)
    }
    made_for |= {name: int(made_for[name]) for name in ("steps", "batch_size")}
    return DistilledData(factors, vocabulary, LearnerRecipe(**made_for))


def _positive(folder: Path, about: dict[str, Any], name: str) -> Any:
    stated = about.get(name)
    if not isinstance(stated, int | float) or not 0 < stated < math.inf:
        raise ValueError(
            f"{folder / TENSORS} states the {name} {stated!r}, which is no positive number; "
            "save or copy it again."
        )
    return stated


def _check(folder: Path, arrays: dict[str, np.ndarray], tokens: int) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    latents, decoder = shapes.get("latents", ()), shapes.get("decoder", ())
    if len(latents) != 3 or decoder != (latents[2], tokens):
        raise ValueError(
            f"{folder / TENSORS} has shapes {shapes}, which do not fit each other and "
            f"{tokens} tokens; save or copy it again."
        )
    mask = arrays.get("loss_mask")
    if mask is not None and (mask.dtype != bool or mask.shape != latents[:2]):
        raise ValueError(
            f"{folder / TENSORS} has a loss mask of {mask.dtype} {mask.shape}, where bool "
            f"{latents[:2]} is needed; save or copy it again."
        )
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(
            f"{folder / TENSORS} holds numbers that are not finite; save or copy it again."
        )
