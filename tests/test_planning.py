"""What is told before a run, against the run itself and against compiled programs."""

import dataclasses
import re

import jax
import pytest
import toy_log

from farzi.data import leave_last_out
from farzi.distillation import Pool, distill
from farzi.distillation.outer_step import compile_step
from farzi.hypergradients import Auto, Checkpointed, StoreStates, Unrolled
from farzi.hypergradients.budget import parse_bytes, program_bytes
from farzi.planning import plan
from farzi.planning.fitting import smaller_budget
from farzi.planning.machine import available_memory

SMALL = dataclasses.replace(
    toy_log.RECIPE,
    sequences=8,
    length=3,
    context=4,
    rank=2,
    inner_steps=40,
    inner_batch=4,
    outer_steps=7,
    starts=1,
    real_batch=8,
    validate_every=3,
)


def change(**settings):
    return dataclasses.replace(SMALL, **settings)


def need(recipe):
    program = compile_step(recipe, Pool(toy_log.bigrams), toy_log.TOKENS, to_run=False)
    return program_bytes(program)


def refusal(recipe, budget, **options):
    with pytest.raises(ValueError, match=r"^the run does not fit: ") as error:
        plan(toy_log.bigrams, recipe, memory_budget=budget, **options)
    cause, remedy = str(error.value).split("; ")
    assert remedy.endswith(".")
    return cause, remedy


@pytest.fixture(scope="module")
def forecast():
    return plan(toy_log.bigrams, SMALL, validation_questions=30, timed_steps=2)


def test_a_forecast_tells_memory_and_time(forecast):
    assert forecast.adjoint == StoreStates()
    assert forecast.step_bytes == need(SMALL)
    assert 0 < forecast.step_seconds < 10
    assert 0 < forecast.validation_seconds < 60
    assert forecast.validation_bytes > 4 * 30 * toy_log.TOKENS
    assert (forecast.outer_steps, forecast.validations) == (7, 4)  # 3, 6, 7 and the start
    assert forecast.seconds == pytest.approx(
        forecast.compile_seconds + 7 * forecast.step_seconds + 4 * forecast.validation_seconds
    )
    assert not re.search("teacher|validations", " ".join(forecast.left_out))
    assert forecast.budget.source == available_memory().source


def test_a_forecast_can_be_read(forecast):
    text = str(forecast)
    assert re.search(r"StoreStates\(\) +\d+(\.\d+)? kB +yes", text)
    assert re.search(r"memory budget +[\d.]+ .B \(left ", text)
    assert re.search(r"outer steps +7 of ", text)
    assert re.search(r"validations +4 of ", text)
    assert re.search(r"in all +\d+ s on \w+", text)
    assert max(len(line) for line in text.splitlines()) < 90


def test_what_is_not_in_the_numbers_is_said():
    forecast = plan(toy_log.bigrams, change(start="real"), timed_steps=1)
    assert forecast.validation_seconds is None
    assert forecast.seconds == pytest.approx(forecast.compile_seconds + 7 * forecast.step_seconds)
    text = str(forecast)
    assert re.search("left out +the training of a teacher", text)
    assert re.search("left out +validations", text)


@pytest.mark.parametrize("start", ["real", "noise"])
def test_the_run_needs_what_was_told(start):
    """And takes the strategy that was told."""
    split, teacher = leave_last_out(toy_log.log()), toy_log.bigrams(jax.random.key(0))
    recipe = change(adjoint=Auto(need(SMALL) - 1), start=start, outer_steps=1)
    told = plan(toy_log.bigrams, recipe, timed_steps=1)
    run = distill(split.train, split.validation, toy_log.bigrams, recipe, teacher=teacher)
    assert told.step_bytes == run.peak_bytes
    assert told.adjoint == run.adjoint == Checkpointed()


