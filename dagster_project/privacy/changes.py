"""The checker of two successive releases: what a reader who subtracts one from the other learns of whom.

It is told what is published in both releases and who was counted in which published cluster, and nothing of how that
was chosen. A reader can compare what both releases show under one id, and what remains of a parent, or of a cluster
in one dimension, beside it. Each such part may gain nobody or a crowd, and lose nobody or a crowd.
Source: specs/privacy_reliability.md 1.3, rule 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.privacy.suppression import OTHER
from dagster_project.privacy.thresholds import Limits, measure, user_codes

WHOLE_RELEASE = ""
REST = "\u2205 rest"
FOUND = {"cluster_id": pl.String, "dimension": pl.String, "value": pl.String, "direction": pl.String}
PART = ["cluster_id", "dimension", "value"]


@dataclass(frozen=True)
class Seen:
    """One release.

    clusters : cluster_id, parent_id
    cells : cluster_id, dimension, value
    members : conversation_id, user_key, clusters (ids of the published clusters that count it), a String column for
        each dimension with the value as it is published
    """

    clusters: pl.DataFrame
    cells: pl.DataFrame
    members: pl.DataFrame


def small_changes(before: Seen, after: Seen, nodes: Limits, cells: Limits) -> pl.DataFrame:
    """Parts whose change between two releases is too small. Out: cluster_id, dimension, value, direction.

    `dimension` is `cluster` where the cluster as a whole is meant; `value` is then null or, for what remains of it
    beside the children that both releases show, the rest.
    """
    one, other = _moved(before, after), _moved(after, before)
    sides = [_parts(one, other), _parts(other, one)]
    found = [pl.DataFrame(schema=FOUND)]
    for direction, one, other in (("lost", *sides), ("gained", *reversed(sides))):
        changed = one.join(other, on=[*PART, "conversation_id", "user_key"], how="anti", nulls_equal=True)
        entries = changed.with_columns(user_codes()).group_by(*PART, "user").agg(n=pl.len())
        reason = pl.when(pl.col("dimension") == "cluster").then(nodes.reason()).otherwise(cells.reason())
        small = measure(entries, *PART).filter(reason.is_not_null())
        found.append(small.select(*PART, direction=pl.lit(direction)))
    return pl.concat(found)


def _moved(one: Seen, other: Seen) -> Seen:
    """The release with those of its conversations alone that the other may count in another part, or not at all."""
    parents = one.clusters.join(other.clusters, on="cluster_id", suffix="_other")
    rehung = parents.filter(pl.col("parent_id").ne_missing(pl.col("parent_id_other")))["cluster_id"]
    alike = [name for name in one.members.columns if name != "clusters"]
    place = pl.col("clusters").list.sort().list.join("\x1f").alias("place")
    there = other.members.select(*alike, place)
    rows = one.members.with_columns(place).with_row_index("row")
    same = rows.join(there, on=[*alike, "place"], how="semi", nulls_equal=True)
    same = same.filter(pl.col("clusters").list.set_intersection(rehung.implode()).list.len() == 0)
    moved = rows.join(same.select("row"), on="row", how="anti").drop("row", "place")
    return Seen(one.clusters, one.cells, moved)


def _parts(one: Seen, other: Seen) -> pl.DataFrame:
    """Every conversation in every part that both releases tell of. Out: `PART`, conversation_id, user_key."""
    everything = pl.lit([WHOLE_RELEASE], dtype=pl.List(pl.String))
    placed = one.members.with_columns(cluster_id=everything.list.concat("clusters")).explode("cluster_id")
    named = ~pl.col("cluster_id").str.starts_with("other-")
    common = one.clusters.filter(named).join(other.clusters, on="cluster_id", how="semi")
    whole = placed.join(common, on="cluster_id", how="semi").with_columns(
        dimension=pl.lit("cluster"), value=pl.lit(None, dtype=pl.String)
    )
    columns = [*PART, "conversation_id", "user_key"]
    parts = [whole.select(columns), _beside(placed, common).select(columns)]
    shown = one.cells.filter(pl.col("value") != OTHER).join(other.cells, on=PART, how="semi")
    divided = one.cells.join(other.cells, on=["cluster_id", "dimension"], how="semi")
    for (dimension,), here in divided.join(common, on="cluster_id", how="semi").group_by("dimension"):
        inside = placed.join(here, on="cluster_id", how="semi").with_columns(
            value=pl.col(str(dimension)), dimension=pl.lit(str(dimension))
        )
        told = inside.join(shown.select(PART).with_columns(told=True), on=PART, how="left")
        value = pl.when(pl.col("told")).then("value").otherwise(pl.lit(REST))
        parts.append(told.with_columns(value=value).select(columns))
    return pl.concat(parts)


def _beside(placed: pl.DataFrame, common: pl.DataFrame) -> pl.DataFrame:
    """What remains of each common cluster, and of the whole release, beside the children that both show."""
    parents = pl.concat([common.select("cluster_id"), pl.DataFrame({"cluster_id": [WHOLE_RELEASE]})])
    links = common.select("cluster_id", above=pl.col("parent_id").fill_null(WHOLE_RELEASE))
    in_children = placed.join(links, on="cluster_id").select("conversation_id", cluster_id="above")
    rest = placed.join(parents, on="cluster_id", how="semi").join(
        in_children, on=["conversation_id", "cluster_id"], how="anti"
    )
    return rest.with_columns(dimension=pl.lit("cluster"), value=pl.lit(REST))
