"""Schema of the choice between several versions of a conversation."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class CurrentConversation(pa.DataFrameModel):
    """Which version of each conversation counts: one row per conversation id, with the batch that holds it."""

    conversation_id: pl.String = pa.Field(description="Id of the conversation.")
    batch: pl.String = pa.Field(description="Key of the batch that holds its latest version.")

    class Config:
        """One row per conversation; unknown columns are rejected."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads the plain attribute
