"""Identity of clusters over time: the restricted log of every re-clustering, and what of it anyone may read."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from schemas.identifiers import ANY_IDENTIFIER, HIDDEN

NAME_LENGTH = 120
PRESENT = ("born", "continued", "split")
GONE = ("merged", "died")
CHANGES = (*PRESENT, *GONE)
SHOWN = (*PRESENT, "dormant", "revived")
EVENTS = (*SHOWN, *GONE)
BANDS = (0.05, 0.1, 0.25, 0.5)
MONDAY = 1


class ClusterMember(pa.DataFrameModel):
    """Which base cluster held each conversation at the newest release: what the next one is compared with.

    Restricted. State of the home: only conversations that count today are in it.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    cluster_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Base cluster that holds it.")
    release: pl.UInt32 = pa.Field(
        ge=1, description="Ordinal of the newest clustering, the same in every row."
    )

    @pa.dataframe_check
    @classmethod
    def one_release(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """All rows are of one clustering."""
        return data.lazyframe.select(pl.col("release") == pl.col("release").max())

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class ClusterChange(pa.DataFrameModel):
    """What each re-clustering did to each cluster, with exact counts: one row per cluster and release, and per loss.

    Restricted: clusters of every size are in it. Rows of earlier releases stay as they were written.
    """

    release: pl.UInt32 = pa.Field(ge=1, description="Ordinal of the clustering in this home, 1 first.")
    level: pl.UInt8 = pa.Field(description="Height in the tree: 0 for base clusters.")
    event: pl.String = pa.Field(isin=CHANGES, description="born, continued, split, merged or died.")
    cluster_id: pl.String = pa.Field(
        nullable=True, description="Cluster of this release; where one merged, the receiver; null where died."
    )
    parent_id: pl.String = pa.Field(
        nullable=True, description="Node above it; null at the top and where the cluster is gone."
    )
    previous_id: pl.String = pa.Field(
        nullable=True, description="Cluster of the release before that it continues, split off or was."
    )
    conversations: pl.UInt32 = pa.Field(nullable=True, description="Conversations of `cluster_id` now.")
    known: pl.UInt32 = pa.Field(
        nullable=True, description="Those of them that the clustering before held as well."
    )
    previous_known: pl.UInt32 = pa.Field(
        nullable=True, description="Conversations of `previous_id` before that count today as well."
    )
    shared: pl.UInt32 = pa.Field(
        nullable=True, description="Conversations that were in `previous_id` and are in `cluster_id`."
    )

    @pa.dataframe_check
    @classmethod
    def columns_fit_the_event(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Each event has the ids that it is about, and no other."""
        return data.lazyframe.select(_ids_fit(pl.col("event") == "continued"))

    @pa.dataframe_check
    @classmethod
    def shared_by_both(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """What two clusters share is at most either."""
        least = pl.min_horizontal("known", "previous_known")
        return data.lazyframe.select((pl.col("shared") <= least).fill_null(True))

    @pa.dataframe_check
    @classmethod
    def one_row_per_cluster(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A release says one thing about each of its clusters, and one about each that it lost."""
        return data.lazyframe.select(_subject_is_unique())

    class Config:
        """Exactly these columns."""

        strict = True


class ClusterLineage(pa.DataFrameModel):
    """What became of each published cluster from release to release: born, continued, split, merged, dormant, died.

    Rows of earlier releases stay. Only clusters that are or were published are named; a cluster that is no longer
    shown has died here, whether it is gone or too few people share it.
    """

    release: pl.UInt32 = pa.Field(
        ge=1, description="Ordinal of the clustering that the release shows, 1 for the home's first."
    )
    level: pl.UInt8 = pa.Field(description="Height of the cluster in the tree: 0 is the finest level.")
    event: pl.String = pa.Field(
        isin=EVENTS,
        description="born (first shown), continued, split (off `previous_id`), dormant (shown, but its use has "
        "stopped), revived (in use or shown again), merged (`previous_id` into `cluster_id`), died (no longer shown).",
    )
    cluster_id: pl.String = pa.Field(
        nullable=True, description="Cluster of this release; where one merged, the receiver; null where died."
    )
    name: pl.String = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": NAME_LENGTH},
        description="Name of `cluster_id` in this release.",
    )
    previous_id: pl.String = pa.Field(
        nullable=True,
        description="Cluster of the release before that it continues, split off or was; null where born or revived.",
    )
    previous_name: pl.String = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": NAME_LENGTH},
        description="Name under which `previous_id` was last published.",
    )
    overlap: pl.Float64 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Share of the members of both that both have (Jaccard), over the conversations known to both "
        "clusterings: about this much, in steps of `band`; null where too few conversations tell.",
    )
    share_of_previous: pl.Float64 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Part of the older cluster's members that are in this one, in the same steps.",
    )
    share_of_cluster: pl.Float64 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Part of this cluster's earlier members that come from the older one, in the same steps.",
    )
    band: pl.Float64 = pa.Field(
        nullable=True,
        isin=BANDS,
        description="Step to which the shares are rounded down; wider for smaller clusters.",
    )
    quiet_since: pl.Date = pa.Field(
        nullable=True,
        description="Monday of the first week (UTC) since when the cluster is hardly used any more; null where it is "
        "in use or too few conversations tell.",
    )

    @pa.dataframe_check
    @classmethod
    def columns_fit_the_event(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Each event has the ids and names that it is about, and no other."""
        kept = pl.col("event").is_in(["continued", "dormant"])
        named = pl.col("name").is_null() == pl.col("cluster_id").is_null()
        before = pl.col("previous_name").is_null() == pl.col("previous_id").is_null()
        return data.lazyframe.select(_ids_fit(kept) & named & before)

    @pa.dataframe_check
    @classmethod
    def shares_come_in_bands(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Shares are given together, with the width of their bands, as multiples of it."""
        shares = ("overlap", "share_of_previous", "share_of_cluster")
        steps = [pl.col(name) / pl.col("band") for name in shares]
        whole = [((step - step.round()).abs() < 1e-6).fill_null(True) for step in steps]
        given = [pl.col(name).is_null() == pl.col("band").is_null() for name in shares]
        return data.lazyframe.select(pl.all_horizontal(*whole, *given))

    @pa.dataframe_check
    @classmethod
    def quiet_fits_the_event(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A dormant cluster says since when, a lost one does not; weeks are named by their Monday."""
        quiet = pl.col("quiet_since").is_not_null()
        dormant, gone = pl.col("event") == "dormant", pl.col("event").is_in(GONE)
        monday = pl.col("quiet_since").dt.weekday().fill_null(MONDAY) == MONDAY
        return data.lazyframe.select((quiet | ~dormant) & ~(quiet & gone) & monday)

    @pa.dataframe_check
    @classmethod
    def one_row_per_cluster(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A release says one thing about each cluster that it shows, and one about each that it lost."""
        return data.lazyframe.select(_subject_is_unique())

    @pa.dataframe_check
    @classmethod
    def strings_are_visible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No control, bidirectional or zero-width characters."""
        return data.lazyframe.select(pl.all_horizontal(_lacks(name, HIDDEN) for name in _STRINGS))

    @pa.dataframe_check
    @classmethod
    def strings_name_nobody(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No identifiers in names."""
        return data.lazyframe.select(pl.all_horizontal(_lacks(name, ANY_IDENTIFIER) for name in _STRINGS[2:]))

    class Config:
        """Exactly these columns."""

        strict = True


_STRINGS = ("cluster_id", "previous_id", "name", "previous_name")


def _lacks(column: str, pattern: str) -> pl.Expr:
    return ~pl.col(column).fill_null("").str.contains(pattern)


def _ids_fit(kept: pl.Expr) -> pl.Expr:
    """Which of the two ids an event has; `kept`: events whose cluster was the same before."""
    event, now, before = pl.col("event"), pl.col("cluster_id"), pl.col("previous_id")
    other = now.is_not_null() & before.is_not_null() & (now != before)
    return (
        pl.when(kept)
        .then((now == before).fill_null(False))
        .when(event.is_in(["split", "merged"]))
        .then(other)
        .when(event == "died")
        .then(now.is_null() & before.is_not_null())
        .otherwise(now.is_not_null() & before.is_null())
    )


def _subject_is_unique() -> pl.Expr:
    gone = pl.col("event").is_in(GONE)
    subject = pl.when(gone).then("previous_id").otherwise("cluster_id")
    return ~pl.struct("release", gone.alias("gone"), subject.alias("subject")).is_duplicated()
