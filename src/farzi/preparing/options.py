"""The settings of `prepare`. Nothing here needs any library, so that commands answer at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["last", "time", "sequences", "position"]


@dataclass(frozen=True)
class SplitOptions:
    """Which events are held out.

    Attributes:
        split: the "last" event of each sequence for the test and the one before for validation; or
            all that happens after a point in "time"; or whole "sequences", drawn at random; or the
            end of each sequence, by "position". Where it is not given: the files named train, valid
            and test, if there are such; or else "last" for events, and for text "position" for one
            sequence and "sequences" for several.
        validation_share: of the events, or of the sequences; not for "last".
        test_share: likewise.
        seed: of the draw.
    """

    split: How | None = None
    validation_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.validation_share > 0 < self.test_share):
            raise ValueError("validation_share and test_share are shares above 0; give both such.")
        if not self.validation_share + self.test_share < 1:
            raise ValueError(
                f"validation_share and test_share are {self.validation_share} and "
                f"{self.test_share}, which leaves nothing to train on; lower them."
            )


@dataclass(frozen=True)
class EventOptions:
    """What of a log becomes sequences.

    Attributes:
        user: column that says whose an event is, if it is not recognised by its name.
        item: column that says what it was, likewise.
        time: column that says when.
        rating: column that says how it was rated.
        type: column that says of what type it was, such as "view".
        min_user_events: users with fewer events are left out.
        min_item_events: likewise items.
        once: apply the two minima once, to the counts of the whole log, and not until both hold.
        min_rating: events rated lower are left out.
        types: events of other types are left out; all are kept if none is named.
        visit_gap: seconds (or the file's own unit) without an event that begin a new sequence.
        collapse_repeats: keep one of several equal events in a row.
        max_length: keep the last so many events of each sequence.
        bins: the items are numbers, which become so many tokens: quantiles of the training events.
        drop_incomplete: leave out events without user, item or time, which are an error otherwise.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    type: str | None = None
    min_user_events: int = 1
    min_item_events: int = 1
    once: bool = False
    min_rating: float | None = None
    types: tuple[str, ...] = ()
    visit_gap: float | None = None
    collapse_repeats: bool = False
    max_length: int | None = None
    bins: int | None = None
    drop_incomplete: bool = False

    def __post_init__(self) -> None:
        for name in ("min_user_events", "min_item_events", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; use a whole number from 1 up.")
        if self.bins is not None and self.bins < 2:
            raise ValueError(f"bins is {self.bins}; use a whole number from 2 up.")
        if self.bins is not None and self.min_item_events > 1:
            raise ValueError(
                "bins and min_item_events are both set, but numbers in a bin need not come often "
                "each; leave out min_item_events."
            )
        if self.once and self.min_user_events == self.min_item_events == 1:
            raise ValueError(
                "once is set, but no minimum to apply once; give min_user_events or "
                "min_item_events too."
            )
        if self.visit_gap is not None and not self.visit_gap > 0:
            raise ValueError(f"visit_gap is {self.visit_gap}; use a positive time.")


@dataclass(frozen=True)
class TextOptions:
    """How text becomes sequences.

    Attributes:
        tokenizer: "characters", "bytes", "words" (between white space; `<eos>` ends a line), "bpe"
            (learned from the training text), or the path of a tokenizer.json.
        unit: one sequence for each "whole" file or document, or for each "line".
        field: column of JSON Lines or Parquet that holds the documents; "text" if not given.
        bpe_size: tokens of "bpe".
        min_count: words that come fewer times become `<unk>`.
    """

    tokenizer: str
    unit: Literal["whole", "line"] = "whole"
    field: str | None = None
    bpe_size: int = 8192
    min_count: int = 1

    def __post_init__(self) -> None:
        for name, tokenizer in (("bpe_size", "bpe"), ("min_count", "words")):
            if getattr(self, name) != getattr(TextOptions, name) and self.tokenizer != tokenizer:
                raise ValueError(
                    f"{name} is set, which is for {tokenizer!r}, but the tokenizer is "
                    f"{self.tokenizer!r}; leave it out."
                )
        if self.bpe_size < 257:
            raise ValueError(
                f"bpe_size is {self.bpe_size}, but there are 256 bytes to begin with; use more."
            )
        if self.min_count < 1:
            raise ValueError(f"min_count is {self.min_count}; use a whole number from 1 up.")
