"""What a re-clustering did to each cluster, from which conversation was where before and after; pure.

Only conversations that both clusterings hold are compared, so that forgotten or replaced ones change nothing.
Levels are compared base with base and top with top; those between by their height.
"""

from __future__ import annotations

import polars as pl

from schemas.lineage import GONE, PRESENT

TREE = ("cluster_id", "level", "parent_id")
# A new cluster is a split when most of its members were clustered before and those of one older cluster are most of
# them, or this part of the older one.
SUBSTANTIAL = 0.1
MOST = 0.5
SCHEMA = {
    "release": pl.UInt32,
    "level": pl.UInt8,
    "event": pl.String,
    "cluster_id": pl.String,
    "parent_id": pl.String,
    "previous_id": pl.String,
    "conversations": pl.UInt32,
    "known": pl.UInt32,
    "previous_known": pl.UInt32,
    "shared": pl.UInt32,
}


def next_release(
    assignments: pl.DataFrame, nodes: pl.DataFrame, members: pl.DataFrame | None, changes: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add a clustering to the log. Returns the new `cluster_changes` and `cluster_members`.

    In: cluster_assignments and cluster_nodes of the clustering; `cluster_members` and `cluster_changes` as they were
    written last, None where there are none. A clustering equal to the last one is no new release. Where the members
    before are lost, every cluster of the new release is born, under the next ordinal.
    """
    log = pl.DataFrame(schema=SCHEMA) if changes is None else changes
    last = log["release"].max() if members is None else members["release"].max()
    newest = int(last or 0)  # type: ignore[arg-type]
    # The log is committed before the members: a run that was cut off in between leaves a release to be told again.
    log = log.filter(pl.col("release") <= newest)
    tree = log.filter((pl.col("release") == newest) & pl.col("event").is_in(PRESENT)).select(TREE)
    known = tree.height > 0 and members is not None
    before = members if known and members is not None else assignments.clear()
    if known and members is not None and _same(assignments, nodes, members, tree):
        return log, members
    rows = cluster_changes(
        newest + 1, assignments, nodes, before, tree if known else nodes.select(TREE).clear()
    )
    now = assignments.select("conversation_id", "cluster_id", release=pl.lit(newest + 1, dtype=pl.UInt32))
    return pl.concat([log, rows]), now


def _same(assignments: pl.DataFrame, nodes: pl.DataFrame, members: pl.DataFrame, tree: pl.DataFrame) -> bool:
    held = [
        frame.select("conversation_id", "cluster_id").sort("conversation_id")
        for frame in (assignments, members)
    ]
    trees = [frame.select(TREE).sort("level", "cluster_id") for frame in (nodes, tree)]
    return held[0].equals(held[1]) and trees[0].equals(trees[1])


def cluster_changes(
    release: int,
    members: pl.DataFrame,
    nodes: pl.DataFrame,
    members_before: pl.DataFrame,
    nodes_before: pl.DataFrame,
) -> pl.DataFrame:
    """Compare two clusterings of one home.

    Parameters
    ----------
    release
        Ordinal of the newer clustering.
    members, members_before : conversation_id, cluster_id
        Base cluster of each conversation, now and before; the latter is empty for the first clustering.
    nodes, nodes_before : cluster_id, level, parent_id
        The tree above the base clusters, now and before.

    Returns
    -------
    The rows of `cluster_changes` of this release: one for each cluster of now (`born`, `continued`, `split`) and one
    for each that is gone (`merged`, `died`), by level, event and id.

    """
    flows = _flows(members, members_before)
    held, held_before = rungs(nodes), rungs(nodes_before)
    levels = []
    for level, below in compared_levels(_top(nodes) or 0, _top(nodes_before)):
        now = held.filter(pl.col("level") == level).select(new_base="base", new="cluster_id")
        old = held_before.filter(pl.col("level") == (-1 if below is None else below))
        old = old.select(old_base="base", old="cluster_id")
        moved = flows.join(now, on="new_base").join(old, on="old_base", how="left")
        moved = moved.group_by("old", "new").agg(pl.col("n").sum())
        found = _present(moved, old["old"].unique())
        levels.append(pl.concat([found, _gone(moved, old["old"].unique(), found)]).with_columns(level=level))
    parents = nodes.select("cluster_id", "parent_id")
    return (
        pl.concat(levels)
        .join(parents, on="cluster_id", how="left")
        .with_columns(
            release=release,
            parent_id=pl.when(pl.col("event").is_in(GONE)).then(None).otherwise("parent_id"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
        .sort("level", "event", "cluster_id", "previous_id")
    )


def compared_levels(top: int, top_before: int | None) -> list[tuple[int, int | None]]:
    """Each level with the earlier level that it is compared with; None where there was none.

    A tree that has grown by a level keeps its top: what is new lies between.
    """
    pairs: list[tuple[int, int | None]] = []
    for level in range(top + 1):
        if top_before is not None and level == top and min(top, top_before) > 0:
            pairs.append((level, top_before))
        elif top_before is not None and (level == 0 or level < top_before):
            pairs.append((level, level))
        else:
            pairs.append((level, None))
    return pairs


def _top(nodes: pl.DataFrame) -> int | None:
    return None if nodes.is_empty() else int(nodes["level"].max())  # type: ignore[arg-type]


def _flows(members: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """old_base (null: a conversation not clustered before), new_base, n."""
    known = before.select("conversation_id", old_base="cluster_id")
    joined = members.select("conversation_id", new_base="cluster_id").join(
        known, on="conversation_id", how="left"
    )
    return joined.group_by("old_base", "new_base").agg(n=pl.len().cast(pl.Int64))


def rungs(nodes: pl.DataFrame) -> pl.DataFrame:
    """base, level, cluster_id: every base cluster with itself and all that hold it."""
    step = nodes.filter(pl.col("level") == 0).select(base="cluster_id", cluster_id="cluster_id")
    links = nodes.select("cluster_id", "level", "parent_id")
    found = []
    for _ in range(nodes["level"].n_unique()):
        placed = step.join(links, on="cluster_id")
        found.append(placed.select("base", "level", "cluster_id"))
        step = placed.drop_nulls("parent_id").select("base", cluster_id="parent_id")
    return pl.concat(found) if found else step.with_columns(level=pl.lit(0, dtype=pl.UInt8))


def _present(moved: pl.DataFrame, old_ids: pl.Series) -> pl.DataFrame:
    """Clusters of now: which continue, which split off, which are born."""
    known = pl.col("n").filter(pl.col("old").is_not_null()).sum()
    sizes = moved.group_by("new").agg(conversations=pl.col("n").sum(), known=known)
    origin = _largest(moved.drop_nulls("old"), by="new")
    found = sizes.join(origin, on="new", how="left")
    part = (pl.col("n") >= SUBSTANTIAL * pl.col("old_known")) | (pl.col("n") >= MOST * pl.col("known"))
    split = (pl.col("known") >= MOST * pl.col("conversations")) & part
    kept = pl.col("new").is_in(old_ids.implode())
    event = pl.when(kept).then(pl.lit("continued")).when(split).then(pl.lit("split"))
    previous = pl.when(kept).then("new").when(split).then("old")
    found = found.select(
        "conversations",
        "known",
        event=event.otherwise(pl.lit("born")),
        previous_id=previous,
        cluster_id="new",
    )
    shared = moved.select("n", previous_id="old", cluster_id="new").rename({"n": "shared"})
    old_sizes = moved.group_by(previous_id="old").agg(previous_known=pl.col("n").sum())
    sized = found.join(shared, on=["previous_id", "cluster_id"], how="left").join(
        old_sizes, on="previous_id", how="left"
    )
    follows = pl.col("previous_id").is_not_null()
    filled = (
        pl.when(follows).then(pl.col(name).fill_null(0)).alias(name) for name in ("shared", "previous_known")
    )
    return sized.with_columns(filled).select(_COLUMNS)


_COLUMNS = ("event", "previous_id", "conversations", "known", "shared", "cluster_id", "previous_known")


def _gone(moved: pl.DataFrame, old_ids: pl.Series, present: pl.DataFrame) -> pl.DataFrame:
    """Clusters of before that are no more: merged into one that continues another, or died."""
    gone = pl.DataFrame({"old": old_ids}).join(present, left_on="old", right_on="cluster_id", how="anti")
    heir = _largest(moved.drop_nulls("old"), by="old")
    continued = present.filter(pl.col("event") == "continued").select(
        "conversations", "known", new="cluster_id", heir=True
    )
    found = gone.join(heir, on="old", how="left").join(continued, on="new", how="left")
    merged = pl.col("heir").fill_null(False) & (pl.col("n") >= MOST * pl.col("old_known"))
    found = found.with_columns(merged=merged.fill_null(False))
    kept = {"conversations": "conversations", "known": "known", "shared": "n", "cluster_id": "new"}
    return found.select(
        pl.when("merged").then(pl.lit("merged")).otherwise(pl.lit("died")).alias("event"),
        *(pl.when("merged").then(source).alias(name) for name, source in kept.items()),
        previous_id="old",
        previous_known=pl.col("old_known").fill_null(0),
    ).select(_COLUMNS)


def _largest(moved: pl.DataFrame, by: str) -> pl.DataFrame:
    """The largest flow of each `by`, with the size of its old cluster; ties go to the smaller id."""
    sized = moved.with_columns(old_known=pl.col("n").sum().over("old"))
    other = "old" if by == "new" else "new"
    ranked = sized.sort([by, "n", other], descending=[False, True, False])
    return ranked.unique(by, keep="first", maintain_order=True)
