"""Schedules are carried out on plain numbers: a state is the number of steps that led to it."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.hypergradients.schedule import binomial, uniform


def carry_out(schedule, steps):
    """The states that are taken back, and how often each step is run."""
    places = np.full(schedule.places, -1)
    places[0] = 0
    runs = np.zeros(steps, int)

    def make(rows):
        for source, first, reached, target in rows:
            assert places[source] == first
            assert reached > first
            runs[first:reached] += 1
            places[target] = reached

    make(schedule.forward)
    taken = []
    for i in range(steps):
        make(schedule.backward[schedule.first_run[i] : schedule.first_run[i + 1]])
        taken.append(int(places[schedule.place[i]]))
    assert schedule.first_run[0] == 0
    assert schedule.first_run[-1] == len(schedule.backward)
    return taken, runs


@given(st.integers(1, 300), st.integers(1, 6))
def test_binomial_brings_back_every_state_within_its_levels(steps, levels):
    schedule = binomial(steps, levels)
    taken, runs = carry_out(schedule, steps)
    assert taken == list(range(steps))[::-1]
    assert runs.max() <= levels
    assert runs[-1] == 0  # The step after the last state kept is run elsewhere.


@given(st.integers(1, 300), st.integers(1, 320))
def test_uniform_brings_back_every_state_and_runs_a_step_twice_at_most(steps, every):
    schedule = uniform(steps, every)
    taken, runs = carry_out(schedule, steps)
    assert taken == list(range(steps))[::-1]
    assert runs.max() <= 2
    assert schedule.places == math.ceil(steps / every) + min(every, steps) - 1


@functools.cache
def fewest_steps(length, free):
    """By trying every split: the fewest steps that bring back all states of a part."""
    if length == 1:
        return 0
    if free == 0:
        return length * (length - 1) // 2
    return min(
        k + fewest_steps(length - k, free - 1) + fewest_steps(k, free) for k in range(1, length)
    )


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 16, 50, 101])
def test_binomial_makes_the_fewest_steps_for_its_places(steps, levels):
    schedule = binomial(steps, levels)
    _, runs = carry_out(schedule, steps)
    # One place holds the first state, and one is scratch.
    assert runs.sum() == fewest_steps(steps, schedule.places - 2)


@pytest.mark.parametrize(
    ("steps", "levels", "places"), [(256, 1, 256), (256, 2, 23), (256, 3, 11), (1024, 3, 18)]
)
def test_number_of_places(steps, levels, places):
    assert binomial(steps, levels).places == places
