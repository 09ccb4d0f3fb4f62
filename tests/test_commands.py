"""`farzi train` and `farzi evaluate`, on logs that take seconds."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small_log
import toy_log
from rich.console import Console

from farzi import config
from farzi.commands import evaluate, train
from farzi.evaluation import ARMS, judge
from farzi.preparing.options import SplitOptions, TextOptions
from farzi.preparing.prepare import prepare

SETTINGS = """
[data]
folder = "{folder}"

[learner]
width = 8
layers = 1
dropout = 0.1

[train]
rates = [0.03]
seeds = 2
batch = 16
max_steps = 40
validate_every = 20

[recipe]
context = 8
sequences = 4
length = 4
rank = 4
inner_steps = 8
inner_rate = 0.03
inner_batch = "none"
outer_steps = 4
warmup = 1
real_batch = 16
validate_every = 2
validation_runs = 2

[evaluate]
arms = {arms}
architectures = {architectures}
few_rates = [0.01, 0.03]
few_steps = 8
seeds = 2
sensitivity = {sensitivity}
optimizers = ["sgd"]
optimizer_rates = [0.1, 1e30]
"""


def write(folder, path, arms=("full",), architectures=(), sensitivity=()):
    text = SETTINGS.format(
        folder=folder,
        arms=json.dumps(list(arms)),
        architectures=json.dumps(list(architectures)),
        sensitivity=json.dumps(list(sensitivity)),
    )
    path.write_text(text)
    return path


def quiet():
    return Console(file=io.StringIO(), width=100)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A prepared folder with times, of which later sequences begin later."""
    log = toy_log.log(sequences=40)
    rows = [
        (f"user {user}", log.vocabulary.tokens[item], 1000 * user + place)
        for user, items in enumerate(log)
        for place, item in enumerate(items)
    ]
    folder = tmp_path_factory.mktemp("log") / "prepared"
    prepare(pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")).save(folder)
    return folder


@pytest.fixture(scope="module")
def compared(log, tmp_path_factory):
    """A comparison of everything with everything."""
    out = tmp_path_factory.mktemp("compared")
    architectures = ("sasrec", "gru4rec")
    path = write(log, out / "run.toml", ARMS, architectures, ("random",))
    return path, out / "out", evaluate.run(config.read(path), out / "out", console=quiet())


def test_everything_is_compared_with_everything(compared):
    _, out, content = compared
    assert len(content["arms"]) == 2 * len(ARMS)
    assert json.loads((out / "results.json").read_text()) == content
    full, distilled, *others = content["arms"][: len(ARMS)]
    assert (full["arm"], distilled["arm"]) == ("full", "distilled")
    assert full["retention"]["hr@10"] == 1
    assert {arm["arm"] for arm in others} == set(ARMS[2:])
    for arm in (distilled, *others):
        assert (arm["sequences"], arm["events"]) == (4, 20)
        mean = np.mean(arm["metrics"]["ndcg@10"]["seeds"])
        full_mean = full["metrics"]["ndcg@10"]["mean"]
        assert arm["retention"]["ndcg@10"] == pytest.approx(mean / full_mean)
        assert sum(group["questions"] for group in arm["breakdown"]["history"]) == 40
    soft = {arm["arm"]: arm["bytes"] for arm in others}
    # A label for each of 4 x 4 places: 12 numbers of 16 bits.
    assert soft["random-soft"] - soft["random"] == 4 * 4 * 12 * 2
    assert set(distilled["paired"]) == {"full", *ARMS[2:]}
    (cost,) = content["distillations"]
    assert cost["seconds"] > 0
    studied = {(one["arm"], one["architecture"]) for one in content["sensitivity"]}
    assert len(studied) == 2
    for one in content["sensitivity"]:
        good, bad = one["optimizers"]["sgd"]
        assert 0 <= good["score"] <= 1
        assert bad["score"] is None
        assert len(one["orders"]) == 5


def test_the_page_shows_every_arm_and_its_pictures_are_there(compared):
    _, out, content = compared
    page = (out / "summary.md").read_text()
    for arm in content["arms"]:
        assert page.count(f"| {arm['arm']} | {arm['architecture']} |") >= 1
    for title in ("Paired", "By popularity", "By length", "Transfer", "Sensitivity", "Cost"):
        assert f"## {title}" in page
    for learner in ("sasrec", "gru4rec"):
        for kind in ("scores", "popularity", "history"):
            assert f"({kind}-{learner}.svg)" in page
            assert "<svg " in (out / f"{kind}-{learner}.svg").read_text()


def test_what_was_done_is_not_done_again(compared, monkeypatch):
    path, out, content = compared

    def fail(*_, **__):
        raise AssertionError("trained again")

    for module, name in ((judge, "train"), (evaluate, "distill")):
        monkeypatch.setattr(module, name, fail)
    again = evaluate.run(config.read(path), out, console=quiet())
    # Not equal are only the seconds of this run.
    assert again | {"total_seconds": 0} == content | {"total_seconds": 0}
    path = path.with_name("other.toml")
    path.write_text(
        (path.with_name("run.toml")).read_text().replace("max_steps = 40", "max_steps = 41")
    )
    with pytest.raises(AssertionError, match="trained again"):
        evaluate.run(config.read(path), out, console=quiet())


def test_distilled_folders_of_several_sizes(compared, log, tmp_path):
    _, out, _ = compared
    path = write(log, tmp_path / "run.toml", ("full", "distilled", "random"))
    one = str(out / "distilled")
    text = path.read_text().replace("[evaluate]\n", f'[evaluate]\ndistilled = ["{one}"]\n')
    path.write_text(text)
    content = evaluate.run(config.read(path), tmp_path / "out", console=quiet())
    assert [arm["arm"] for arm in content["arms"]] == ["full", "distilled", "random"]
    assert content["distillations"][0]["seconds"] > 0


@pytest.mark.parametrize("on", ["full", "distilled", "recent", "k-centre-soft"])
def test_train_on_anything(compared, log, tmp_path, on):
    _, out, content = compared
    path = write(log, tmp_path / "run.toml")
    told = train.run(
        config.read(path),
        tmp_path / "out",
        on=str(out / "distilled") if on == "distilled" else on,
        teacher=out / "sasrec" / "full" if "soft" in on else None,
        console=quiet(),
    )
    assert told["arm"] == on
    of_all = next(arm for arm in content["arms"] if arm["arm"] == on)
    # The same training as in the comparison.
    assert told["metrics"] == of_all["metrics"]
    ranks = pl.read_parquet(tmp_path / "out" / "values.parquet")
    assert ranks.columns == ["rank_0", "rank_1"]
    hits = (ranks.to_numpy() <= 10).mean(axis=0)
    np.testing.assert_allclose(hits, told["metrics"]["hr@10"]["seeds"])


def test_text_is_judged_by_perplexity(tmp_path):
    words = " ".join(np.random.default_rng(0).choice(["tea", "milk", "ale"], 600).tolist())
    (tmp_path / "text.txt").write_text(words)
    prepared = prepare(
        str(tmp_path / "text.txt"), TextOptions("words"), SplitOptions(split="position")
    )
    prepared.save(tmp_path / "prepared")
    arms = ("full", "distilled", "random-soft")
    path = write(tmp_path / "prepared", tmp_path / "run.toml", arms)
    path.write_text(path.read_text().replace("width = 8", 'width = 8\narchitecture = "lstm"'))
    content = evaluate.run(config.read(path), tmp_path / "out", console=quiet())
    assert content["main_metric"] == "perplexity"
    full, distilled, _ = content["arms"]
    seeds = full["metrics"]["perplexity"]["seeds"]
    assert 2.5 < min(seeds) < 4  # Three words at random.
    # Of about 60 words of four letters and a space each.
    bits = full["metrics"]["bits_per_byte"]["seeds"]
    np.testing.assert_allclose(np.log2(seeds) / bits, 5 - 1 / 3 - 1 / 3, atol=0.3)
    assert distilled["retention"]["perplexity"] == pytest.approx(
        full["metrics"]["perplexity"]["mean"] / distilled["metrics"]["perplexity"]["mean"]
    )
    assert "perplexity" in (tmp_path / "out" / "summary.md").read_text()


@pytest.mark.parametrize(
    ("change", "on", "message"),
    [
        (("", ""), "nothing", "--on nothing is neither a folder .* nor a subset; use full"),
        (("", ""), "distilled", "--on distilled is neither a folder"),
        (("", ""), "random-soft", "random-soft needs a learner trained on all data; name"),
        (("", ""), "random --teacher", "--teacher is given, but --on random needs none; leave it"),
        (("sequences = 4", "sequences = 4000"), "random", "4000 full sequences .* ask for fewer"),
        (("rates = [0.03]", "rates = [1e30]"), "full", "no finite score"),
    ],
)
def test_mistakes_are_told_with_a_remedy(log, tmp_path, change, on, message):
    path = write(log, tmp_path / "run.toml")
    path.write_text(path.read_text().replace(*change, 1))
    on, _, teacher = on.partition(" ")
    teacher = tmp_path if teacher else None
    with pytest.raises((ValueError, FloatingPointError), match=message):
        train.run(config.read(path), tmp_path / "out", on=on, teacher=teacher, console=quiet())
    assert not (tmp_path / "out" / "results.json").exists()


def test_seen_items_of_text_are_no_setting(tmp_path):
    path = small_log.write(tmp_path, "tea milk ale " * 50, "text.txt")
    prepare(str(path), TextOptions("words"), SplitOptions(split="position")).save(tmp_path / "p")
    path = write(tmp_path / "p", tmp_path / "run.toml")
    path.write_text(path.read_text().replace("[learner]", "leave_out_seen = true\n[learner]"))
    with pytest.raises(ValueError, match="leave_out_seen is set, but the data are text"):
        train.run(config.read(path), tmp_path / "out", console=quiet())


def test_the_command_trains(log, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__).parents[1] / ".cache"))
    path = write(log, tmp_path / "run.toml")
    command = [sys.executable, "-m", "farzi", "train", str(path), "--out", str(tmp_path / "out")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert "NDCG@10" in answer.stdout
    assert (tmp_path / "out" / "results.json").exists()
    command[-3:-2] = [str(tmp_path / "none.toml")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 1
    assert answer.stderr.startswith("farzi: there is no file")