def test_a_strategy_that_fits_is_named():
    budget = need(change(adjoint=Checkpointed()))
    cause, remedy = refusal(SMALL, budget)
    assert "an outer step with StoreStates() needs" in cause
    assert "(given)" in cause
    assert remedy.startswith('set adjoint to "Checkpointed()", which needs')
    forecast = plan(
        toy_log.bigrams, change(adjoint=Auto(budget)), memory_budget=budget, timed_steps=1
    )
    assert forecast.adjoint == Checkpointed()
    assert [tried.adjoint for tried in forecast.tried] == [StoreStates(), Checkpointed()]
    assert re.search(r"StoreStates\(\) .* no\n.* Checkpointed\(\) .* yes", str(forecast), re.DOTALL)


def test_a_strategy_that_keeps_more_than_any_other_is_refused_too():
    cause, remedy = refusal(change(adjoint=Unrolled()), need(SMALL))
    assert "Unrolled() needs" in cause
    assert remedy.startswith('set adjoint to "StoreStates()"')


def test_a_budget_of_auto_beyond_the_memory_there_is():
    cause, remedy = refusal(change(adjoint=Auto("1 GB")), need(SMALL) - 1)
    assert "StoreStates() needs" in cause
    assert remedy.startswith("give Auto no more than that, so that it takes Checkpointed()")


def value(remedy, setting):
    """What a setting is to be lowered to."""
    match = re.match(
        rf"lower {setting} from {getattr(LARGE[setting], setting)} to (\d+)\.$", remedy
    )
    assert match, remedy
    return int(match[1])


LARGE = {
    "real_batch": change(real_batch=1024),
    "length": change(inner_batch=1, length=512),
    "starts": change(starts=32),
}
"""Recipes in which one setting dominates."""


@pytest.mark.parametrize("setting", LARGE)
def test_the_setting_that_is_too_large_is_named_with_a_value_that_fits(setting):
    recipe = LARGE[setting]
    frugal = dataclasses.replace(recipe, adjoint=Checkpointed(levels=6))
    budget = need(frugal) // 2
    _, remedy = refusal(recipe, budget)
    lowered = dataclasses.replace(recipe, **{setting: value(remedy, setting)})
    plan(toy_log.bigrams, dataclasses.replace(lowered, adjoint=Auto(budget)), timed_steps=1)


def test_two_settings_are_named_where_one_is_not_enough():
    recipe = change(sequences=256, inner_batch=None, length=8, real_batch=512, context=8)
    budget = need(dataclasses.replace(recipe, adjoint=Checkpointed(levels=6))) // 4
    _, remedy = refusal(recipe, budget)
    assert remedy.startswith("lower ")
    assert remedy.endswith(", since none of them alone is enough.")
    named = dict(re.findall(r"(\w+) \(now (\d+)\)", remedy))
    assert len(named) >= 2
    lowered = {name: int(now) // 8 for name, now in named.items()}
    assert need(dataclasses.replace(recipe, adjoint=Checkpointed(levels=6), **lowered)) <= budget


def test_no_setting_helps_a_learner_that_is_too_large():
    cause, remedy = refusal(SMALL, "1 kB")
    assert re.search(r"an outer step even with \w+\(.*\) needs", cause)
    assert remedy.startswith("use a smaller learner or vocabulary, or more memory: with ")
    assert "at an eighth it still needs" in remedy


def test_validations_have_to_fit_too():
    recipe, questions = change(validation_runs=3), 1000
    whole = plan(
        toy_log.bigrams, recipe, validation_questions=questions, timed_steps=1
    ).validation_bytes
    assert whole > need(recipe)
    cause, remedy = refusal(recipe, whole // 2, validation_questions=questions)
    assert "a validation needs" in cause
    assert remedy == "lower validation_runs from 3 to 1."


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"memory_budget": "much"}, "is no amount of memory"),
        ({"timed_steps": 0}, "time at least one"),
        ({"validation_questions": 0}, "use at least 1"),
    ],
)
def test_impossible_arguments_are_refused(options, remedy):
    with pytest.raises(ValueError, match=remedy):
        plan(toy_log.bigrams, SMALL, **options)


def test_the_smaller_of_what_is_asked_for_and_what_there_is():
    there_is = available_memory()
    assert smaller_budget("1 MB") == (parse_bytes("1 MB"), "given")
    assert smaller_budget("1000 TB").source == there_is.source
    assert smaller_budget(None).source == there_is.source
