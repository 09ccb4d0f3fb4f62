"""The distilled data: their parametrisations, and where they start from."""

from farzi.distilled.factored import LARGEST, Factored
from farzi.distilled.own_labels import OwnLabels
from farzi.distilled.starts import check_rank, from_noise, from_real, from_teacher

Distilled = Factored | OwnLabels

__all__ = [
    "LARGEST",
    "Distilled",
    "Factored",
    "OwnLabels",
    "check_rank",
    "from_noise",
    "from_real",
    "from_teacher",
]
