"""The model of the benchmark in PyTorch; `hypergradient_model.py` is the same in JAX."""

from __future__ import annotations

import math

import torch  # pyright: ignore[reportMissingImports]
import torch.nn.functional as F  # noqa: N812  # pyright: ignore[reportMissingImports]
from hypergradient_problem import LAYERS, MATRICES, ONES, ZEROS
from torch import Tensor  # pyright: ignore[reportMissingImports]

Weights = dict[str, Tensor]


def inner_loss(w: Weights, soft: Tensor) -> Tensor:
    """Cross-entropy of the next soft token, on one batch `[n, time + 1, vocab]`."""
    scores = logits(w, soft[:, :-1] @ w["embedding"])
    return -(soft[:, 1:] * F.log_softmax(scores, dim=-1)).sum(dim=-1).mean()


def outer_loss(w: Weights, hard: Tensor) -> Tensor:
    """Cross-entropy of the next hard token, `[n, time + 1]`."""
    scores = logits(w, F.embedding(hard[:, :-1], w["embedding"]))
    return F.cross_entropy(scores.flatten(0, 1), hard[:, 1:].flatten())


def logits(w: Weights, embedded: Tensor) -> Tensor:
    """Scores of the next token at each place."""
    time, width = embedded.shape[1:]
    mask = torch.ones(time, time, dtype=torch.bool, device=embedded.device).tril()
    x = embedded * math.sqrt(width) + w["positions"][:time]
    for layer in range(LAYERS):
        block = {name: w[f"block{layer}_{name}"] for name in (*MATRICES, *ONES, *ZEROS)}
        read = F.layer_norm(x, (width,), block["attention_scale"], block["attention_shift"])
        query, key, value = (read @ block[name] for name in ("query", "key", "value"))
        scores = query @ key.mT / math.sqrt(width)
        attention = scores.masked_fill(~mask, -1e9).softmax(dim=-1)
        x = x + attention @ value @ block["output"]
        read = F.layer_norm(x, (width,), block["feed_scale"], block["feed_shift"])
        hidden = F.gelu(read @ block["expand"] + block["expand_bias"], approximate="tanh")
        x = x + hidden @ block["contract"] + block["contract_bias"]
    return F.layer_norm(x, (width,), w["scale"], w["shift"]) @ w["embedding"].T
