"""What a hypergradient needs for a vocabulary of 50,000: all at once, and in chunks.

    python benchmarks/large_vocabulary.py

Meta-matching on 50 sequences of 50 + 1 soft tokens, all read in each of 20 inner steps and judged
by 64 real sequences of 50 + 1. Each variant has a process to itself, which takes one to two
minutes and up to 8 GB. Writes large_vocabulary.json and .md to the folder of results; the
compiler's bytes do not depend on the machine, the others do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from circumstances import ROOT, commit, machine, peak_bytes, versions

import farzi
from farzi.distillation import MetaMatching
from farzi.distilled import from_noise
from farzi.hypergradients.budget import format_bytes, program_bytes

RESULTS = ROOT / "docs" / "results" / "large_vocabulary.json"
PACKAGES = ("farzi", "jax", "jaxlib", "equinox", "optax", "numpy")

SIZES = {
    "vocabulary": 50_000,
    "sequences": 50,
    "time": 51,
    "rank": 16,
    "width": 64,
    "layers": 2,
    "inner_steps": 20,
    "real_sequences": 64,
}
WHOLE = 10**9
VARIANTS: dict[str, dict[str, Any]] = {
    "probabilities kept, all at once": {"by_latents": False, "chunk": WHOLE},
    "probabilities kept, scores in chunks": {"by_latents": False},
    "by latents, all at once": {"by_latents": True, "chunk": WHOLE},
    "by latents, in chunks (what farzi chooses)": {},
}


def main() -> None:
    """Measure every variant in a process of its own, and write the results."""
    rows = {}
    for name in VARIANTS:
        command = [sys.executable, __file__, name]
        rows[name] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print(f"{name}: {rows[name]}", flush=True)
    content = {
        "sizes": SIZES,
        "variants": rows,
        "commit": commit("src", "benchmarks/large_vocabulary.py"),
        "machine": machine(jax.devices()[0].device_kind),
        "versions": versions(*PACKAGES),
    }
    RESULTS.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    RESULTS.with_suffix(".md").write_text(table(content))


def measure(options: dict[str, Any]) -> dict[str, Any]:
    """Compile one hypergradient, run it a few times, and take the memory of all that."""
    sasrec = farzi.models.SASRec(
        SIZES["vocabulary"],
        width=SIZES["width"],
        layers=SIZES["layers"],
        length=SIZES["time"] - 1,
        key=jax.random.key(0),
    )
    starts = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, sasrec)
    data = from_noise(
        SIZES["sequences"],
        SIZES["time"],
        SIZES["vocabulary"],
        rank=SIZES["rank"],
        key=jax.random.key(1),
    )
    every_row = jnp.arange(SIZES["sequences"])
    order = jnp.tile(every_row, (1, SIZES["inner_steps"], 1))
    real = np.random.default_rng(0).integers(
        SIZES["vocabulary"], size=(1, SIZES["real_sequences"], SIZES["time"]), dtype=np.int32
    )
    optimizer = farzi.adam(0.01, eps=1e-4, eps_root=1e-8)
    objective = MetaMatching(optimizer, SIZES["inner_steps"], farzi.Checkpointed(), **options)
    arrays, rest = eqx.partition((data, starts, order, jnp.asarray(real)), eqx.is_array)
    began = time.perf_counter()
    program = jax.jit(lambda arrays: objective(*eqx.combine(arrays, rest))).lower(arrays).compile()
    compiled = time.perf_counter()
    cpu = time.process_time()
    matched = jax.block_until_ready(program(arrays))
    ran, cpu = time.perf_counter(), time.process_time() - cpu
    return {
        "compiler_bytes": program_bytes(program),
        "resident_bytes": peak_bytes(),  # Compiling included.
        "compile_seconds": compiled - began,
        "seconds": ran - compiled,
        "cpu_seconds": cpu,
        "loss": float(matched.loss),
        "gradient_norm": float(optax.tree.norm(matched.gradient)),
    }


def table(content: dict[str, Any]) -> str:
    """The results as a Markdown file."""
    sizes = content["sizes"]
    lines = [
        f"# A vocabulary of {sizes['vocabulary']:,}",
        "",
        f"One hypergradient by {sizes['sequences']} sequences of {sizes['time'] - 1} + 1 soft "
        f"tokens (rank {sizes['rank']}), all of them read in each of {sizes['inner_steps']} inner "
        f"steps; SASRec, {sizes['layers']} layers of {sizes['width']}, judged by "
        f"{sizes['real_sequences']} real sequences of {sizes['time'] - 1} + 1; `Checkpointed()`. "
        "Written by `python benchmarks/large_vocabulary.py`.",
        "",
        "| variant | compiler's bytes | peak of the process | seconds | CPU seconds | compiling |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, row in content["variants"].items():
        lines.append(
            f"| {name} | {format_bytes(row['compiler_bytes'])} "
            f"| {format_bytes(row['resident_bytes'])} | {row['seconds']:.1f} "
            f"| {row['cpu_seconds']:.1f} | {row['compile_seconds']:.0f} s |"
        )
    lines += [
        "",
        f"One run each. Commit {content['commit']} (+: with changes), "
        f"{content['machine']}, jax {content['versions']['jax']}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(VARIANTS[sys.argv[1]])))
    else:
        main()
