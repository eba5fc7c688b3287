"""Earlier names of clusters that may stay, because the content that they name is still there; pure."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

# An earlier name stays while its first term scores this part of the best term of today.
STILL_TELLING = 0.4


def names_that_fit(kept: pl.DataFrame | None, scored: pl.DataFrame, shown: Collection[str]) -> dict[str, str]:
    """Earlier names that still say what sets their cluster off: its first term is about as telling as today's best one.

    In: kept cluster_id, name; scored cluster_id, key, text, own, distinctive, score of today's terms; shown, terms that
    some cluster's summary shows today. Every term of a name that stays is one that its cluster could be given today.
    Out: name by cluster.
    """
    if kept is None or kept.is_empty():
        return {}
    own = scored.filter(pl.col("own")).join(kept, on="cluster_id", how="semi")
    telling = own.filter(
        pl.col("distinctive") & (pl.col("score") >= STILL_TELLING * pl.col("score").max().over("cluster_id"))
    )
    texts = pl.concat_list("key", "text").flatten()
    allowed = own.group_by("cluster_id").agg(terms=texts)
    first = telling.group_by("cluster_id").agg(first=texts)
    rows = kept.join(allowed, on="cluster_id").join(first, on="cluster_id")
    names = {}
    for cluster, name, terms, telling_terms in rows.select(
        "cluster_id", "name", "terms", "first"
    ).iter_rows():
        head, *others = name.casefold().replace(": ", ", ").split(", ")
        if head in telling_terms and set(others) <= {*terms, *shown}:
            names[cluster] = name
    return names
