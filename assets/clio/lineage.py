"""What may be told of clusters over time: published clusters alone, and shares in bands that hide small groups; pure."""

from __future__ import annotations

import polars as pl

from assets.clio.release.tree import MERGED_SMALL
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.settling import POOL
from dagster_project.privacy.thresholds import Limits
from schemas.lineage import BANDS, PRESENT, SHOWN

SCHEMA = {
    "release": pl.UInt32,
    "level": pl.UInt8,
    "event": pl.String,
    "cluster_id": pl.String,
    "name": pl.String,
    "previous_id": pl.String,
    "previous_name": pl.String,
    "overlap": pl.Float64,
    "share_of_previous": pl.Float64,
    "share_of_cluster": pl.Float64,
    "band": pl.Float64,
    "quiet_since": pl.Date,
}


def lineage_rows(
    changes: pl.DataFrame,
    clusters: pl.DataFrame,
    quiet: pl.DataFrame,
    earlier: pl.DataFrame,
    limits: Limits,
) -> pl.DataFrame:
    """The rows of `cluster_lineage` of the newest release.

    Parameters
    ----------
    changes
        `cluster_changes` of that release alone.
    clusters
        The published `clusters`; those named Other and the pool of the newest have no identity and get no row.
    quiet : cluster_id, quiet_since
        Clusters whose use has stopped.
    earlier
        `cluster_lineage` of earlier releases.
    limits
        Shares are given in bands that hold at least as many possible counts as a cluster needs conversations.

    Compared with the last release that was published. Where releases in between were refused, only ids are compared:
    nothing is told of clusters that nobody has seen. Raises ObservatoryError where a published cluster is not in
    `changes`.

    """
    nameless = pl.col("cluster_id").str.starts_with(MERGED_SMALL) | (pl.col("cluster_id") == POOL)
    named = clusters.filter(~nameless).select("cluster_id", "name")
    present = changes.filter(pl.col("event").is_in(PRESENT)).join(named, on="cluster_id")
    if present.height != named.height:
        raise ObservatoryError("clusters and cluster_changes are out of step; run `observatory run` again")
    release = int(changes["release"].max())  # type: ignore[arg-type]
    shown, direct = _last_shown(earlier, release)
    links = changes if direct else changes.filter(pl.col("event") == "continued")
    rows = pl.concat(
        [
            _shown_rows(present, shown, _ever_shown(earlier), quiet, direct),
            _gone_rows(links, named, shown),
        ]
    )
    rows = rows.join(shown.select("previous_id", "previous_name"), on="previous_id", how="left")
    told = overlap_bands(rows, max(limits.min_users, limits.min_conversations), direct)
    return (
        told.with_columns(release=release)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
        .sort("level", "event", "cluster_id", "previous_id", descending=[True, False, False, False])
    )


def _last_shown(earlier: pl.DataFrame, release: int) -> tuple[pl.DataFrame, bool]:
    """Clusters of the last published release, and whether it is the one right before."""
    last = earlier["release"].max()
    rows = earlier.filter((pl.col("release") == pl.col("release").max()) & pl.col("event").is_in(SHOWN))
    before = rows.select(
        "level", previous_id="cluster_id", previous_name="name", was_quiet=pl.col("quiet_since").is_not_null()
    )
    return before, last == release - 1


def _ever_shown(earlier: pl.DataFrame) -> pl.Series:
    return earlier.filter(pl.col("event").is_in(SHOWN))["cluster_id"].unique()


def _shown_rows(
    present: pl.DataFrame, shown: pl.DataFrame, ever: pl.Series, quiet: pl.DataFrame, direct: bool
) -> pl.DataFrame:
    """One row for each published cluster."""
    before = shown.select("was_quiet", cluster_id="previous_id")
    found = present.join(before, on="cluster_id", how="left").join(quiet, on="cluster_id", how="left")
    stopped = pl.col("quiet_since").is_not_null()
    split = (
        pl.lit(direct)
        & (pl.col("event") == "split")
        & pl.col("previous_id").is_in(shown["previous_id"].implode())
    )
    event = (
        pl.when(pl.col("was_quiet") & ~stopped)
        .then(pl.lit("revived"))
        .when(~pl.col("was_quiet") & stopped)
        .then(pl.lit("dormant"))
        .when(pl.col("was_quiet").is_not_null())
        .then(pl.lit("continued"))
        .when(pl.col("cluster_id").is_in(ever.implode()))
        .then(pl.lit("revived"))
        .when(split)
        .then(pl.lit("split"))
        .otherwise(pl.lit("born"))
    )
    previous = (
        pl.when(pl.col("event").is_in(["continued", "dormant"]))
        .then("cluster_id")
        .when(pl.col("event") == "split")
        .then("previous_id")
    )
    return found.with_columns(event=event).with_columns(previous_id=previous).select(_COLUMNS)


_COLUMNS = (
    "level",
    "event",
    "cluster_id",
    "name",
    "previous_id",
    "quiet_since",
    "known",
    "previous_known",
    "shared",
)


def _gone_rows(changes: pl.DataFrame, named: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """One row for each cluster that the last release showed and this one does not."""
    lost = shown.join(named, left_on="previous_id", right_on="cluster_id", how="anti")
    merged = changes.filter(pl.col("event") == "merged").join(named, on="cluster_id")
    merged = merged.select("previous_id", "cluster_id", "name", "known", "previous_known", "shared")
    return (
        lost.join(merged, on="previous_id", how="left")
        .with_columns(
            event=pl.when(pl.col("cluster_id").is_null()).then(pl.lit("died")).otherwise(pl.lit("merged")),
            quiet_since=pl.lit(None, dtype=pl.Date),
        )
        .select(_COLUMNS)
    )


def overlap_bands(rows: pl.DataFrame, least: int, direct: bool = True) -> pl.DataFrame:
    """Adds overlap, share_of_previous, share_of_cluster and band, in steps so wide that no small count shows.

    In: previous_id, known, previous_known, shared. What two clusters share is first replaced by the middle of a band,
    `band` times the smaller of the two wide, the finest that holds `least` counts; all three shares are taken from
    that. So whoever knows both sizes learns the band and nothing more. Null where half of the smaller is under `least`.
    """
    smaller = pl.min_horizontal("known", "previous_known").cast(pl.Float64)
    told = pl.col("previous_id").is_not_null() & pl.col("shared").is_not_null() & pl.lit(direct)
    band = pl.coalesce(pl.when(told & (width * smaller >= least)).then(pl.lit(width)) for width in BANDS)
    rows = rows.with_columns(band=band)
    shared = (_floored(pl.col("shared") / smaller) + pl.col("band") / 2) * smaller
    union = pl.col("known") + pl.col("previous_known") - shared
    return rows.with_columns(
        overlap=_floored(shared / union),
        share_of_previous=_floored(shared / pl.col("previous_known")),
        share_of_cluster=_floored(shared / pl.col("known")),
    )


def _floored(share: pl.Expr) -> pl.Expr:
    """The lower end of the band that holds a share; all of it belongs to the highest band."""
    steps = (share / pl.col("band") + 1e-9).floor()
    return pl.min_horizontal(steps * pl.col("band"), 1 - pl.col("band")).round(6)
