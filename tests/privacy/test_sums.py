"""Several figures of one release less several of another: least cuts against all sums there are, on small releases."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import polars as pl
import pytest
from test_remainders import FLOOR, counted, following, worlds

from assets.clio.release.holding import choose, seen
from dagster_project.privacy.changes import Seen, small_changes
from dagster_project.privacy.remainders import small_remainders
from dagster_project.privacy.sums import small_sums
from dagster_project.privacy.thresholds import Limits

FEW = 5
BLIND = (1, 2, 12)
"""Worlds whose first candidate passes all that looks at one figure at a time."""
LIMITS = Limits(FEW, FEW, 1.0)
Block = tuple[str, str | None]
Atoms = frozenset[int]


@dataclass(frozen=True)
class Half:
    """One of two releases: atoms by leaf cluster, their values (none: no cells), and which cells are told."""

    clusters: list[list[int]]
    values: dict[int, str]
    told: set[tuple[str, str]]

    def name(self, cluster: list[int]) -> str:
        return f"g{min(cluster)}"

    def blocks(self) -> dict[Block, Atoms]:
        """The finest figures, by hand."""
        found: dict[Block, set[int]] = {}
        divided = {name for name, _ in self.told}
        for cluster in self.clusters:
            name = self.name(cluster)
            for atom in cluster:
                value = self.values.get(atom)
                cell = value if (name, value) in self.told else "other"
                found.setdefault((name, cell if name in divided else None), set()).add(atom)
        return {block: frozenset(atoms) for block, atoms in found.items()}

    def as_published(self, sizes: list[int]) -> Seen:
        people = [
            (f"{atom}-{n}", f"{atom}-{n}", [self.name(cluster)], self.values.get(atom, "v"))
            for cluster in self.clusters for atom in cluster for n in range(sizes[atom])
        ]  # fmt: skip
        schema = {"conversation_id": pl.String, "user_key": pl.String, "clusters": pl.List(pl.String)}
        cells = [(name, "language", value) for name, value in self.told]
        cells += [(name, "language", "other") for name, value in self.blocks() if value == "other"]
        return Seen(
            pl.DataFrame([(self.name(c), None) for c in self.clusters], schema={"cluster_id": pl.String, "parent_id": pl.String}, orient="row"),
            pl.DataFrame(cells, schema=dict.fromkeys(("cluster_id", "dimension", "value"), pl.String), orient="row"),
            pl.DataFrame(people, schema={**schema, "language": pl.String}, orient="row"),
        )  # fmt: skip


def drawn(rng: np.random.Generator, sizes: list[int], churn: float, cells: bool) -> Half | None:
    """Atoms parted into groups that pass; with `cells`, values of some are told where all parts of their cluster pass."""
    atoms = [atom for atom in range(len(sizes)) if rng.random() < churn]
    rng.shuffle(atoms)
    groups: list[list[int]] = [[]]
    for atom in atoms:
        if sum(sizes[one] for one in groups[-1]) >= FEW and rng.random() < (0.3 if cells else 0.7):
            groups.append([])
        groups[-1].append(atom)
    if sum(sizes[one] for one in groups[-1]) < FEW:
        return None
    values = {atom: str(rng.choice(["en", "fr", "de"])) for atom in range(len(sizes))} if cells else {}
    bare = Half(groups, values, set())
    told = (
        {(bare.name(group), values[atom]) for group in groups for atom in group if rng.random() < 0.5}
        if cells
        else set()
    )
    half = Half(groups, values, told)
    passing = all(sum(sizes[atom] for atom in block) >= FEW for block in half.blocks().values())
    return half if passing else None


def pairs(seed: int, count: int, atoms: int, churn: float, cells: bool):
    """Two releases of the same atoms; values of an atom stay."""
    rng = np.random.default_rng(seed)
    while count:
        sizes = [int(size) for size in rng.choice([1, 2, 3, 4, 5, 6, 8, 12], atoms)]
        before, after = drawn(rng, sizes, churn, cells), drawn(rng, sizes, churn, cells)
        if before and after:
            count -= 1
            yield sizes, before, Half(after.clusters, before.values, after.told) if not cells else after


def a_sum_is_small(wholes: list[Atoms], parts: list[Atoms], sizes: list[int]) -> bool:
    """Every union of groups, less all groups of the other release within it."""
    for some in chain.from_iterable(combinations(wholes, number + 1) for number in range(len(wholes))):
        union = frozenset[int]().union(*some)
        inside = [part for part in parts if part <= union]
        left = sum(sizes[atom] for atom in union.difference(*inside))
        if inside and 0 < left < FEW:
            return True
    return False


def still(before: Half, after: Half, sizes: list[int]) -> list[Atoms]:
    """Later figures that may be subtracted from earlier ones: those of clusters that did not grow by a crowd."""
    count = [{half.name(c): sum(sizes[a] for a in c) for c in half.clusters} for half in (before, after)]
    more = sum(count[1].values()) - sum(count[0].values())
    grown = {
        name for name, n in count[1].items() if (n - count[0][name] if name in count[0] else more) >= FEW
    }
    return [block for (name, _), block in after.blocks().items() if name not in grown]


@pytest.mark.parametrize(
    ("atoms", "churn", "cells"), [(6, 0.9, False), (7, 1.0, False), (6, 0.9, True), (7, 0.8, True)]
)
def test_cuts_find_what_all_sums_find(atoms: int, churn: float, cells: bool) -> None:
    dimension = "language" if cells else "cluster"
    exposed = 0
    for sizes, before, after in pairs(atoms, 60, atoms, churn, cells):
        found = small_sums(before.as_published(sizes), after.as_published(sizes), LIMITS, LIMITS)
        seen_by_cuts = set(found.filter(pl.col("dimension") == dimension)["direction"])
        early, late = list(before.blocks().values()), list(after.blocks().values())
        truth = {"gained"} if a_sum_is_small(late, early, sizes) else set()
        truth |= {"lost"} if a_sum_is_small(early, still(before, after, sizes), sizes) else set()
        assert seen_by_cuts == truth, (sizes, before, after)
        exposed += bool(truth)
    assert 10 < exposed < 60


def test_two_figures_less_one_are_seen_that_no_figure_alone_tells() -> None:
    """(1 + 3) + (0 + 2) less (0 + 2 + 3) is 1, four people, whom no figure less others tells."""
    sizes = [6, 4, 4, 6, 12, 6]
    halves = Half([[1, 4], [0, 2, 3]], {}, set()), Half([[0, 2], [1, 3], [4], [5]], {}, set())
    before, after = (half.as_published(sizes) for half in halves)
    for look in (small_changes, small_remainders):
        assert look(before, after, LIMITS, LIMITS).is_empty()
    found = small_sums(before, after, LIMITS, LIMITS)
    assert ("g1", "gained") in set(found.select("cluster_id", "direction").iter_rows())
    assert small_sums(before, before, LIMITS, LIMITS).is_empty()


def rebuilt(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Conversations before and after, the tree built anew: of some clusters one language moves elsewhere."""
    rows, more, nodes = worlds(seed)
    rng = np.random.default_rng(seed)
    ids = sorted(more["cluster_id"].unique())
    moves = {
        f"{cluster}|{language}": cluster if rng.random() < 0.6 else str(rng.choice(ids))
        for cluster in ids for language in sorted(more["language"].unique())
    }  # fmt: skip
    place = pl.format("{}|{}", "cluster_id", "language").replace_strict(moves)
    return rows, more.with_columns(cluster_id=place), nodes


def test_a_release_that_sums_single_out_is_not_the_next_one() -> None:
    blind = 0
    for seed in BLIND:
        rows, more, nodes = rebuilt(seed)
        first = counted(rows, nodes, FLOOR)
        choice = following(more, nodes, FLOOR, first)
        halves, limits = (seen(first), seen(choice.release)), (FLOOR.nodes, FLOOR.cells)
        assert small_sums(*halves, *limits).is_empty()
        candidate = counted(more, nodes, FLOOR, first, first)
        others = [look(seen(first), seen(candidate), *limits) for look in (small_changes, small_remainders)]
        alone = pl.concat(others).is_empty()
        blind += alone and choose(first, [candidate], FLOOR).kept
    assert blind == len(BLIND), "else figures alone would do"
