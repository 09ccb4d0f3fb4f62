"""Distilled data as a folder of files that any program can read."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float

from farzi.data import Vocabulary
from farzi.distilled import Dense, Distilled, Factored, OwnLabels, Soft, Tucker
from farzi.files import write_atomically
from farzi.models import Tokens
from farzi.training import LearnerRecipe

FORMAT = 3
"""Version of the folder; a loader refuses later ones."""
_READ = (1, 2, 3)  # The first had no `inputs` and no int8, the second only `Factored`.

Numbers = Literal["int8", "float16"]
"""How latents and decoder are stored."""

TENSORS = "distilled.safetensors"
VOCABULARY = "vocabulary.json"
METRICS = "metrics.json"


@dataclass(frozen=True, eq=False)
class DistilledData:
    """Synthetic sequences, the tokens that they are about, and how to train on them.

    On disk a folder: `distilled.safetensors` holds `latents` (float16, `[sequences, time, rank]`)
    and `decoder` (float16, `[rank, vocab]`), whose product divided by the temperature gives the
    logits of the tokens in `vocabulary.json`; and `loss_mask` (bool, `[sequences, time]`) where
    learners are not asked for every place. Labels of their own have no latents for the first token
    of a sequence, and `inputs` (`[sequences, time]`), the ids that are read. As int8, latents and
    decoder are to be multiplied with `latents_scale` and `decoder_scale` (float32, `[rank]`). Dense
    data have `logits` instead (`[sequences, time, vocab]`, a scale for each token), and Tucker's
    `core`, `sequence_factors` and `time_factors` instead of latents.
    Temperature and training stand in the file's metadata, as JSON under the key `farzi`.

    Attributes:
        factors: the synthetic sequences.
        vocabulary: their tokens.
        learner: how learners are trained on them.
        numbers: type in which latents and decoder are stored.
    """

    factors: Distilled
    vocabulary: Vocabulary
    learner: LearnerRecipe
    numbers: Numbers = "float16"

    def __post_init__(self) -> None:
        if self.factors.vocabulary != len(self.vocabulary):
            raise ValueError(
                f"the decoder is for {self.factors.vocabulary} tokens but the vocabulary has "
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
        """Write the folder; a file is replaced at once or not at all. Numbers are rounded."""
        folder = Path(folder)
        tensors = self.stored()
        write_atomically(folder / VOCABULARY, self.vocabulary.json().encode())
        write_atomically(folder / TENSORS, tensors)

    def stored(self) -> bytes:
        """The content of `distilled.safetensors`.

        Raises:
            ValueError: if float16 cannot hold a number.
        """
        soft, arrays = self.soft, dict[str, np.ndarray]()
        for name, axis in _COMPONENTS[type(soft)].items():
            arrays |= _rounded(name, np.asarray(getattr(soft, name)), axis, self.numbers)
        if isinstance(self.factors, OwnLabels):
            smallest = np.min_scalar_type(len(self.vocabulary) - 1)
            arrays["inputs"] = np.asarray(self.factors.inputs).astype(smallest)
        if soft.loss_mask is not None:
            arrays["loss_mask"] = np.asarray(soft.loss_mask)
        # One entry, because safetensors writes several in random order.
        about = {
            "format": FORMAT,
            "temperature": soft.temperature,
            "learner": asdict(self.learner),
        }
        return safetensors.numpy.save(arrays, {"farzi": json.dumps(about)})

    @property
    def soft(self) -> Soft:
        """The distributions: all of it, or the labels."""
        return self.factors.labels if isinstance(self.factors, OwnLabels) else self.factors

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
    if not isinstance(about, dict) or about.get("format") not in _READ:
        found = about.get("format") if isinstance(about, dict) else about
        raise ValueError(
            f"{folder / TENSORS} has format {found!r}, but this farzi reads formats up to "
            f"{FORMAT}; use the farzi that wrote it, or a later one."
        )
    _check(folder, arrays, len(vocabulary))
    kind = _kind(arrays)
    parts = {name: _restored(name, arrays, axis) for name, axis in _COMPONENTS[kind].items()}
    temperature = _positive(folder, about, "temperature")
    mask = jnp.asarray(arrays["loss_mask"]) if "loss_mask" in arrays else None
    factors: Distilled
    if kind is Dense:
        factors = Dense(parts["logits"], mask)
    elif kind is Tucker:
        factors = Tucker(**parts, loss_mask=mask)
    else:
        factors = Factored(parts["latents"], parts["decoder"], temperature, mask)
    if "inputs" in arrays:
        factors = OwnLabels(jnp.asarray(arrays["inputs"], jnp.int32), factors)
    numbers: Numbers = (
        "int8" if arrays[next(iter(_COMPONENTS[kind]))].dtype == np.int8 else "float16"
    )
    learner = about.get("learner")
    stated = learner if isinstance(learner, dict) else {}
    made_for = {
        field.name: _positive(folder, stated, field.name)
        for field in fields(LearnerRecipe)
        if field.name != "name"
    }
    name = stated.get("name", "adam")  # Earlier folders name none.
    if name not in ("adam", "sgd"):
        raise ValueError(
            f"{folder / TENSORS} states the optimiser {name!r}, which is neither adam nor sgd; "
            "save or copy it again."
        )
    made_for |= {name: int(made_for[name]) for name in ("steps", "batch_size")}
    return DistilledData(factors, vocabulary, LearnerRecipe(**made_for, name=name), numbers)


def _rounded(name: str, array: np.ndarray, axis: int, numbers: Numbers) -> dict[str, np.ndarray]:
    """An array as it is stored; as int8 with one scale for each component on this axis."""
    if not (np.abs(array) <= np.finfo(np.float16).max).all():
        raise ValueError(
            f"the {name} hold numbers beyond 65504 or not finite, which cannot be stored; distil "
            "again with a smaller outer_rate."
        )
    if numbers == "float16":
        return {name: array.astype(np.float16)}
    moved = np.moveaxis(array, axis, -1)
    largest = np.abs(moved).reshape(-1, moved.shape[-1]).max(axis=0)
    scale = np.where(largest > 0, largest / _LARGEST_INT8, 1).astype(np.float32)
    whole = np.moveaxis(np.rint(moved / scale), -1, axis)
    return {name: whole.astype(np.int8), f"{name}_scale": scale}


def _restored(name: str, arrays: dict[str, np.ndarray], axis: int) -> Float[Array, ...]:
    """What `_rounded` stored, as float32."""
    array = arrays[name].astype(np.float32)
    if f"{name}_scale" in arrays:
        array = np.moveaxis(np.moveaxis(array, axis, -1) * arrays[f"{name}_scale"], -1, axis)
    return jnp.asarray(array)


_LARGEST_INT8 = 127


def _positive(folder: Path, about: dict[str, Any], name: str) -> Any:
    stated = about.get(name)
    if not isinstance(stated, int | float) or not 0 < stated < math.inf:
        raise ValueError(
            f"{folder / TENSORS} states the {name} {stated!r}, which is no positive number; "
            "save or copy it again."
        )
    return stated


_COMPONENTS: dict[type[Soft], dict[str, int]] = {
    Factored: {"latents": -1, "decoder": 0},
    Dense: {"logits": -1},
    Tucker: {"core": -1, "sequence_factors": -1, "time_factors": -1, "decoder": 0},
}
"""The tensors of each parametrisation, and the axis of each whose components share a scale."""


def _kind(arrays: dict[str, np.ndarray]) -> type[Soft]:
    """The parametrisation that the names of the tensors tell of."""
    return Dense if "logits" in arrays else Tucker if "core" in arrays else Factored


def _places(arrays: dict[str, np.ndarray], tokens: int) -> tuple[int, int] | None:
    """Sequences and places, if the shapes fit each other and the tokens."""
    parts = [arrays.get(name) for name in _COMPONENTS[_kind(arrays)]]
    match [() if part is None else part.shape for part in parts]:
        case [(int(sequences), int(time), int(rank)), (int(inner), int(size))]:
            return (sequences, time) if (inner, size) == (rank, tokens) else None
        case [(int(sequences), int(time), int(size))]:
            return (sequences, time) if size == tokens else None
        case [(a, b, rank), (sequences, int(one)), (time, int(other)), (int(inner), int(size))]:
            fits = (one, other, inner, size) == (a, b, rank, tokens)
            return (sequences, time) if fits else None
        case _:
            return None


def _check(folder: Path, arrays: dict[str, np.ndarray], tokens: int) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    latents = _places(arrays, tokens)
    if latents is None:
        raise ValueError(
            f"{folder / TENSORS} has shapes {shapes}, which do not fit each other and "
            f"{tokens} tokens; save or copy it again."
        )
    components = _COMPONENTS[_kind(arrays)]
    kinds = [arrays[name].dtype for name in components]
    if len(set(kinds)) > 1 or kinds[0] not in (np.int8, np.float16):
        raise ValueError(
            f"{folder / TENSORS} holds numbers of {' and '.join(map(str, kinds))}, where int8 or "
            "float16 is needed; save or copy it again."
        )
    for name, axis in components.items():
        wanted = (shapes[name][axis],) if kinds[0] == np.int8 else None
        if shapes.get(f"{name}_scale") != wanted:
            raise ValueError(
                f"{folder / TENSORS} has a {name}_scale of shape {shapes.get(f'{name}_scale')}, "
                f"where {wanted} is needed; save or copy it again."
            )
    inputs = arrays.get("inputs")
    if inputs is not None and (
        inputs.shape != (latents[0], latents[1] + 1)
        or not np.issubdtype(inputs.dtype, np.integer)
        or not ((inputs >= 0) & (inputs < tokens)).all()
    ):
        raise ValueError(
            f"{folder / TENSORS} has inputs of {inputs.dtype} {inputs.shape}, where ids of "
            f"{tokens} tokens {(latents[0], latents[1] + 1)} are needed; save or copy it again."
        )
    mask = arrays.get("loss_mask")
    if mask is not None and (mask.dtype != bool or mask.shape != latents):
        raise ValueError(
            f"{folder / TENSORS} has a loss mask of {mask.dtype} {mask.shape}, where bool "
            f"{latents} is needed; save or copy it again."
        )
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(
            f"{folder / TENSORS} holds numbers that are not finite; save or copy it again."
        )
