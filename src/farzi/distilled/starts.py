"""What distilled data are before the first outer step."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from farzi.distilled.dense import Dense
from farzi.distilled.factored import Factored
from farzi.distilled.own_labels import OwnLabels
from farzi.distilled.tucker import Tucker
from farzi.models import Learner, hidden_states


def from_noise(
    sequences: int, time: int, vocabulary: int, *, rank: int, key: PRNGKeyArray
) -> Factored:
    """Start from normally distributed latents and decoder: nearly even distributions."""
    latents, decoder = jax.random.split(key)
    return Factored(
        jax.random.normal(latents, (sequences, time, rank)),
        jax.random.normal(decoder, (rank, vocabulary)) / np.sqrt(rank),
    )


def from_real(
    tokens: Int[np.ndarray, "sequences time"],
    embedding: Float[Array, "vocab width"],
    *,
    rank: int,
    confidence: float = 0.7,
    loss_mask: Bool[np.ndarray, "sequences time"] | None = None,
) -> Factored:
    """Start from real sequences, seen through the embeddings of a learner trained on all data.

    The decoder is the leading `rank` principal components of the (length-normalised) embeddings,
    the latents are the projections of the real tokens onto them, and both are scaled so that a
    real token keeps a mean probability of `confidence` at its own place.

    Args:
        tokens: real sequences without padding.
        embedding: table of a trained learner.
        rank: size of a latent, at most the width of the embedding.
        confidence: between 0 and 1.
        loss_mask: of the real sequences.

    Raises:
        ValueError: if a size or value does not fit.
    """
    vocabulary, width = embedding.shape
    check_rank(rank, width, vocabulary)
    if (tokens < 0).any():
        raise ValueError("a starting sequence holds padding; start from full windows only.")
    if not 1 / vocabulary < confidence < 1:
        raise ValueError(
            f"confidence is {confidence}, but must lie between chance (1 / {vocabulary}) and 1."
        )
    table = np.asarray(embedding, np.float64)
    table = table / np.linalg.norm(table, axis=1, keepdims=True)
    _, _, directions = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    projected = table @ directions[:rank].T
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    scale = _scale_for(projected[tokens.reshape(-1)], projected, confidence)
    factor = np.sqrt(scale)
    return Factored(
        jnp.asarray(factor * projected[tokens], jnp.float32),
        jnp.asarray(factor * projected.T, jnp.float32),
        loss_mask=None if loss_mask is None else jnp.asarray(loss_mask),
    )


def from_teacher(
    tokens: Int[np.ndarray, "sequences time"],
    teacher: Learner,
    *,
    rank: int,
    loss_mask: Bool[np.ndarray, "sequences time"] | None = None,
) -> OwnLabels:
    """Start from real sequences with labels: what a learner trained on all data expects next.

    Its scores, hidden states times embeddings, are replaced by the nearest ones of a lower rank.
    "Nearest" weighs a token with the mean probability that it is given (the root of it, in the
    scores), so that what is likely is kept, and up to a constant at each place, which no
    distribution sees.

    Args:
        tokens: real sequences without padding.
        teacher: a trained learner.
        rank: numbers stored for each label, at most the learner's width.
        loss_mask: of the real sequences.

    Raises:
        ValueError: if a size does not fit.
    """
    vocabulary, width = teacher.embedding.shape
    check_rank(rank, width, vocabulary)
    if (tokens < 0).any():
        raise ValueError("a starting sequence holds padding; start from full windows only.")
    ids = jnp.asarray(tokens, jnp.int32)
    hidden, likely = _expectations(teacher, ids[:, :-1])
    hidden, likely = np.asarray(hidden, np.float64), np.asarray(likely, np.float64)
    table = np.asarray(teacher.embedding, np.float64)
    weight = np.sqrt(likely)[:, None]
    centred = (table - likely @ table) * weight
    # The decomposition of (places x width) @ (width x vocabulary), without that product.
    left, right = np.linalg.qr(hidden.reshape(-1, width)), np.linalg.qr(centred)
    rotate, sizes, back = np.linalg.svd(left.R @ right.R.T)
    roots = np.sqrt(sizes[:rank])
    latents = left.Q @ rotate[:, :rank] * roots
    decoder = (right.Q @ back[:rank].T * roots / weight).T
    # Adam moves every number at one rate, so both are given the same size.
    balance = np.sqrt(np.abs(latents).mean() / np.abs(decoder).mean())
    labels = Factored(
        jnp.asarray(latents.reshape(*hidden.shape[:2], rank) / balance, jnp.float32),
        jnp.asarray(decoder * balance, jnp.float32),
        loss_mask=None if loss_mask is None else jnp.asarray(loss_mask[:, 1:]),
    )
    return OwnLabels(ids, labels)


@eqx.filter_jit
def _expectations(
    teacher: Learner, ids: Int[Array, "sequences places"]
) -> tuple[Float[Array, "sequences places width"], Float[Array, " vocab"]]:
    """Hidden states, and the mean probability of each token, one sequence at a time."""

    def one(row: Int[Array, " places"]) -> tuple[Array, Array]:
        hidden = hidden_states(teacher, row[None])[0]
        return hidden, jnp.mean(jax.nn.softmax(hidden @ teacher.embedding.T), axis=0)

    hidden, likely = jax.lax.map(one, ids)
    return hidden, jnp.mean(likely, axis=0)


def reparametrised(
    start: Factored | OwnLabels,
    parametrisation: Literal["factored", "tucker", "dense"],
    *,
    sequence_rank: int | None = None,
    time_rank: int | None = None,
) -> Factored | Dense | Tucker | OwnLabels:
    """The same start, or the nearest to it, in another parametrisation.

    Args:
        start: factored.
        parametrisation: the other one.
        sequence_rank: of Tucker's.
        time_rank: of Tucker's.

    Raises:
        ValueError: if Tucker's ranks are not given, or higher than there are sequences or places.
    """
    soft = start.labels if isinstance(start, OwnLabels) else start
    if not isinstance(soft, Factored):
        raise ValueError("the labels are not factored; give those that a start is made with.")
    match parametrisation:
        case "factored":
            other = soft
        case "dense":
            other = Dense.of(soft)
        case "tucker":
            if sequence_rank is None or time_rank is None:
                raise ValueError("Tucker's factors need sequence_rank and time_rank; give both.")
            other = Tucker.of(soft, sequence_rank, time_rank)
    return OwnLabels(start.inputs, other) if isinstance(start, OwnLabels) else other


def check_rank(rank: int, width: int, vocabulary: int) -> None:
    """Raise unless latents of that rank can be taken from such a table of embeddings.

    Raises:
        ValueError: then.
    """
    if rank > min(width, vocabulary):
        raise ValueError(
            f"the rank is {rank} but the learner's embeddings span only {min(width, vocabulary)} "
            "dimensions; use a smaller rank."
        )


def _scale_for(rows: np.ndarray, table: np.ndarray, confidence: float) -> float:
    """The factor on `rows @ table.T` that gives a row's own token that probability on average."""
    similarity = rows @ table.T
    own = np.sum(rows * rows, axis=1, keepdims=True)
    low, high = 0.0, 1e4

    def reached(scale: float) -> float:
        return float(np.mean(1 / np.exp(scale * (similarity - own)).sum(axis=1)))

    if reached(high) < confidence:
        raise ValueError(
            f"latents of rank {table.shape[1]} cannot tell the tokens apart well enough for a "
            f"confidence of {confidence}; use a higher rank or a lower confidence."
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < confidence else (low, middle)
    return high
