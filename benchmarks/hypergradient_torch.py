"""Measures one library for PyTorch; `hypergradient.py` runs this file, a process a job."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from circumstances import cores
from hypergradient_jobs import Job
from hypergradient_measure import Reference, measure
from hypergradient_peers import PEERS, Settings
from hypergradient_problem import B1, B2, EPS, SIZES, make_problem
from hypergradient_twin import Weights, inner_loss
from torch import Tensor  # pyright: ignore[reportMissingImports]

TOLERANCE = 1e-5
"""How far loss and gradient of the twin may be from those of the model in JAX."""


def main(job: Job, path: Path) -> dict[str, Any]:
    """What is measured of the job, compared with the reference at `path`."""
    torch.set_num_threads(cores())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, job.precision)
    torch.set_default_dtype(dtype)  # TorchOpt corrects the bias of the moments in it.
    problem, reference = make_problem(SIZES[job.size]), Reference.load(path)

    def leaf(array: np.ndarray) -> Tensor:
        return torch.tensor(array, dtype=dtype, device=device, requires_grad=True)

    weights = {name: leaf(weight) for name, weight in problem.weights.items()}
    batches = [leaf(batch) for batch in problem.data]
    hard = torch.tensor(problem.batch, device=device)
    check_twin(weights, batches[0], reference)

    settings = Settings(SIZES[job.size].rate, job.eps_root)
    peer = PEERS[job.candidate]

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def differentiate(steps: int = job.steps) -> tuple[Tensor, list[Tensor]]:
        outcome = peer(weights, batches, hard, steps, settings)
        wait()
        return outcome

    def forward(steps: int = job.steps) -> None:
        train(weights, batches, steps, settings)
        wait()

    def device_peak(call: Callable[[], Any]) -> tuple[Any, int | None]:
        if device.type != "cuda":
            return call(), None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        outcome = call()
        return outcome, torch.cuda.max_memory_allocated() - before

    forward(len(batches))  # Libraries are loaded and kernels chosen in the first steps.
    differentiate(len(batches))
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    about = {"parameters": problem.parameters, "device": name, "platform": device.type}
    return about | measure(
        job,
        differentiate,
        lambda outcome: (outcome[0].item(), torch.stack(outcome[1]).cpu().numpy()),
        forward,
        reference,
        device_peak,
    )


def train(weights: Weights, batches: list[Tensor], steps: int, settings: Settings) -> None:
    """Plain training with PyTorch's own Adam, which has no `eps_root`."""
    start = {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()}
    optimizer = torch.optim.Adam(start.values(), lr=settings.rate, betas=(B1, B2), eps=EPS)
    batches = [batch.detach() for batch in batches]
    for t in range(steps):
        optimizer.zero_grad()
        inner_loss(start, batches[t % len(batches)]).backward()
        optimizer.step()


def check_twin(weights: Weights, batch: Tensor, reference: Reference) -> None:
    """Stop unless loss and gradient of the first step are those of the model in JAX."""
    loss = inner_loss(weights, batch.detach())
    gradient = torch.autograd.grad(loss, [weights[name] for name in sorted(weights)])
    flat = torch.cat([leaf.flatten() for leaf in gradient]).double().cpu().numpy()
    off = abs(loss.item() / float(reference.first_loss) - 1)
    norm = np.linalg.norm(reference.first_gradient)
    off_gradient = np.linalg.norm(flat - reference.first_gradient) / norm
    if not max(off, off_gradient) < TOLERANCE:
        raise SystemExit(
            f"the model in PyTorch is not that in JAX: its loss is off by {off:.1e} and its "
            f"gradient by {off_gradient:.1e}; make hypergradient_twin.py and "
            "hypergradient_model.py the same."
        )


if __name__ == "__main__":
    _, settings, _, path = sys.argv
    print(json.dumps(main(Job(**json.loads(settings)), Path(path)), allow_nan=False))
