"""The command as a user runs it: another process."""

import subprocess
import sys
from pathlib import Path

import pytest


def farzi(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "farzi", *arguments], capture_output=True, text=True, timeout=300
    )


def test_help_names_the_commands():
    answer = farzi("--help")
    assert answer.returncode == 0
    assert "demo" in answer.stdout
    assert "plan" in answer.stdout


def test_help_imports_nothing_that_takes_long():
    code = "import sys, farzi.cli; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0
    assert not {"jax", "numpy", "polars", "matplotlib", "equinox"} & set(answer.stdout.split())


@pytest.mark.parametrize("seed", ["-1", "100000000"])
def test_an_impossible_seed_is_refused(tmp_path, seed):
    answer = farzi("demo", "--out", str(tmp_path), "--seed", seed)
    assert answer.returncode == 1
    assert answer.stderr == f"farzi: --seed is {seed}; use a whole number from 0 to 99999999.\n"


def test_a_file_in_place_of_the_folder_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    answer = farzi("demo", "--out", str(path))
    assert answer.returncode == 1
    assert "is a file" in answer.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_file_in_place_of_the_folder_is_refused_before_any_work(tmp_path, command, small):
    path = tmp_path / "file"
    path.write_text("mine")
    answer = farzi(command, str(small), "--out", str(path))
    assert answer.returncode == 1
    assert answer.stderr == f"farzi: --out {path} is a file; name a folder, which may be new.\n"
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    answer = farzi("demo", "--out", str(tmp_path / "file" / "out"))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"farzi: --out {tmp_path / 'file' / 'out'} cannot be written")
    assert answer.stderr.endswith("name another folder.\n")


def test_an_unknown_option_names_the_nearest():
    answer = farzi("demo", "--sed", "1")
    assert answer.returncode == 2
    assert "--seed" in answer.stdout + answer.stderr


SMALL = """
[data]
vocabulary = 20
validation_questions = 12

[learner]
width = 4
layers = 1

[recipe]
sequences = 4
length = 2
context = 3
rank = 2
labels = "next"
start = "noise"
inner_steps = 2
outer_steps = 5
real_batch = 4
validation_runs = 1
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    # Programs are kept where tests keep theirs.
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__).parents[1] / ".cache"))
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_plan_tells_memory_and_time(small):
    answer = farzi("plan", str(small))
    assert answer.returncode == 0, answer.stderr
    assert "StoreStates()" in answer.stdout
    assert "5 of" in answer.stdout
    assert answer.stdout.count("\n") < 15


def test_plan_refuses_what_cannot_fit_in_one_line(small):
    answer = farzi("plan", str(small), "--memory-budget", "2 kB")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("farzi: the run does not fit: ")
    assert answer.stderr.count("\n") == 1


def test_plan_names_a_mistake_in_the_configuration(small, tmp_path):
    small.write_text(SMALL.replace("outer_steps", "outer_step"))
    answer = farzi("plan", str(small))
    assert answer.returncode == 1
    assert answer.stderr == (
        f"farzi: {small}: there is no key 'outer_step' in [recipe]; the nearest is 'outer_steps'.\n"
    )
    answer = farzi("plan", str(tmp_path / "none.toml"))
    assert answer.returncode == 1
    assert answer.stderr.startswith("farzi: there is no file ")


def test_plan_needs_a_configuration():
    assert farzi("plan").returncode == 2
