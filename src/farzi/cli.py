"""The commands. JAX is imported only once a command needs it, so that `--help` answers at once."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from farzi.preparing.options import EventOptions, SplitOptions, TextOptions


def demo(
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("farzi-demo"),
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
) -> None:
    """Distil the packaged flights, train on the result, and compare with training on everything.

    Args:
        out: folder for report.html, results.json and the distilled data.
        seed: same seed, same machine: the same results.
    """
    if not 0 <= seed < 10**8:
        raise ValueError(f"--seed is {seed}; use a whole number from 0 to 99999999.")
    _check_out(out)
    _keep_compiled_programs()
    from farzi.demo import run

    run(out, seed)


def _check_out(out: Path) -> None:
    """Raise unless something can be written to the folder: rather now than after all the work."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; name a folder, which may be new.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise ValueError(
            f"--out {out} cannot be written to ({error.strerror}); name another folder."
        ) from None


def plan(
    config: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")],
    memory_budget: Annotated[str | None, tyro.conf.arg(metavar="AMOUNT")] = None,
) -> None:
    """Tell what a distillation will need, in memory and time, before it is run.

    Memory is what the compiler states, time what a few outer steps on random data take.

    Args:
        config: a TOML file such as examples/flights.toml.
        memory_budget: such as "4 GB", in place of the one in the file.
    """
    _keep_compiled_programs()
    from farzi.config import read
    from farzi.planning import plan

    run = read(config, memory_budget)
    forecast = plan(
        run.make_learner,
        run.recipe,
        memory_budget=run.memory.budget,
        validation_questions=run.data.questions,
    )
    print(forecast)


def train(
    config: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")],
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("trained"),
    on: Annotated[str, tyro.conf.arg(metavar="DATA")] = "full",
    teacher: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
) -> None:
    """Train a learner, search its learning rate, and test it.

    A training that was interrupted goes on where it was when it is started again.

    Args:
        config: a TOML file such as examples/flights.toml.
        out: folder for the learners, their scores, and results.json.
        on: "full" data; a folder of distilled data; or a subset as large as [recipe] says: random,
            recent, popular, longest, k-centre, facility-location, each also with "-soft" labels.
        teacher: folder of an earlier training on all data, for subsets that need one.
    """
    _keep_compiled_programs()
    from farzi.commands.train import run
    from farzi.config import read

    settings = read(config)
    _check_out(out)
    run(settings, out, on=on, teacher=teacher)


def evaluate(
    config: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")],
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("evaluated"),
) -> None:
    """Compare kinds of training data: full, distilled, and subsets, on equal terms.

    What was done before it was interrupted is not done again.

    Args:
        config: a TOML file such as examples/flights.toml.
        out: folder for results.json, summary.md with its pictures, and every training.
    """
    _keep_compiled_programs()
    from farzi.commands.evaluate import run
    from farzi.config import read

    settings = read(config)
    _check_out(out)
    run(settings, out)


def inspect(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")],
    real: Annotated[str | None, tyro.conf.arg(metavar="DATA")] = None,
    sequences: Annotated[int, tyro.conf.arg(metavar="N")] = 3,
    top: Annotated[int, tyro.conf.arg(metavar="N")] = 3,
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
) -> None:
    """Show what is in distilled data: likely tokens, how sharp they are, and what they are near to.

    Args:
        folder: of the distilled data.
        real: what they were distilled from, to compare them with: a folder that `farzi prepare`
            wrote, or "flights".
        sequences: how many of them to show.
        top: tokens to show at each place.
        seed: of the sequences that are drawn at random.
    """
    for name, value, least in (("sequences", sequences, 1), ("top", top, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"--{name} is {value}; use a whole number from {least} up.")
    from farzi.commands.inspect import inspect
    from farzi.sections import DataConfig
    from farzi.storage import load

    data, split = load(folder), None
    if real is not None:
        split = (DataConfig(name="flights") if real == "flights" else DataConfig(folder=real)).split
    train = None if split is None else split.train
    print(inspect(data, train, sequences=sequences, top=top, seed=seed))


@dataclass(frozen=True)
class _TextOptions(TextOptions):
    """`TextOptions`, of which the command line calls the tokenizer `--text`.

    Attributes:
        tokenizer: the source is text: characters, bytes, words (between white space; `<eos>` ends
            a line), bpe (learned from the training text), or the path of a tokenizer.json.
    """

    tokenizer: Annotated[
        str,
        tyro.conf.arg(name="text", metavar="TOKENIZER", help_behavior_hint="(default: no text)"),
    ] = ""

    def __post_init__(self) -> None:
        if self.tokenizer:
            super().__post_init__()


def prepare(
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")],
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("prepared"),
    columns: Annotated[str | None, tyro.conf.arg(metavar="NAME,NAME...")] = None,
    separator: Annotated[str | None, tyro.conf.arg(metavar="CHARACTER")] = None,
    show: bool = False,
    text: tyro.conf.OmitArgPrefixes[_TextOptions] = _TextOptions(),
    events: tyro.conf.OmitArgPrefixes[EventOptions] = EventOptions(),  # noqa: B008
    split: tyro.conf.OmitArgPrefixes[SplitOptions] = SplitOptions(),  # noqa: B008
) -> None:
    """Turn a log or text into sequences to distil: read, check, split, and say what was left out.

    Args:
        source: CSV, TSV, RecBole's .inter, "user item" lines, Parquet, JSON Lines or Arrow: a file,
            a glob in quotation marks, or a folder.
        out: folder for the result.
        columns: of a file without header, in order, such as user,item,rating,time.
        separator: between fields, if it is not recognised.
        show: print the first sequences as they were understood.
        text: how text becomes tokens.
        events: what of the log is kept.
        split: which events are held out.
    """
    from farzi.preparing.account import account, first_rows
    from farzi.preparing.folder import check_free
    from farzi.preparing.prepare import prepare

    check_free(out)  # Rather now than after all the work.
    unused = _given(events if text.tokenizer else text)
    if unused:
        raise ValueError(
            f"--text is given, and for events {', '.join(unused)}; leave out either."
            if text.tokenizer
            else f"for text {', '.join(unused)} is given, but no --text; give --text TOKENIZER too."
        )
    prepared = prepare(
        source,
        text if text.tokenizer else events,
        split,
        separator=separator,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
    )
    prepared.save(out)
    print(account(prepared))
    if show:
        print(first_rows(prepared))
    print(f"\nWritten to {out}.")


def _given(options: Any) -> list[str]:
    """The options that are not as they are by default, as they are typed."""
    return [
        "--" + field.name.replace("_", "-")
        for field in fields(options)
        if getattr(options, field.name) != field.default
    ]


def _keep_compiled_programs() -> None:
    """Programs compiled by one command serve the next."""
    import jax
    import platformdirs

    jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("farzi") + "/jax")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def main() -> None:
    """Run the command line; what a user can mend ends with one message and exit code 1."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "demo": demo,
                "prepare": prepare,
                "plan": plan,
                "train": train,
                "evaluate": evaluate,
                "inspect": inspect,
            },
            prog="farzi",
            description="Shrink a log of sequences into a handful that train models as well.",
        )
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"farzi: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("farzi: interrupted.", file=sys.stderr)
        sys.exit(130)
