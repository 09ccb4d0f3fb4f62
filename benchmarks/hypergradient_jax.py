"""Measures one candidate written in JAX; `hypergradient.py` runs this file, a process a job."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from hypergradient_jobs import REFERENCE, Job
from hypergradient_measure import Reference, measure
from hypergradient_model import inner_loss, outer_loss
from hypergradient_naive import FloatReversal, checkpointed_scan, training
from hypergradient_problem import B1, B2, EPS, SIZES, make_problem

import farzi
from farzi.hypergradients import Adjoint, Unrolled

ADJOINTS: dict[str, Callable[[], Adjoint]] = {
    "unrolled": lambda: Unrolled(),
    "store-states": lambda: farzi.StoreStates(),
    "checkpointed": lambda: farzi.Checkpointed(),
    "checkpointed-3": lambda: farzi.Checkpointed(levels=3),
    "checkpointed-4": lambda: farzi.Checkpointed(levels=4),
    "reversible": lambda: farzi.Reversible(),
    "paper-adam": lambda: farzi.PaperAdam(),
    "float32-reversal": lambda: FloatReversal(),
}
REFERENCES = ("unrolled", "store-states", "checkpointed")
"""The first of them that fits is the reference. In float64 they agree, as the records show."""


def main(job: Job, limit: int, path: Path) -> dict[str, Any]:
    """What is measured of the job.

    Args:
        job: what to do.
        limit: bytes that the compiler may ask for; nothing that needs more is run.
        path: the reference: written by the job that makes it, read by the others.
    """
    problem = make_problem(SIZES[job.size])
    dtype = np.dtype(job.precision)
    weights = {name: jnp.asarray(weight, dtype) for name, weight in problem.weights.items()}
    data, hard = jnp.asarray(problem.data, dtype), jnp.asarray(problem.batch, jnp.int32)
    arguments = (weights, data, hard)
    about: dict[str, Any] = {"parameters": problem.parameters}
    about |= {"device": jax.devices()[0].device_kind, "platform": jax.default_backend()}

    if job.candidate == REFERENCE:
        return about | make_reference(job, arguments, limit, path)

    began = time.perf_counter()
    program = jax.jit(function(job.candidate, job)).lower(*arguments).compile()
    about |= {"compile_seconds": time.perf_counter() - began, "compiler": needed(program)}
    if about["compiler"]["bytes"] > limit:
        return about | {"status": "does not fit"}

    optimizer = optax.adam(SIZES[job.size].rate, B1, B2, EPS, job.eps_root)
    train = jax.jit(training(optimizer, job.steps)).lower(weights, data).compile()
    return about | measure(
        job,
        lambda: jax.block_until_ready(program(*arguments)),
        lambda outcome: (float(outcome[0]), np.asarray(outcome[1])),
        lambda: jax.block_until_ready(train(weights, data)),
        Reference.load(path),
        device_peak,
    )


def function(candidate: str, job: Job) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """`(weights, data, hard tokens) -> (outer loss, hypergradient)` for a candidate."""
    settings = SIZES[job.size].rate, B1, B2, EPS, job.eps_root
    if candidate == "jax-checkpoint":
        return checkpointed_scan(optax.adam(*settings), job.steps)
    differentiate = farzi.hypergradient(
        inner_loss, outer_loss, farzi.adam(*settings), job.steps, ADJOINTS[candidate]()
    )
    return lambda *arguments: differentiate(*arguments)[:2]


def make_reference(job: Job, arguments: tuple, limit: int, path: Path) -> dict[str, Any]:
    """Leaves at `path` the derivative in float64, by the plainest way that fits."""
    for candidate in REFERENCES:
        program = jax.jit(function(candidate, job)).lower(*arguments).compile()
        if needed(program)["bytes"] > limit:
            continue
        weights, data, _ = arguments
        loss, gradient = program(*arguments)
        first_loss, first = jax.jit(jax.value_and_grad(inner_loss))(weights, data, 0)
        flat = np.concatenate([np.ravel(first[name]) for name in sorted(first)])
        Reference(np.asarray(loss), np.asarray(gradient), np.asarray(first_loss), flat).save(path)
        norm = float(jnp.linalg.norm(gradient.ravel()))
        return {"status": "ok", "by": candidate, "loss": float(loss), "norm": norm}
    return {"status": "does not fit"}


def needed(program: Any) -> dict[str, int]:
    """What the compiler says that a program takes, in bytes."""
    analysis = program.memory_analysis()
    parts = {
        "temporary": analysis.temp_size_in_bytes,
        "arguments": analysis.argument_size_in_bytes,
        "outputs": analysis.output_size_in_bytes - analysis.alias_size_in_bytes,
    }
    return parts | {"bytes": sum(parts.values())}


def device_peak(call: Callable[[], Any]) -> tuple[Any, int | None]:
    """What `call` returns, and its peak of an accelerator's memory above the level before."""
    before = jax.devices()[0].memory_stats()
    outcome = call()
    after = jax.devices()[0].memory_stats()
    if before is None or after is None:
        return outcome, None
    return outcome, after["peak_bytes_in_use"] - before["bytes_in_use"]


if __name__ == "__main__":
    _, settings, limit, path = sys.argv
    print(json.dumps(main(Job(**json.loads(settings)), int(limit), Path(path)), allow_nan=False))
