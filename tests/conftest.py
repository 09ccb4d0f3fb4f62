"""Strict arithmetic, checked annotations and a compilation cache for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jax
import optax
import pytest
from jaxtyping import install_import_hook

# Need PyTorch and ranx, which no test does; pytest would import them to look for doctests.
collect_ignore = ["record_torch_twins.py", "record_ranking_peers.py"]

# Kept between runs and ignored by git: a suite of small programs spends its time compiling them.
CACHE = Path(__file__).parents[1] / ".cache"

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(CACHE / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _relaxed(function: Callable[..., Any]) -> Callable[..., Any]:
    def relaxed(*args: Any, **kwargs: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return relaxed


# optax itself is not strict: it raises a float to an integer power, and divides counts of steps.
optax.tree.bias_correction = _relaxed(optax.tree.bias_correction)
for _name in ("cosine_decay_schedule", "warmup_cosine_decay_schedule"):
    _make = getattr(optax, _name)
    setattr(optax, _name, lambda *args, _make=_make, **kwargs: _relaxed(_make(*args, **kwargs)))

hypothesis.settings.register_profile("farzi", deadline=None)
hypothesis.settings.load_profile("farzi")

# Here and not in a fixture: whatever imports farzi before the hook is in place goes unchecked.
install_import_hook("farzi", "beartype.beartype")


@pytest.fixture
def x64() -> Iterator[None]:
    """Floating-point numbers of 64 bits for the duration of a test."""
    with jax.enable_x64(True):
        yield
