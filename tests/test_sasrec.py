import jax
import jax.numpy as jnp
import numpy as np

from farzi.models import SASRec


def test_the_table_starts_small():
    """With three times as much, data distilled for short trainings are clearly worse."""
    model = SASRec(5000, width=64, length=50, key=jax.random.key(0))
    assert abs(float(jnp.std(model.embedding)) * 8 - 0.3) < 0.01
    assert abs(float(jnp.std(model.positions)) * 8 - 0.1) < 0.01
    np.testing.assert_array_equal(model.norm.weight, 1)
