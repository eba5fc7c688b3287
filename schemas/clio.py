"""Tables of the Clio room that stay restricted: facets, vectors, concern, and which cluster holds what."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import pandera.polars as pa
import polars as pl

KEY = r"^[0-9a-f]{32}$"
LANGUAGE = r"^(?:[a-z]{2}|und)$"
REQUEST_LENGTH = 240
TASK_LENGTH = 240
GLOSS_LENGTH = 2_000
DIMENSION = 384
BANDS = ("none", "low", "elevated", "high")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
UNIT_TOLERANCE = 1e-3


def unit_length_of(data: pa.PolarsData) -> pl.LazyFrame:
    """Which vectors of the column have length 1."""
    vector = pl.col(data.key)
    squares = vector.arr.eval(pl.element() * pl.element()).arr.sum()
    return data.lazyframe.select((squares - 1.0).abs() <= 2 * UNIT_TOLERANCE)


class Facet(pa.DataFrameModel):
    """What each conversation is about: one row per conversation, read from its redacted text.

    Restricted: `request`, `task` and the Latin words of `gloss` are the user's own words after redaction.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    user_key: pl.String = pa.Field(
        nullable=True, str_matches=KEY, description="Keyed pseudonym of the user; null where unknown."
    )
    started_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, ge=EARLIEST, lt=LATEST, description="When the conversation began; null where unknown."
    )
    week: pl.Date = pa.Field(
        nullable=True, description="Monday, in UTC, of the week in which it began; null where unknown."
    )
    model: pl.String = pa.Field(
        nullable=True, description="Name of the model that answered; null where unknown."
    )
    language: pl.String = pa.Field(
        str_matches=LANGUAGE,
        description="Language of the user's text, ISO 639-1; 'und' where it cannot be told.",
    )
    language_confidence: pl.Float32 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Probability of the best language; low values come with 'und'; null where a model told it.",
    )
    request: pl.String = pa.Field(
        str_length={"max_value": REQUEST_LENGTH},
        description="What the user asked: one line, at most 240 characters. Extractive: their redacted words, may be empty; by a model: in English, abstracted.",
    )
    task: pl.String = pa.Field(
        str_length={"max_value": TASK_LENGTH},
        description="Key phrase of the request, at most six words, lower case; by a model: what the assistant was to do.",
    )
    gloss: pl.String = pa.Field(
        str_length={"max_value": GLOSS_LENGTH},
        description="What the user's words name, in English by the reader's glossary, separated by semicolons; '' for none.",
    )
    turns: pl.UInt32 = pa.Field(description="Number of user turns.")
    characters: pl.UInt32 = pa.Field(description="Characters of all turns after redaction.")
    concern_lexical: pl.Float32 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Concern by words alone, over all user turns: 0 where no word of concern was met; null where a model rated.",
    )
    concern_rating: pl.UInt8 = pa.Field(
        nullable=True, ge=1, le=5, description="Concern as a model rated it, 1 to 5; null where none did."
    )
    truncated: pl.Boolean = pa.Field(
        description="Whether the reader left out a part of the stored conversation, because it is long."
    )
    flagged: pl.Boolean = pa.Field(
        nullable=True, description="What a classifier of the file said of it; null where it said nothing."
    )
    reader: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="What read the facets, with its version, such as extractive-v1.",
    )

    @pa.check("request", "task", "gloss", name="one_line")
    @classmethod
    def one_line(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No line breaks, controls or bidirectional marks."""
        return data.lazyframe.select(~pl.col(data.key).str.contains(r"[\p{Cc}\u202a-\u202e\u2066-\u2069]"))

    @pa.check("week", name="monday")
    @classmethod
    def monday(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A week is named by its Monday."""
        return data.lazyframe.select(
            pl.col(data.key).dt.weekday().fill_null(1) == date(2024, 1, 1).isoweekday()
        )

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class Embedding(pa.DataFrameModel):
    """Unit vectors of one facet of each conversation.

    Restricted: text can be guessed back from its embedding.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    embedding: pl.Array = pa.Field(
        dtype_kwargs={"inner": pl.Float32, "shape": DIMENSION}, description="Vector of length 1, 384 numbers."
    )
    facet: pl.String = pa.Field(str_length={"min_value": 1}, description="Which facet was embedded.")
    embedder: pl.String = pa.Field(str_length={"min_value": 1}, description="Which model embedded it.")

    @pa.check("embedding", name="unit_length")
    @classmethod
    def unit_length(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every vector has length 1."""
        return unit_length_of(data)

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class Concern(pa.DataFrameModel):
    """How concerning each conversation's request is: words and nearness to prototype sentences together.

    Restricted. A score for counting and comparing groups; its error rates are too high to act on one person.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    concern_score: pl.Float32 = pa.Field(ge=0, le=1, description="0 nothing of concern, 1 surely of concern.")
    concern_band: pl.String = pa.Field(
        isin=BANDS, description="Band of the score: none, low, elevated or high."
    )

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class ClusterAssignment(pa.DataFrameModel):
    """Which base cluster each conversation belongs to.

    Restricted.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    cluster_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Base cluster that holds it.")

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class ClusterCentroid(pa.DataFrameModel):
    """Centre of each base cluster; the next run starts from them, so that clusters keep their identity.

    Restricted.
    """

    cluster_id: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Base cluster.")
    centroid: pl.Array = pa.Field(
        dtype_kwargs={"inner": pl.Float32, "shape": DIMENSION},
        description="Mean direction of its members, length 1.",
    )
    size: pl.UInt32 = pa.Field(ge=1, description="Number of its conversations.")

    @pa.check("centroid", name="unit_length")
    @classmethod
    def unit_length(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every centroid has length 1."""
        return unit_length_of(data)

    class Config:
        """Exactly these columns."""

        strict = True


class ClusterNode(pa.DataFrameModel):
    """The tree of clusters before any threshold: base clusters at level 0, their groups above.

    Restricted: small nodes are in it. Names use only terms that enough users share.
    """

    cluster_id: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Id of the node.")
    level: pl.UInt8 = pa.Field(description="0 for base clusters; highest at the top.")
    parent_id: pl.String = pa.Field(nullable=True, description="The node above; null at the top.")
    name: pl.String = pa.Field(str_length={"min_value": 1}, description="Name; no two siblings share one.")
    summary: pl.String = pa.Field(description="What its conversations are about, in shared terms.")

    @pa.dataframe_check
    @classmethod
    def parent_above(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every parent is a node one level higher."""
        parents = data.lazyframe.select(parent_id="cluster_id", parent_level="level")
        joined = data.lazyframe.join(parents, on="parent_id", how="left", maintain_order="left")
        above = (pl.col("parent_level") == pl.col("level") + 1).fill_null(False)
        return joined.select(pl.col("parent_id").is_null() | above)

    @pa.dataframe_check
    @classmethod
    def one_top(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Exactly the nodes of the highest level have no parent."""
        top = pl.col("level") == pl.col("level").max()
        return data.lazyframe.select(pl.col("parent_id").is_null() == top)

    class Config:
        """Exactly these columns."""

        strict = True


class CountedConversation(pa.DataFrameModel):
    """Conversations behind the current release, as they were counted, and the published clusters that count them.

    Restricted. The next release is compared with it. Empty where the release holds noisy counts.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    cluster_id: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Base cluster it was counted in, or the pool of the newest."
    )
    user_key: pl.String = pa.Field(
        nullable=True, str_matches=KEY, description="Keyed pseudonym of the user; null where unknown."
    )
    language: pl.String = pa.Field(nullable=True, description="Language it was counted with.")
    week: pl.Date = pa.Field(nullable=True, description="Week it was counted in; null where unknown.")
    model: pl.String = pa.Field(nullable=True, description="Model it was counted with; null where unknown.")
    concern_band: pl.String = pa.Field(nullable=True, description="Band of concern it was counted with.")
    turns_band: pl.String = pa.Field(nullable=True, description="Band of user turns when it was counted.")
    flag: pl.String = pa.Field(
        nullable=True,
        isin=["flagged", "not flagged", "unknown"],
        description="Supplied flag when it was counted.",
    )
    clusters: pl.List = pa.Field(
        dtype_kwargs={"inner": pl.String}, description="Published clusters that count it, in no order."
    )

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list
