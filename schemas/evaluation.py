"""The evaluation core: what a subject model is asked, what it answers, and what that amounts to."""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas.identifiers import HIDDEN

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String})
GROUP = pl.Struct({"attribute": pl.String, "level": pl.String})
MESSAGES = pl.List(MESSAGE)
GROUPS = pl.List(GROUP)
ANSWERED, REFUSED, UNPARSEABLE = "answered", "refused", "unparseable"
FAULT, UNAVAILABLE = "fault", "unavailable"
STATUSES = (ANSWERED, REFUSED, UNPARSEABLE, FAULT, UNAVAILABLE)
NO_OPTION, NO_MASS, NO_ANSWER, UNASKED = "no_option", "no_probability", "no_answer", "unasked"
LOST = {
    NO_OPTION: "names no option",
    NO_MASS: "no probability of any option",
    NO_ANSWER: "no answer",
    UNASKED: "not asked",
    "refused": "declined to answer",
    "empty": "answered nothing",
    "truncated": "cut off",
    "malformed": "unreadable answer of the server",
    "wrong_model": "answered by another model",
    "too_long": "longer than the model's context",
    "rejected": "refused by the server",
    "unavailable": "server not reached",
    "timed_out": "timed out",
}
"""Why an answer cannot be scored, by code, in words that may be shown."""
PROTOCOLS = ("logprobs", "samples", "text", "supplied")
BY_ITEM, BY_USAGE = "items", "usage"
WEIGHTINGS = (BY_ITEM, BY_USAGE)
LOW_MASS = 0.01
"""Mass on none of the options above which an answer by option probabilities is counted as one of low mass."""


def _text(columns: tuple[str, ...]) -> pl.Expr:
    return pl.all_horizontal(~pl.col(name).fill_null("").str.contains(HIDDEN) for name in columns)


class EvalItem(pa.DataFrameModel):
    """Questions of a suite: one row for each thing that a subject model is asked.

    An item with options is answered by the options' probabilities, one without by text. Where `follow_up` is given, the
    model first answers `messages` freely and is then asked `follow_up` with its own answer before it.
    """

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite that the item belongs to.")
    item_id: pl.String = pa.Field(
        unique=True,
        str_length={"min_value": 1},
        description="Id of the item; the same content has the same id.",
    )
    dataset: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="Part of the suite: a behaviour, a fill of the template, a file.",
    )
    condition: pl.String = pa.Field(
        str_length={"min_value": 1}, description="How it is asked: an intervention, a style; or default."
    )
    groups: Annotated[pl.List, GROUP] = pa.Field(
        description="Attributes that the suite compares, each with its level here."
    )
    unit: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="What is drawn anew for intervals: items that share it are not independent.",
    )
    topic: pl.String = pa.Field(
        nullable=True, description="What the item is about in plain words; compared with real usage."
    )
    messages: Annotated[pl.List, MESSAGE] = pa.Field(description="Turns of the prompt: role and content.")
    follow_up: pl.String = pa.Field(
        nullable=True, description="What is asked after the model's first, free answer."
    )
    prefill: pl.String = pa.Field(nullable=True, description="How the (last) answer begins.")
    options: Annotated[pl.List, pl.String] = pa.Field(
        description="Answers to choose from; empty where the answer is text."
    )
    target: pl.String = pa.Field(
        nullable=True, description="The option or text that counts as right, or as matching the behaviour."
    )
    samples: pl.UInt16 = pa.Field(ge=1, description="Free answers that are drawn.")
    temperature: pl.Float64 = pa.Field(ge=0, description="Temperature of free answers.")
    max_tokens: pl.UInt16 = pa.Field(ge=1, description="Tokens of a free answer at most.")
    seed_cluster_id: pl.String = pa.Field(
        nullable=True, description="Published cluster of real usage that the item was drafted from."
    )
    weight: pl.Float64 = pa.Field(
        ge=0,
        nullable=True,
        description="Share of real usage that the item's cluster has; null without a cluster.",
    )

    class Config:
        """Exactly these columns."""

        strict = True


