"""Optimisers of optax by their names, as a configuration has them."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

_ADVICE = 'write a name and settings, such as "adamw(weight_decay=0.1)"'


@dataclass(frozen=True)
class NamedOptimizer:
    """An optimiser of optax, with what is often put around it.

    Attributes:
        call: name and settings as in Python, such as "adamw(weight_decay=0.1)"; any function of
            optax that has a `learning_rate`.
        clip: gradients of all parameters together are scaled down to this norm; None if not.
        warmup: steps in which the rate rises from zero.
        decay: steps over which the rate falls along half a cosine to a hundredth; None if it stays.

    Raises:
        ValueError: if there is no such optimiser, or a setting is not possible.
    """

    call: str = "adam"
    clip: float | None = None
    warmup: int = 0
    decay: int | None = None

    def __post_init__(self) -> None:
        if self.decay is not None and self.decay < 1:
            raise ValueError(f"decay is {self.decay}; use a whole number from 1 up.")
        if self.warmup < 0:
            raise ValueError(f"warmup is {self.warmup}; use a whole number from 0 up.")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip is {self.clip}; use a number above zero.")
        self._try()

    def _try(self) -> None:
        """Take a step, without computing anything.

        Raises:
            ValueError: if that is not possible.
        """

        def step(params: Array) -> Any:
            optimizer = self(jnp.asarray(0.1))
            return optimizer.update(params, optimizer.init(params), params)[0]

        try:
            jax.eval_shape(step, jnp.ones(2))
        except ValueError:
            raise
        except Exception as error:  # Whatever a setting of the wrong type leads to.
            cause = str(error).splitlines()[0].rstrip(".")
            raise ValueError(
                f"{self.call!r} is no optimizer that can be used here ({cause}); {_ADVICE}."
            ) from None

    def __call__(self, rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The optimiser at a learning rate."""
        name, settings = _parsed(self.call)

        def scheduled(step: Array) -> Array:
            share = jnp.minimum(1.0, (step + 1) / (self.warmup + 1))
            if self.decay is not None:
                share = share * optax.cosine_decay_schedule(1.0, self.decay, alpha=0.01)(step)
            return rate * share

        learning_rate = rate if self.decay is None and not self.warmup else scheduled
        try:
            made = getattr(optax, name)(learning_rate=learning_rate, **settings)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.call!r} is no optimizer of optax ({error}); {_ADVICE}."
            ) from None
        return (
            made if self.clip is None else optax.chain(optax.clip_by_global_norm(self.clip), made)
        )


def _parsed(call: str) -> tuple[str, dict[str, Any]]:
    """Name and settings."""
    try:
        node = ast.parse(call, mode="eval").body
        settings: dict[str, Any] = {}
        if isinstance(node, ast.Call) and not node.args:
            settings = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
            if len(settings) < len(node.keywords):
                raise ValueError
            node = node.func
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"the optimizer is {call!r}; {_ADVICE}.") from None
    if not isinstance(node, ast.Name):
        raise ValueError(f"the optimizer is {call!r}; {_ADVICE}.")
    known = sorted(name for name in vars(optax) if _is_optimizer(name))
    if node.id not in known:
        raise ValueError(f"there is no optimizer {node.id!r}; optax has {', '.join(known)}.")
    return node.id, settings


def _is_optimizer(name: str) -> bool:
    function = getattr(optax, name)
    if name.startswith(("_", "scale_")) or not inspect.isfunction(function):
        return False
    return "learning_rate" in inspect.signature(function).parameters
