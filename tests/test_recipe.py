import pytest

from farzi.distillation import Recipe


@pytest.mark.parametrize(
    ("setting", "value"), [("sequences", 0), ("rank", -1), ("outer_rate", 0.0), ("warmup", -1)]
)
def test_an_impossible_number_is_named(setting, value):
    with pytest.raises(ValueError, match=f"{setting} is {value}"):
        Recipe(**{setting: value})


def test_no_clipping_and_no_warmup_are_possible():
    recipe = Recipe(adjoint_clip=None, warmup=0)
    assert float(recipe.outer_schedule()(0)) == pytest.approx(recipe.outer_rate)


def test_no_batch_holds_more_than_all_sequences():
    assert Recipe(sequences=5, inner_batch=36).batch == 5
    assert Recipe(sequences=5, inner_batch=None).batch == 5
    assert Recipe(sequences=50, inner_batch=7).batch == 7


def test_the_outer_rate_rises_and_then_falls():
    recipe = Recipe(outer_steps=101, warmup=10, outer_rate=0.2, final_rate=0.1)
    rates = [float(recipe.outer_schedule()(step)) for step in (0, 10, 55, 100)]
    assert rates == pytest.approx([0.2 / 11, 0.2, 0.11, 0.02], rel=1e-5)
