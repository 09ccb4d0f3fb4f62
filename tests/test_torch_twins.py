"""The learners against twins of PyTorch's own layers, recorded by tests/record_torch_twins.py."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_architectures import ALL

RECORDED = np.load(Path(__file__).with_name("torch_twins.npz"))


def with_weights(model, weights):
    """The model with other numbers in place of its weights."""
    leaves, structure = jax.tree.flatten(eqx.filter(model, eqx.is_inexact_array))
    assert [leaf.shape for leaf in leaves] == [weight.shape for weight in weights]
    return eqx.combine(jax.tree.unflatten(structure, weights), model)


@pytest.mark.parametrize("make", ALL)
def test_hidden_states_are_those_of_the_twin(make):
    name = make.__name__
    keys = sorted(key for key in RECORDED if key.startswith(f"{name}/weight"))
    model = with_weights(make(), [jnp.asarray(RECORDED[key]) for key in keys])
    embedded, wanted = RECORDED[f"{name}/embedded"], RECORDED[f"{name}/hidden"]
    hidden = eqx.filter_jit(model)(jnp.asarray(embedded))
    assert float(np.abs(wanted).max()) > 0.5
    np.testing.assert_allclose(hidden, wanted, rtol=1e-5, atol=1e-5)
