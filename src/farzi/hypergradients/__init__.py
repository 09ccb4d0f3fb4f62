"""Derivatives of the end point of any training loop by the data that it read.

Knows nothing of sequences, models or distillation, and can be used without them.
"""

from farzi.hypergradients.adjoints import Adjoint, Checkpointed, StoreStates, Unrolled
from farzi.hypergradients.hypergradient import Hypergradient, hypergradient

__all__ = [
    "Adjoint",
    "Checkpointed",
    "Hypergradient",
    "StoreStates",
    "Unrolled",
    "hypergradient",
]
