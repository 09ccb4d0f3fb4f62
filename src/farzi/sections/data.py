"""What is distilled, and what learners are asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from farzi.data import Split, flight_times, flights, leave_last_out
from farzi.evaluation import Task
from farzi.metrics import Text
from farzi.preparing.folder import Prepared, load_prepared
from farzi.sections.checks import check_positive


@dataclass(frozen=True)
class DataConfig:
    """What is distilled: a data set, or the size of one that is still to be prepared.

    Attributes:
        name: of a packaged data set.
        folder: that `farzi prepare` wrote.
        vocabulary: how many tokens there will be.
        validation_questions: how many questions a validation will ask.
        leave_out_seen: rank only items that are not in the user's history; all if not given.
    """

    name: Literal["flights"] | None = None
    folder: str | None = None
    vocabulary: int | None = None
    validation_questions: int | None = None
    leave_out_seen: bool | None = None

    def __post_init__(self) -> None:
        if [self.name, self.folder, self.vocabulary].count(None) != 2:
            raise ValueError(
                'give one of name = "flights", folder = "prepared" and vocabulary = (a number)'
            )
        if self.vocabulary is None and self.validation_questions is not None:
            raise ValueError("the data have their own validation_questions; leave the key out")
        check_positive(self, "vocabulary", "validation_questions")

    @cached_property
    def prepared(self) -> Prepared | None:
        """The folder's content, if it is a folder."""
        return None if self.folder is None else load_prepared(self.folder)

    @cached_property
    def split(self) -> Split | None:
        """The data set, split; None for one that is still to be prepared."""
        if self.prepared is not None:
            return self.prepared.split
        return None if self.name is None else leave_last_out(flights())

    @property
    def tokens(self) -> int:
        """Size of the vocabulary."""
        if self.split is not None:
            return len(self.split.train.vocabulary)
        assert self.vocabulary is not None
        return self.vocabulary

    @property
    def questions(self) -> int | None:
        """Number of validation questions, if known."""
        return self.validation_questions if self.split is None else len(self.split.validation)

    def task(self, context: int) -> Task:
        """What learners learn from and are asked, if they read `context` events.

        Raises:
            ValueError: if there are no data, or they are text and `leave_out_seen` is set.
        """
        split, prepared = self.split, self.prepared
        if split is None:
            raise ValueError(
                "[data] names no data, only a vocabulary; write folder = and the name of a folder "
                "that farzi prepare wrote."
            )
        if prepared is None or not prepared.is_text:
            return Task.of(
                split,
                context,
                leave_out_seen=bool(self.leave_out_seen),
                content="" if prepared is None else prepared.content,
                times=flight_times() if prepared is None else prepared.times,
            )
        if self.leave_out_seen is not None:
            raise ValueError(
                "[data] leave_out_seen is set, but the data are text, of which every next token is "
                "asked for; leave it out."
            )
        parts = [prepared.cuts.part(prepared.sequences, which) for which in ("validation", "test")]
        asked = (Text.of(part, context) for part in parts)
        size = prepared.text_bytes(parts[1])
        content = f"{prepared.content}, {context} of a context"
        return Task(split.train, *asked, content=content, test_bytes=size)

    @property
    def words(self) -> str:
        """The data in words."""
        if self.prepared is not None:
            return str(self.prepared.card["source"])
        return "flights that left New York City in 2013"
