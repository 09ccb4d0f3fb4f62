"""The distilled data: their parametrisations, and where they start from."""

from farzi.distilled.dense import Dense
from farzi.distilled.factored import LARGEST, Factored
from farzi.distilled.own_labels import OwnLabels
from farzi.distilled.starts import check_rank, from_noise, from_real, from_teacher, reparametrised
from farzi.distilled.tucker import Tucker

Soft = Factored | Dense | Tucker
"""Distributions at each place, by one of the parametrisations."""

Distilled = Soft | OwnLabels

__all__ = [
    "LARGEST",
    "Dense",
    "Distilled",
    "Factored",
    "OwnLabels",
    "Soft",
    "Tucker",
    "check_rank",
    "from_noise",
    "from_real",
    "from_teacher",
    "reparametrised",
]
