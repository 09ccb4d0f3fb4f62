"""The hypergradient by three libraries for PyTorch, each as its documentation has it.

Every one of them is `(weights, batches, hard, steps, settings) -> (outer loss, derivative by each
batch)`: `weights` and `batches` are leaves of the graph; step t reads batch `t % len(batches)`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from hypergradient_problem import B1, B2, EPS
from hypergradient_twin import Weights, inner_loss, outer_loss
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Settings:
    """Of the inner Adam, whose other settings are those of the problem."""

    rate: float
    eps_root: float


Outcome = tuple[Tensor, list[Tensor]]
Peer = Callable[[Weights, list[Tensor], Tensor, int, Settings], Outcome]


class Learner(nn.Module):
    """The weights as a module, for libraries that want one; called as `Trainer` of bergson does."""

    def __init__(self, weights: Weights):
        super().__init__()
        for name, weight in weights.items():
            self.register_parameter(name, nn.Parameter(weight.detach().clone()))

    def weights(self) -> Weights:
        """The current ones, which need not be leaves."""
        return dict(self._parameters)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Inner loss on one batch of soft tokens."""
        return inner_loss(self.weights(), input_ids)


def torchopt_adam(
    weights: Weights, batches: list[Tensor], hard: Tensor, steps: int, settings: Settings
) -> Outcome:
    """TorchOpt's MetaAdam; not its accelerated one, whose derivative is wrong for eps_root > 0."""
    import torchopt  # pyright: ignore[reportMissingImports]

    learner = Learner(weights)
    optimizer = torchopt.MetaAdam(
        learner,
        lr=settings.rate,
        betas=(B1, B2),
        eps=EPS,
        eps_root=settings.eps_root,
        use_accelerated_op=False,
    )
    for t in range(steps):
        optimizer.step(learner(batches[t % len(batches)]))
    return _end(learner.weights(), batches, hard)


def higher_adam(
    weights: Weights, batches: list[Tensor], hard: Tensor, steps: int, settings: Settings
) -> Outcome:
    """Higher's Adam: `eps` is added before the second moment is corrected, and no `eps_root`."""
    import higher  # pyright: ignore[reportMissingImports]

    params = list(weights.values())
    plain = torch.optim.Adam(params, lr=settings.rate, betas=(B1, B2), eps=EPS)
    optimizer = higher.optim.get_diff_optim(plain, params)
    for t in range(steps):
        loss = inner_loss(dict(zip(weights, params, strict=True)), batches[t % len(batches)])
        params = optimizer.step(loss, params=params)
    return _end(dict(zip(weights, params, strict=True)), batches, hard)


def _end(weights: Weights, batches: list[Tensor], hard: Tensor) -> Outcome:
    loss = outer_loss(weights, hard)
    return loss.detach(), list(torch.autograd.grad(loss, batches))


class Stream:
    """What bergson's Trainer reads, with the soft tokens in the place of the examples' weights.

    It takes the derivative by `weights`, whatever they do in the loss. So the very same derivative
    comes out as from the others, although it was made for one number an example.
    """

    def __init__(self, data: Tensor, steps: int):
        self.weights = nn.Parameter(data.clone(), requires_grad=False)
        self.device, self.steps = data.device, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, t: int) -> dict[str, Tensor]:
        return {"input_ids": self.weights[t % len(self.weights)]}

    @property
    def requires_grad(self) -> bool:
        """Whether the derivative is wanted."""
        return self.weights.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.weights.requires_grad = value


def bergson_replay(
    weights: Weights, batches: list[Tensor], hard: Tensor, steps: int, settings: Settings
) -> Outcome:
    """Bergson's exact replay: about sqrt(T) states as files, as many in memory going back."""
    import torchopt  # pyright: ignore[reportMissingImports]
    from bergson.magic import (  # pyright: ignore[reportMissingImports]
        BackwardState,
        Trainer,
    )

    optimizer = torchopt.adam(settings.rate, betas=(B1, B2), eps=EPS, eps_root=settings.eps_root)
    trainer, state = Trainer.initialize(Learner(weights), optimizer)
    stream: Any = Stream(torch.stack([batch.detach() for batch in batches]), steps)
    with tempfile.TemporaryDirectory(prefix="hypergradient-") as folder:
        options: dict[str, Any] = {"inplace": True, "save_mode": "sqrt"}
        state = trainer.train(state, stream, save_dir=str(Path(folder)), **options)
        state.detach_()
        end = {name: w.detach().requires_grad_() for name, w in state.params.items()}
        loss = outer_loss(end, hard)
        by_params = dict(zip(end, torch.autograd.grad(loss, list(end.values())), strict=True))
        by_memory = [
            torch.zeros_like(tensor) for tensor in state.differentiable_tensors()[len(end) :]
        ]
        start = BackwardState(by_params, by_memory, torch.zeros_like(stream.weights))
        back = trainer.backward(folder, stream, start, state, **options)
    return loss.detach(), list(back.weight_grads.detach())


PEERS: dict[str, Peer] = {
    "torchopt": torchopt_adam,
    "higher": higher_adam,
    "bergson": bergson_replay,
}
