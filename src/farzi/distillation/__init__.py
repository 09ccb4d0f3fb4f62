"""Distillation: the objective, the pool of starting points, and the outer loop."""

from farzi.distillation.meta_matching import Matched, MetaMatching
from farzi.distillation.outer_loop import Distillation, OuterStep, distill
from farzi.distillation.pool import Pool
from farzi.distillation.recipe import Recipe, teachers_needed

__all__ = [
    "Distillation",
    "Matched",
    "MetaMatching",
    "OuterStep",
    "Pool",
    "Recipe",
    "distill",
    "teachers_needed",
]