class EvalAnswer(pa.DataFrameModel):
    """Answers of one subject model: one row for each item and sample. Nothing is dropped: what failed says why."""

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite of the item.")
    subject: pl.String = pa.Field(str_length={"min_value": 1}, description="Name of the subject model.")
    item_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Item that was asked.")
    sample: pl.UInt16 = pa.Field(description="Ordinal of the drawn answer, 0 first.")
    protocol: pl.String = pa.Field(
        isin=PROTOCOLS,
        description="logprobs of options, samples of options, text; or supplied: a choice that somebody else collected.",
    )
    logprobs: Annotated[pl.List, pl.Float64] = pa.Field(
        nullable=True,
        description="Natural log-probability of each option, in the item's order; -inf where it was not seen.",
    )
    missing_mass: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Probability of none of the options."
    )
    choice: pl.String = pa.Field(nullable=True, description="Option that was chosen, or is the likeliest.")
    text: pl.String = pa.Field(nullable=True, description="What was answered freely.")
    reasoning: pl.String = pa.Field(nullable=True, description="Free answer before a follow-up.")
    status: pl.String = pa.Field(
        isin=STATUSES,
        description="answered, refused, unparseable (no option can be read in it), fault (no answer came) or unavailable "
        "(none came, and the next evaluation asks again).",
    )
    reason: pl.String = pa.Field(
        nullable=True,
        isin=list(LOST),
        description="Why it cannot be scored, as in eval_losses; null where it can.",
    )

    @pa.dataframe_check
    @classmethod
    def what_is_lost_says_why(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A reason is given of every answer that cannot be scored, and of no other."""
        return data.lazyframe.select(pl.col("reason").is_null() == (pl.col("status") == ANSWERED))

    class Config:
        """Exactly these columns, one row per item and sample of a subject."""

        strict = True
        unique = ["subject", "item_id", "sample"]  # noqa: RUF012 pandera reads a plain list


class EvalMetric(pa.DataFrameModel):
    """What the answers of each subject amount to: estimates with their intervals, by suite, dataset, condition and group."""

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite.")
    metric: pl.String = pa.Field(
        str_length={"min_value": 1}, description="What is estimated; docs/papers says how."
    )
    subject: pl.String = pa.Field(str_length={"min_value": 1}, description="Subject model.")
    dataset: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Part of the suite; all: the whole."
    )
    condition: pl.String = pa.Field(str_length={"min_value": 1}, description="How it was asked.")
    group: pl.String = pa.Field(
        nullable=True, description="Attribute whose level this is about; null: all items."
    )
    level: pl.String = pa.Field(nullable=True, description="Level of the attribute.")
    weighting: pl.String = pa.Field(
        isin=WEIGHTINGS,
        description="items: every item counts once; usage: by the share of real usage that it stands for.",
    )
    estimate: pl.Float64 = pa.Field(nullable=True, description="Estimate; null where it is not defined.")
    ci_low: pl.Float64 = pa.Field(nullable=True, description="Lower end of the 95 % interval.")
    ci_high: pl.Float64 = pa.Field(nullable=True, description="Upper end of the 95 % interval.")
    method: pl.String = pa.Field(
        str_length={"min_value": 1}, description="How estimate and interval were made."
    )
    n: pl.UInt32 = pa.Field(description="Answers that the estimate rests on.")
    units: pl.UInt32 = pa.Field(description="Independent units among them.")
    missing: pl.UInt32 = pa.Field(description="Answers left out of it: refused, unparseable or not given.")

    @pa.dataframe_check
    @classmethod
    def interval_holds_estimate(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An estimate lies in its interval, whose ends are given together."""
        low, high, estimate = pl.col("ci_low"), pl.col("ci_high"), pl.col("estimate")
        inside = (low <= estimate + 1e-9) & (estimate <= high + 1e-9)
        together = low.is_null() == high.is_null()
        return data.lazyframe.select(together & inside.fill_null(True))

    @pa.dataframe_check
    @classmethod
    def numbers_are_finite(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No NaN and no infinity: what is not defined is null."""
        names = ("estimate", "ci_low", "ci_high")
        return data.lazyframe.select(
            pl.all_horizontal(pl.col(name).is_finite().fill_null(True) for name in names)
        )

    @pa.dataframe_check
    @classmethod
    def strings_are_visible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No control, bidirectional or zero-width characters."""
        return data.lazyframe.select(_text(("subject", "dataset", "condition", "group", "level")))

    class Config:
        """Exactly these columns, one row per metric, subject, part and weighting."""

        strict = True
        unique = ["suite", "metric", "subject", "dataset", "condition", "group", "level", "weighting"]  # noqa: RUF012 pandera reads a plain list


class EvalSuite(pa.DataFrameModel):
    """What each subject was asked and what came of it: every refusal, fault and unreadable answer is counted."""

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite.")
    subject: pl.String = pa.Field(str_length={"min_value": 1}, description="Subject model.")
    dataset: pl.String = pa.Field(str_length={"min_value": 1}, description="Part of the suite.")
    condition: pl.String = pa.Field(str_length={"min_value": 1}, description="How it was asked.")
    protocol: pl.String = pa.Field(
        nullable=True, isin=PROTOCOLS, description="How answers were taken; null where none is there."
    )
    items: pl.UInt32 = pa.Field(description="Items of the part.")
    seeded: pl.UInt32 = pa.Field(description="Items drafted from clusters of real usage.")
    answers: pl.UInt32 = pa.Field(description="Answers, samples counted each.")
    answered: pl.UInt32 = pa.Field(description="Answers that can be scored.")
    refused: pl.UInt32 = pa.Field(description="Refusals.")
    unparseable: pl.UInt32 = pa.Field(description="Answers in which no option can be read.")
    faults: pl.UInt32 = pa.Field(description="Answers that never came.")
    unasked: pl.UInt32 = pa.Field(description="Items without any answer.")
    low_mass: pl.UInt32 = pa.Field(
        description=f"Answers by option probabilities with more than {LOW_MASS:.0%} on none of them."
    )
    missing_mass: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Mean probability of none of the options."
    )

    @pa.dataframe_check
    @classmethod
    def answers_add_up(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Each answer was scored, refused, unparseable or a fault."""
        parts = ("answered", "refused", "unparseable", "faults")
        total = pl.sum_horizontal(pl.col(name).cast(pl.Int64) for name in parts)
        return data.lazyframe.select(total == pl.col("answers").cast(pl.Int64))

    class Config:
        """Exactly these columns, one row per subject, part and protocol."""

        strict = True
        unique = ["suite", "subject", "dataset", "condition", "protocol"]  # noqa: RUF012 pandera reads a plain list


class EvalLoss(pa.DataFrameModel):
    """Why answers of each subject cannot be scored: counts by reason, with items that were never asked."""

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite.")
    subject: pl.String = pa.Field(str_length={"min_value": 1}, description="Subject model.")
    dataset: pl.String = pa.Field(str_length={"min_value": 1}, description="Part of the suite.")
    condition: pl.String = pa.Field(str_length={"min_value": 1}, description="How it was asked.")
    reason: pl.String = pa.Field(
        isin=list(LOST),
        description="; ".join(f"{code}: {words}" for code, words in LOST.items()) + ".",
    )
    answers: pl.UInt32 = pa.Field(ge=1, description="Answers that are lost for it; items where unasked.")

    class Config:
        """Exactly these columns, one row per subject, part and reason."""

        strict = True
        unique = ["suite", "subject", "dataset", "condition", "reason"]  # noqa: RUF012 pandera reads a plain list
