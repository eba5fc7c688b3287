"""What remains of a figure of one release when figures of another are subtracted from it, and who that is.

A group that one release tells apart may lie within a group of the other (a cluster that is merged into `other` now, a
cell that is withheld now). Who knows that nothing comes or goes but crowds may subtract it, and is left with a group
that neither release shows. Compared are whole sets of conversations: of every published group, the largest part that is
a sum of groups of the other release is taken away, and the rest has to be nobody or a crowd. A later figure tells of
the time before only where nobody came since: of a cluster that grew by a crowd it may be this group that grew, so such
figures are not subtracted from earlier ones. The reverse is always done, for conversations hardly ever go.
Source: specs/privacy_reliability.md 1.3, rules 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from dagster_project.privacy.changes import FOUND, REST, WHOLE_RELEASE, Seen
from dagster_project.privacy.suppression import OTHER
from dagster_project.privacy.thresholds import Limits, measure, user_codes

CLUSTER = "cluster"
GROUP = ["cluster_id", "value"]
PERSON = ["conversation_id", "user_key"]
BETWEEN = "\x1f"


def small_remainders(before: Seen, after: Seen, nodes: Limits, cells: Limits) -> pl.DataFrame:
    """Groups of one release of which too few people remain beside those of the other. Out: as `changes.FOUND`.

    Clusters are compared with clusters, cells with cells of the same dimension; among the cells are `other` and what
    remains of a cluster's cell beside those of its children. `direction` is `gained` where the group is of the later
    release, `lost` where it is of the earlier one. Groups that are left with so few by their own release alone tell
    nothing that a second release adds, and are none.
    """
    dimensions = pl.concat([before.cells["dimension"], after.cells["dimension"]]).unique().sort().to_list()
    before, after = (replace(seen, members=_coded(seen.members, dimensions)) for seen in (before, after))
    found = _remaining(before, after, nodes, cells, [CLUSTER, *dimensions])
    if found.is_empty():
        return found
    suspected = found["dimension"].unique().sort().to_list()
    alone = pl.concat([_remaining(seen, seen, nodes, cells, suspected) for seen in (before, after)])
    return found.join(alone, on=[*GROUP, "dimension"], how="anti", nulls_equal=True)


def _coded(members: pl.DataFrame, dimensions: Sequence[str]) -> pl.DataFrame:
    """conversation_id, user_key, clusters, place (all its clusters as one) and the dimensions.

    Places and values are categories: told apart by number.
    """
    place = pl.col("clusters").list.sort().list.join(BETWEEN).alias("place")
    told = (column.cast(pl.Categorical) for column in (place, *map(pl.col, dimensions)))
    return members.select(*PERSON, "clusters", *told)


def _remaining(
    before: Seen, after: Seen, nodes: Limits, cells: Limits, dimensions: Sequence[str]
) -> pl.DataFrame:
    found, grown = [pl.DataFrame(schema=FOUND)], _grown(before, after, nodes)
    people = _people(before, after)
    busiest = int(people["user"].value_counts()["count"].max() or 0)  # type: ignore[arg-type]
    for dimension in dimensions:
        limits = nodes if dimension == CLUSTER else cells
        atoms = _atoms(people, dimension)
        early = _groups(before, atoms.select("atom", "place", "value"), dimension)
        late = _groups(after, atoms.select("atom", place="place_after", value="value_after"), dimension)
        keys = pl.concat([part.select(*GROUP, "kind") for part in (early, late)]).unique()
        keys = keys.with_row_index("group").with_columns(row=pl.col("cluster_id").rank("dense"))
        early, late = (part.join(keys, on=[*GROUP, "kind"], nulls_equal=True) for part in (early, late))
        still = late.join(grown, on="cluster_id", how="anti")
        sizes = atoms.select("atom", "n")
        # Beside itself a release loses what it gains.
        ways = [("gained", late, early), ("lost", early, still)][: 1 if before is after else 2]
        for direction, minuend, subtrahends in ways:
            rest = _remainders(minuend.select("atom", "group"), subtrahends, sizes, _enough(busiest, limits))
            small = _small(rest, atoms, busiest, limits)
            value = pl.when(pl.col("kind") == "rest").then(pl.col("value") + " " + REST).otherwise("value")
            told = pl.lit(dimension).alias("dimension"), pl.lit(direction).alias("direction")
            groups = keys.join(small, on="group", how="semi").with_columns(value=value)
            found.append(groups.select(*GROUP, *told).select(FOUND.keys()))
    return pl.concat(found)


def _small(rest: pl.DataFrame, atoms: pl.DataFrame, busiest: int, limits: Limits) -> pl.DataFrame:
    """Remainders (atom, group, system) under the limits. Out: group, system.

    Those that are a crowd by what their atoms tell alone are not counted person by person.
    """
    by = ["group", "system"]
    sizes = rest.join(atoms.select("atom", "n", "people", "most"), on="atom").group_by(by)
    least = sizes.agg(
        conversations=pl.col("n").sum().cast(pl.Int64),
        users=pl.col("people").max().cast(pl.Int64),
        top=pl.min_horizontal(pl.col("most").sum(), busiest).cast(pl.Int64),
        unknown=pl.lit(0, dtype=pl.Int64),
    )
    doubtful = rest.join(least.filter(limits.reason().is_not_null()), on=by, how="semi")
    entries = doubtful.join(atoms.select("atom", "user"), on="atom").explode("user")
    entries = entries.group_by(*by, "user").agg(n=pl.len())
    return measure(entries, *by).filter(limits.reason().is_not_null()).select(by)


def _enough(busiest: int, limits: Limits) -> int:
    """So many conversations pass the limits whoever wrote them: nobody wrote more than the busiest of all."""
    return max(
        limits.min_conversations, math.ceil(busiest * max(limits.min_users, 1 / limits.max_user_share))
    )


def _grown(before: Seen, after: Seen, limits: Limits) -> pl.DataFrame:
    """Clusters of the later release that hold a crowd more than before. Out: cluster_id.

    One that was not published before may have grown where the whole has.
    """
    sizes = []
    for side in (before, after):
        everything = pl.lit([WHOLE_RELEASE], dtype=pl.List(pl.String))
        placed = side.members.select(cluster_id=everything.list.concat("clusters")).explode("cluster_id")
        sizes.append(placed.group_by("cluster_id").agg(n=pl.len().cast(pl.Int64)))
    both = sizes[1].join(sizes[0], on="cluster_id", how="left", suffix="_before")
    more = both.with_columns(more=pl.col("n") - pl.col("n_before"))
    whole = more.filter(pl.col("cluster_id") == WHOLE_RELEASE)["more"].sum()
    grown = pl.col("more").fill_null(whole) >= limits.min_conversations
    return more.filter(grown).select("cluster_id")


def _people(before: Seen, after: Seen) -> pl.DataFrame:
    """Conversations of either release, coded. Out: user, place and place_after (null where it does not count it), each
    dimension and NAME_after.
    """
    sides = [side.members.drop("clusters") for side in (before, after)]
    both = sides[0].join(sides[1], on=PERSON, how="full", coalesce=True, nulls_equal=True, suffix="_after")
    return both.with_columns(user_codes())


def _atoms(people: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Conversations that both releases place alike, as one. Out: atom, place, value, place_after, value_after, n (how
    many), user (who wrote each), people (how many wrote them), most (how many the busiest of these wrote).
    """
    names = ["place", "value", "place_after", "value_after"]
    value = [pl.lit(None, dtype=pl.String)] * 2
    if dimension != CLUSTER:
        value = [pl.col(dimension), pl.col(f"{dimension}_after")]
    where = people.select("user", "place", "place_after", value=value[0], value_after=value[1])
    written = where.group_by(*names, "user").agg(n=pl.len())
    people_of = pl.col("user").repeat_by("n").list.explode()
    atoms = written.group_by(names).agg(people_of, pl.col("n").sum(), people=pl.len(), most=pl.col("n").max())
    return atoms.with_row_index("atom").with_columns(pl.col(names).cast(pl.String))


