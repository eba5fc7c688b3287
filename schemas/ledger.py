"""What differential privacy has cost: the public summary of a home's ledger."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class PrivacyLedger(pa.DataFrameModel):
    """What noisy releases of this home have spent, by release and mechanism; empty where all counts are exact.

    The guarantee is about counts, given fixed cluster labels. Charges add up.
    """

    release: pl.UInt32 = pa.Field(ge=1, description="Ordinal of the noisy release, 1 first.")
    mechanism: pl.String = pa.Field(
        str_length={"min_value": 1}, description="What was drawn with noise, and how."
    )
    epsilon: pl.Float64 = pa.Field(gt=0, description="Epsilon that the mechanism spent.")
    delta: pl.Float64 = pa.Field(ge=0, lt=1, description="Chance with which its guarantee may fail.")
    l0: pl.UInt32 = pa.Field(ge=1, description="Groups in which one unit is counted at most.")
    linf: pl.UInt32 = pa.Field(ge=1, description="Rows of one unit counted in one group at most.")
    unit: pl.String = pa.Field(
        isin=["user", "conversation"],
        description="Whose presence is protected: a user's, or only a conversation's where any file was added so.",
    )
    epsilon_spent: pl.Float64 = pa.Field(gt=0, description="Epsilon spent by this and all earlier releases.")
    delta_spent: pl.Float64 = pa.Field(ge=0, description="Delta spent by this and all earlier releases.")

    class Config:
        """Exactly these columns, one row per release and mechanism."""

        strict = True
        unique = ["release", "mechanism"]  # noqa: RUF012 pandera reads a plain list
