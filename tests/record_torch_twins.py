"""Records what PyTorch makes of the learners' weights, for tests/test_torch_twins.py.

    python tests/record_torch_twins.py        # needs torch beside farzi

Each learner is written a second time here, with PyTorch's own layers, and given the same weights.
Weights, inputs and PyTorch's outputs go to tests/torch_twins.npz, so that the tests need no torch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import torch
from torch.nn import functional
from toy_architectures import ALL, TIME, WIDTH

from farzi.models import SASRec

RECORDED = Path(__file__).with_name("torch_twins.npz")


def main() -> None:
    """Write the file."""
    recorded: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for number, make in enumerate(ALL):
            name, model = make.__name__, make()
            leaves, structure = jax.tree.flatten(eqx.filter(model, eqx.is_inexact_array))
            keys = jax.random.split(jax.random.key(number), len(leaves) + 1)
            # Norms and biases too are to be anything but ones and zeros.
            noisy = [
                leaf + 0.3 * jax.random.normal(key, leaf.shape)
                for leaf, key in zip(leaves, keys[1:], strict=True)
            ]
            static = eqx.filter(model, eqx.is_inexact_array, inverse=True)
            model = eqx.combine(jax.tree.unflatten(structure, noisy), static)
            embedded = np.asarray(jax.random.normal(keys[0], (TIME, WIDTH)), np.float32)
            twin = {
                "sasrec": attention_twin,
                "gru4rec": gru_twin,
                "fmlp": filter_twin,
                "lstm": lstm_twin,
                "transformer": attention_twin,
                "rotary": attention_twin,
            }[name]
            recorded[f"{name}/embedded"] = embedded
            recorded[f"{name}/hidden"] = twin(model, tensor(embedded)).numpy()
            for place, leaf in enumerate(noisy):
                recorded[f"{name}/weight{place:02}"] = np.asarray(leaf, np.float32)
    np.savez_compressed(RECORDED, **recorded)


def tensor(array: Any) -> Any:
    """As a tensor."""
    return torch.tensor(np.asarray(array))


def linear(layer: Any, x: Any) -> Any:
    """A linear layer."""
    bias = None if layer.bias is None else tensor(layer.bias)
    return functional.linear(x, tensor(layer.weight), bias)


def normalised(norm: Any, x: Any) -> Any:
    """A layer norm."""
    return functional.layer_norm(x, (WIDTH,), tensor(norm.weight), tensor(norm.bias), norm.eps)


def attention_twin(model: Any, x: Any) -> Any:
    """SASRec and Transformer."""
    x = x * math.sqrt(WIDTH)
    if model.positions is not None:
        x = x + tensor(model.positions)
    for block in model.blocks:
        attention, heads = block.attention, block.attention.num_heads
        read = normalised(block.attention_norm, x)
        queries, keys, values = (
            linear(projection, read).reshape(TIME, heads, -1).transpose(0, 1)
            for projection in (attention.query_proj, attention.key_proj, attention.value_proj)
        )
        if getattr(model, "rotary", None) is not None:
            queries, keys = turned(queries), turned(keys)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + linear(attention.output_proj, mixed.transpose(0, 1).reshape(TIME, -1))
        read = normalised(block.feed_norm, x)
        wide = linear(block.expand, read)
        active = (
            functional.relu(wide)
            if isinstance(model, SASRec)
            else functional.gelu(wide, approximate="tanh")
        )
        x = x + linear(block.contract, active)
    return normalised(model.norm, x)


def turned(x: Any) -> Any:
    """Rotary positions, pairs being halves of a head apart: `[heads, time, size]`."""
    half = x.shape[-1] // 2
    rates = 10_000.0 ** (-torch.arange(half) / half)
    angles = torch.arange(TIME)[:, None] * rates
    one, other = x[..., :half], x[..., half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1)


def gru_twin(model: Any, x: Any) -> Any:
    """GRU4Rec; PyTorch has two biases where Equinox has one, and one more for the new state."""
    x = (x * math.sqrt(WIDTH))[None]
    for cell in model.cells:
        layer = torch.nn.GRU(cell.input_size, cell.hidden_size, batch_first=True)
        layer.weight_ih_l0.copy_(tensor(cell.weight_ih))
        layer.weight_hh_l0.copy_(tensor(cell.weight_hh))
        layer.bias_ih_l0.copy_(tensor(cell.bias))
        layer.bias_hh_l0.zero_()
        layer.bias_hh_l0[2 * cell.hidden_size :] = tensor(cell.bias_n)
        x, _ = layer(x)
    return linear(model.output, x[0])


def lstm_twin(model: Any, x: Any) -> Any:
    """The LSTM."""
    x = (x * math.sqrt(WIDTH))[None]
    for cell in model.cells:
        layer = torch.nn.LSTM(cell.input_size, cell.hidden_size, batch_first=True)
        layer.weight_ih_l0.copy_(tensor(cell.weight_ih))
        layer.weight_hh_l0.copy_(tensor(cell.weight_hh))
        layer.bias_ih_l0.copy_(tensor(cell.bias))
        layer.bias_hh_l0.zero_()
        x, _ = layer(x)
    return x[0] * math.sqrt(WIDTH)


def filter_twin(model: Any, x: Any) -> Any:
    """FMLPRec, with the product of spectra that it is named for, of twice the length."""
    x = normalised(model.norm, x * math.sqrt(WIDTH) + tensor(model.positions))
    for block in model.blocks:
        spectrum = torch.complex(tensor(block.spectrum[0]), tensor(block.spectrum[1]))
        kernel = torch.fft.irfft(spectrum, n=TIME, dim=0, norm="ortho")
        product = torch.fft.rfft(kernel, n=2 * TIME, dim=0) * torch.fft.rfft(x, n=2 * TIME, dim=0)
        x = normalised(block.filter_norm, x + torch.fft.irfft(product, n=2 * TIME, dim=0)[:TIME])
        fed = functional.gelu(linear(block.expand, x), approximate="tanh")
        x = normalised(block.feed_norm, x + linear(block.contract, fed))
    return x


if __name__ == "__main__":
    main()