def _groups(seen: Seen, atoms: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """The published groups that hold each atom, the whole release among them. Out: atom, cluster_id, value, kind.

    `kind`: `part` for a cluster or the cell of a value, `row` for the `other` of a cluster, `rest` for what remains of
    a cluster's cell beside its children's.
    """
    placed = _placed(seen, atoms)
    if dimension == CLUSTER:
        return placed.select("atom", "cluster_id", "value", kind=pl.lit("part"))
    here = seen.cells.filter(pl.col("dimension") == dimension)
    top = seen.clusters.filter(pl.col("parent_id").is_null()).select("cluster_id")
    whole = here.join(top, on="cluster_id", how="semi").select(
        pl.lit(WHOLE_RELEASE).alias("cluster_id"), "value"
    )
    shown = pl.concat([here.select(GROUP), whole]).filter(pl.col("value") != OTHER).unique()
    divided = pl.concat([here, whole], how="diagonal").select("cluster_id").unique()
    inside = placed.join(divided, on="cluster_id", how="semi")
    told = inside.join(shown, on=GROUP, how="semi").with_columns(kind=pl.lit("part"))
    other = inside.join(shown, on=GROUP, how="anti").with_columns(value=pl.lit(OTHER), kind=pl.lit("row"))
    below = told.select("atom", cluster_id="parent_id")
    rest = told.join(below, on=["atom", "cluster_id"], how="anti").with_columns(kind=pl.lit("rest"))
    return pl.concat([part.select("atom", *GROUP, "kind") for part in (told, other, rest)])


def _placed(seen: Seen, atoms: pl.DataFrame) -> pl.DataFrame:
    """atom, value, cluster_id, parent_id of every published cluster that holds an atom, and of the whole release."""
    counted = atoms.drop_nulls("place") if seen.clusters.height else atoms.clear()
    own = counted.with_columns(cluster_id=pl.col("place").str.split(BETWEEN)).explode("cluster_id")
    parents = seen.clusters.select("cluster_id", pl.col("parent_id").fill_null(WHOLE_RELEASE))
    whole = counted.with_columns(cluster_id=pl.lit(WHOLE_RELEASE), parent_id=pl.lit(None, dtype=pl.String))
    found = pl.concat([own.join(parents, on="cluster_id"), whole])
    return found.select("atom", "value", "cluster_id", "parent_id")


def _remainders(
    minuend: pl.DataFrame, subtrahends: pl.DataFrame, sizes: pl.DataFrame, enough: int
) -> pl.DataFrame:
    """What remains of each group beside the groups of the other release within it, where it is less than `enough`.

    Out: atom, group, system.

    In: minuend (atom, group), subtrahends (atom, group, kind, row: its cluster by number, from 1), sizes (atom, n).
    What is subtracted at once must not overlap, or it is no sum of figures. There are two such systems: cells of all
    clusters with what remains of them beside the children's (one lies within the other, or they are apart; system 0),
    and the cells of one cluster with its `other` (the cluster's number).
    """
    tree = subtrahends.filter(pl.col("kind") != "row").with_columns(system=pl.lit(0, dtype=pl.UInt32))
    divided = subtrahends.filter(pl.col("kind") == "row").select("row").unique()
    rows = subtrahends.filter(pl.col("kind") != "rest").join(divided, on="row", how="semi")
    rows = rows.with_columns(system=pl.col("row").cast(pl.UInt32))
    given = pl.concat([part.select("atom", "system", own="group") for part in (tree, rows)])
    whole = given.join(sizes, on="atom").group_by("own", "system").agg(size=pl.col("n").sum())
    pairs = minuend.join(given, on="atom")
    shared = pairs.join(sizes, on="atom").group_by("group", "own", "system").agg(size=pl.col("n").sum())
    inside = shared.join(whole, on=["own", "system", "size"], how="semi")
    taken = pairs.join(inside, on=["group", "own", "system"], how="semi").select("atom", "group", "system")
    taken = taken.unique()
    gone = taken.join(sizes, on="atom").group_by("group", "system").agg(gone=pl.col("n").sum())
    total = minuend.join(sizes, on="atom").group_by("group").agg(total=pl.col("n").sum())
    left = pl.col("total").cast(pl.Int64) - pl.col("gone").cast(pl.Int64)
    doubtful = gone.join(total, on="group").filter(left.is_between(1, enough - 1))
    wanted = minuend.join(doubtful.select("group", "system"), on="group")
    return wanted.join(taken, on=["atom", "group", "system"], how="anti")
