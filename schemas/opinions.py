"""Global opinions: what people of each country answered, and how like them each subject answers each question.

Source: specs/global_opinions.md 3.2.
"""

from __future__ import annotations

from typing import Annotated, Any

import pandera.polars as pa
import polars as pl


class HumanOpinion(pa.DataFrameModel):
    """Shares of the people of a country that chose each option of a survey question, as the file has them, normalised."""

    question_id: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Question: survey and a hash of its content."
    )
    unit: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="What is drawn anew: questions that say the same share it, asked in different years.",
    )
    dataset: pl.String = pa.Field(str_length={"min_value": 1}, description="Survey, such as GAS or WVS.")
    country: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Country or sample, verbatim from the file."
    )
    options: Annotated[pl.List, pl.String] = pa.Field(description="Options in words, in the file's order.")
    substantive: Annotated[pl.List, pl.Boolean] = pa.Field(
        description="Whether each option answers the question; not so: refused, no answer, does not know."
    )
    ordinal: pl.Boolean = pa.Field(
        description="Whether the substantive options go up or down one scale in this order."
    )
    shares: Annotated[pl.List, pl.Float64] = pa.Field(
        description="Share of each option, in the options' order; they sum to 1."
    )

    @pa.dataframe_check
    @classmethod
    def shares_are_of_the_options(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """As many shares as options, none below 0, in all 1."""
        shares, options = pl.col("shares").list, pl.col("options").list
        whole = (shares.sum() - 1).abs() < 1e-9
        return data.lazyframe.select((shares.len() == options.len()) & whole & (shares.min() >= 0))

    class Config:
        """Exactly these columns, one row per question and country."""

        strict = True
        unique = ["question_id", "country"]  # noqa: RUF012 pandera reads a plain list


def _similarity(description: str) -> Any:
    return pa.Field(ge=-1e-9, le=1 + 1e-9, nullable=True, description=description)


class OpinionQuestion(pa.DataFrameModel):
    """How like the people of the countries that answered a survey question each subject answers it, and how surely."""

    subject: pl.String = pa.Field(str_length={"min_value": 1}, description="Subject model.")
    dataset: pl.String = pa.Field(str_length={"min_value": 1}, description="Survey.")
    condition: pl.String = pa.Field(
        str_length={"min_value": 1}, description="default, country/NAME (persona) or language/NAME."
    )
    item_id: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Item of the suite that was asked."
    )
    question_id: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Question, the same under every condition."
    )
    countries: pl.UInt32 = pa.Field(ge=1, description="Countries whose people answered it.")
    similarity: pl.Float64 = _similarity(
        "1 - Jensen-Shannon distance (base 2) to the people of a country, mean over countries."
    )
    ordinal_similarity: pl.Float64 = _similarity(
        "1 - earth mover's distance, mean over countries; null where the options are on no scale."
    )
    most_similar: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Country whose people answer most like it."
    )
    most_similarity: pl.Float64 = _similarity("Its similarity.")
    least_similar: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Country whose people answer least like it."
    )
    least_similarity: pl.Float64 = _similarity("Its similarity.")
    entropy: pl.Float64 = pa.Field(
        ge=-1e-9, description="Entropy of the subject's answer in bits; 0: it is sure of one option."
    )
    human_entropy: pl.Float64 = pa.Field(
        ge=-1e-9, description="Entropy of people's answers in bits, mean over countries."
    )
    missing_mass: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Probability of none of the options."
    )
    usage: pl.Float64 = pa.Field(
        ge=0, description="Share of real usage that the item stands for; 0 where none is near."
    )

    class Config:
        """Exactly these columns, one row per subject and item."""

        strict = True
        unique = ["subject", "item_id"]  # noqa: RUF012 pandera reads a plain list
