"""What to lower in a recipe whose outer step does not fit into memory."""

from __future__ import annotations

from dataclasses import replace

from farzi.distillation import Pool, Recipe
from farzi.distillation.outer_step import compile_step, size_of_states
from farzi.hypergradients.auto import Tried, kept_bytes
from farzi.hypergradients.budget import format_bytes, program_bytes

_MOST = 8
"""A setting is lowered to this part of its value at the most; beyond, it would be another run."""


def remedy(recipe: Recipe, frugal: Tried, pool: Pool, vocabulary: int, budget: int) -> str:
    """What to lower so that an outer step fits.

    One setting after the other is lowered to an eighth and the step compiled. The first that is
    enough alone is named with the value to give it, otherwise those that are enough together.

    Args:
        recipe: what does not fit.
        frugal: the most frugal strategy for it, and what an outer step then needs.
        pool: starting points of the inner loops.
        vocabulary: number of tokens.
        budget: bytes that it has to fit into.
    """
    recipe = replace(recipe, adjoint=frugal.adjoint)
    kept = kept_bytes(frugal.adjoint, recipe.inner_steps, size_of_states(recipe, pool))
    now = _settings(recipe, states_first=kept > frugal.bytes / 2)
    lowest = {setting: max(value // _MOST, 1) for setting, value in now.items()}

    def need(**settings: int) -> int:
        lowered = replace(recipe, **settings)
        return program_bytes(compile_step(lowered, pool, vocabulary, to_run=False))

    together = need(**lowest)
    if together > budget:
        return (
            "use a smaller learner or vocabulary, or more memory: with "
            f"{_listed(list(now))} at an eighth it still needs {format_bytes(together)}."
        )
    needs: dict[str, int] = {}
    for setting, value in lowest.items():
        needs[setting] = need(**{setting: value})
        if needs[setting] <= budget:
            # Memory is the largest of what several parts of the program need. Where each grows
            # evenly with the setting, it does not lie above the straight line between two values.
            room = (budget - needs[setting]) / (frugal.bytes - needs[setting])
            more = _round(value + room * (now[setting] - value), at_least=value)
            if more > value and need(**{setting: more}) <= budget:
                value = more
            return f"lower {setting} from {now[setting]} to {value}."
    by_savings = sorted(needs, key=lambda setting: needs[setting])
    for count in range(2, len(by_savings)):
        if need(**{name: lowest[name] for name in by_savings[:count]}) <= budget:
            break
    else:
        count = len(by_savings)
    named = _listed([f"{name} (now {now[name]})" for name in by_savings[:count]])
    return f"lower {named}, since none of them alone is enough."


def _settings(recipe: Recipe, *, states_first: bool) -> dict[str, int]:
    """The settings that memory may depend on and that can be lowered, with their values."""
    names = ["starts", "real_batch", "inner_batch", "sequences"]
    names.insert(0 if states_first else len(names), "inner_steps")
    # With batches of one row it is the rows that are long.
    names[names.index("real_batch")] = "real_batch" if recipe.real_batch > 1 else "context"
    names[names.index("inner_batch")] = "inner_batch" if recipe.batch > 1 else "length"
    values = {name: getattr(recipe, name) for name in names} | {"inner_batch": recipe.batch}
    return {name: values[name] for name in names if values[name] > 1}


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _round(value: float, *, at_least: int) -> int:
    """Down to a number that is easy to remember: a power of two."""
    return max(1 << (int(value).bit_length() - 1), at_least)
