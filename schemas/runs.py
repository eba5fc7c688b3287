"""The log of runs: what made the published tables, and what it cost."""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas.identifiers import HIDDEN

SPENDING = ("model_calls", "cached_calls", "input_tokens", "output_tokens")


class RunLog(pa.DataFrameModel):
    """Steps that produced the published tables: rows in and out, seconds, code version."""

    run_id: pl.String = pa.Field(description="Run of the pipeline that the step belonged to.")
    stage: pl.String = pa.Field(str_length={"min_value": 1}, description="Step of the pipeline.")
    batch: pl.String = pa.Field(
        nullable=True, description="Batch that the step worked on; null for the whole."
    )
    rows_in: pl.UInt64 = pa.Field(
        description="Rows read; to two digits where a model left conversations unread."
    )
    rows_out: pl.UInt64 = pa.Field(description="Rows written, told as rows_in is.")
    seconds: pl.Float64 = pa.Field(ge=0, description="Wall time of the step.")
    model_calls: pl.UInt64 = pa.Field(
        nullable=True,
        description="Calls of language models, to the nearest ten or two digits, and so are tokens and cost; null without a "
        "model, where few rows stand behind it, or where they changed.",
    )
    cached_calls: pl.UInt64 = pa.Field(
        nullable=True, description="Answers that were known already and cost nothing, rounded."
    )
    input_tokens: pl.UInt64 = pa.Field(nullable=True, description="Tokens of the prompts, rounded.")
    output_tokens: pl.UInt64 = pa.Field(nullable=True, description="Tokens of the answers, rounded.")
    cost: pl.Float64 = pa.Field(
        ge=0,
        nullable=True,
        description="US dollars at the prices in the settings, two digits; null where there is none.",
    )
    finished_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="When it finished, UTC.")
    code_version: pl.String = pa.Field(description="Version of the code and of what it depends on.")
    note: pl.String = pa.Field(nullable=True, description="Remark for people; never content.")

    @pa.dataframe_check
    @classmethod
    def strings_are_visible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No control, bidirectional or zero-width characters."""
        return data.lazyframe.select(
            pl.all_horizontal(
                ~pl.col(name).fill_null("").str.contains(HIDDEN) for name in ("batch", "note", "stage")
            )
        )

    @pa.dataframe_check
    @classmethod
    def spending_is_rounded(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No count of calls or tokens is told to the last one: what one conversation adds does not show."""
        return data.lazyframe.select(
            pl.all_horizontal(pl.col(name).fill_null(0) % 10 == 0 for name in SPENDING)
        )

    class Config:
        """Exactly these columns."""

        strict = True
