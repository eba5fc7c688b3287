"""Names of a clustering by a model: kept where the content holds, asked for where it is new, shared terms where that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.clio.model_naming.answers import Label
from assets.clio.model_naming.rounds import Naming, Task
from assets.clio.model_naming.samples import draw_samples, readable
from assets.clio.model_naming.tree import LARGEST_LIST, Built, Encode, TreeBuilder
from assets.clio.model_naming.words import SharedWords
from assets.clio.wording import first_free
from dagster_project.clustering import Clustering, Hierarchy
from schemas.clio import DIMENSION

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

Labels = NDArray[np.int32]
Vectors = NDArray[np.float32]
# Names a tree by shared terms of texts (in the order of the members): nodes with name and summary.
SharedNames = Callable[[pl.DataFrame, pl.Series], pl.DataFrame]
SHARED_TERMS = "shared_terms"
BY_KMEANS, BY_MODEL, BY_CENTROIDS = "kmeans", "model", "centroids"
# A name stays while the node's content points this nearly where it did when it was named.
SAME_CONTENT = 0.95
NAMINGS = {
    "cluster_id": pl.String,
    "maker": pl.String,
    "formed_by": pl.String,
    "centroid": pl.Array(pl.Float32, DIMENSION),
}


@dataclass(frozen=True)
class Level:
    """Nodes of one level: ids, the node of each base cluster, centroids [n, D], and labels that may be kept, by id."""

    ids: Sequence[str]
    above: Labels
    centroids: Vectors
    still: Mapping[str, Label]


@dataclass
class ModelNamer:
    """Names one clustering. maker: model and prompts; before: `NAMINGS` of the clustering before, None without one.

    Steps, in order: `name_base`, then `build` where a tree is wanted, then `name_tree`; `namings` tells what was done.
    """

    asker: Asker
    encode: Encode
    secret: bytes
    seed: int
    min_users: int
    in_bursts: pl.Series
    maker: str
    before: pl.DataFrame | None = None
    report: Callable[[int], None] = lambda done: None
    labels: dict[str, Label] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    built: Built | None = None
    extended: bool = False
    fitted: Clustering = field(init=False)
    words: SharedWords = field(init=False)
    texts: pl.Series = field(init=False)
    levels: list[Level] = field(init=False)

    def name_base(
        self,
        level: Level,
        members: pl.DataFrame,
        vectors: Vectors,
        fitted: Clustering,
        shared_names: SharedNames,
    ) -> None:
        """Name the base clusters: contrastively, from their members' requests and the nearest others.

        In: members (conversation_id, user_key, request, task, day) in the order of `vectors` [N, D] and fitted.labels.
        """
        self.fitted, self.levels = fitted, [level]
        shown = readable(members, self.in_bursts)
        self.texts = shown["text"]
        ids = pl.Series(level.ids, dtype=pl.String)
        self.words = SharedWords.of(shown, ids.gather(fitted.labels), self.min_users)
        sizes = np.bincount(fitted.labels, minlength=len(level.ids))
        counts = self.words.counts(ids.gather(fitted.labels))
        taken = self._keep(level, counts)
        crowds = _crowds(shown, fitted.labels, self.min_users)
        wanted = [
            int(place)
            for place in np.lexsort((np.array(level.ids), -sizes))
            if level.ids[place] not in self.labels and int(place) in crowds
        ]
        samples = (
            draw_samples(shown, fitted.labels, vectors, fitted.centroids, wanted, self.secret)
            if wanted
            else {}
        )
        tasks = {
            level.ids[place]: Task(
                "name_group.v1.jinja",
                {"inside": samples[place].inside, "outside": samples[place].outside},
                [*samples[place].inside, *samples[place].outside],
                samples[place].sources,
            )
            for place in wanted
            if samples[place].inside
        }
        self._take(self._naming().names(tasks, counts, taken))
        flat = pl.DataFrame(
            {"cluster_id": ids, "level": [0] * len(ids), "parent_id": [None] * len(ids)},
            schema={"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String},
        )
        self._fill(level.ids, lambda: shared_names(flat, self.texts))

    def keeps_tree(self, nodes: Sequence[str]) -> bool:
        """Whether these nodes above the base were all put there by this very model."""
        before = self._before()
        return all(node in before and before[node][:2] in self._own for node in nodes)

    @property
    def _own(self) -> set[tuple[str, str]]:
        return {(self.maker, BY_MODEL), (SHARED_TERMS, BY_MODEL)}

    def build(self, top: int) -> Hierarchy | None:
        """The tree above the named base clusters; None where the model could not build one."""
        builder = TreeBuilder(self.asker, self.encode, self.secret, self.seed)
        self.built = builder.build([self.labels[node] for node in self.levels[0].ids], top, self._described)
        return None if self.built is None else self.built.hierarchy

    def name_tree(
        self, nodes: pl.DataFrame, levels: Sequence[Level], shared_names: SharedNames
    ) -> pl.DataFrame:
        """The tree (cluster_id, level, parent_id) with name and summary. In: the levels above the base."""
        self.levels += levels
        for height, level in enumerate(levels):
            counts = self.words.counts(self._members_of(level.ids, level.above))
            taken = self._keep(level, counts)
            if self.built is not None:
                made = self.built.labels[height]
                fresh = {
                    level.ids[at]: label for at, label in made.items() if level.ids[at] not in self.labels
                }
                self._take(
                    {node: label for node, label in fresh.items() if label.name.casefold() not in taken}
                )
            else:
                children = self._children(level, self.levels[height])
                tasks = {node: _parent(texts) for node, texts in children.items() if node not in self.labels}
                self._take(self._naming().names(tasks, counts, taken))
            self._fill(level.ids, lambda: shared_names(nodes, self.texts))
        read = [self.labels[node] for node in nodes["cluster_id"]]
        return nodes.with_columns(
            name=pl.Series([label.name for label in read], dtype=pl.String),
            summary=pl.Series([label.summary for label in read], dtype=pl.String),
        )

    def namings(self) -> pl.DataFrame:
        """`NAMINGS`: what named each node, and where its content points today, or pointed when a kept name was given."""
        before, rows = self._before(), []
        formed = BY_MODEL if self.built is not None or self.extended else BY_CENTROIDS
        for height, level in enumerate(self.levels):
            for node, centroid in zip(level.ids, level.centroids, strict=True):
                kept = node in self.kept
                pointed = before[node][2] if kept else centroid
                rows.append((node, self.makers[node], formed if height else BY_KMEANS, pointed))
        columns = list(zip(*rows, strict=True))
        data = dict(zip(NAMINGS, [*columns[:3], np.stack(columns[3])], strict=True))
        return pl.DataFrame(data, schema=NAMINGS).sort("cluster_id")

    def _naming(self) -> Naming:
        return Naming(self.asker, self.words, self.secret, self.report)

    def _before(self) -> dict[str, tuple[str, str, Vectors]]:
        if self.before is None:
            return {}
        vectors = self.before["centroid"].to_numpy()
        rows = self.before.select("cluster_id", "maker", "formed_by").iter_rows()
        return {
            node: (maker, formed, vector) for (node, maker, formed), vector in zip(rows, vectors, strict=True)
        }

    def _keep(self, level: Level, counts: pl.DataFrame) -> set[str]:
        """Keep the labels that still hold and may still be shown. Returns their names, in lower case."""
        before = self._before()
        centroids = dict(zip(level.ids, level.centroids, strict=True))
        held = {
            node: label
            for node, label in level.still.items()
            if node in centroids
            and node in before
            and before[node][0] == self.maker
            and before[node][2].shape == centroids[node].shape
            and float(before[node][2] @ centroids[node]) >= SAME_CONTENT
        }
        specific = self.words.too_specific({node: label.text for node, label in held.items()}, counts, {})
        kept = {node: label for node, label in held.items() if not specific[node]}
        self.kept |= set(kept)
        self._take(kept)
        return {label.name.casefold() for label in kept.values()}

    def _take(self, labels: Mapping[str, Label]) -> None:
        self.labels.update(labels)
        self.makers.update(dict.fromkeys(labels, self.maker))

    def _fill(self, ids: Sequence[str], shared_names: Callable[[], pl.DataFrame]) -> None:
        """Name by shared terms what has no name yet."""
        missing = [node for node in ids if node not in self.labels]
        if not missing:
            return
        taken = {self.labels[node].name.casefold() for node in ids if node in self.labels}
        named = shared_names().filter(pl.col("cluster_id").is_in(missing))
        for node, name, summary in named.select("cluster_id", "name", "summary").iter_rows():
            self.labels[node] = Label(first_free([name], taken), summary)
            self.makers[node] = SHARED_TERMS
            taken.add(self.labels[node].name.casefold())

    def _described(self, above: Labels, grouped: list[list[Label]]) -> dict[int, Label]:
        ids = [str(place) for place in range(len(grouped))]
        tasks = {
            node: _parent([child.text for child in children])
            for node, children in zip(ids, grouped, strict=True)
        }
        named = self._naming().names(tasks, self.words.counts(self._members_of(ids, above)), set())
        return {int(node): label for node, label in named.items()}

    def _members_of(self, ids: Sequence[str], above: Labels) -> pl.Series:
        return pl.Series(ids, dtype=pl.String).gather(above[self.fitted.labels])

    def _children(self, level: Level, below: Level) -> dict[str, list[str]]:
        """Texts of the children of each node."""
        pairs = sorted(
            {(int(parent), int(child)) for parent, child in zip(level.above, below.above, strict=True)}
        )
        texts: dict[str, list[str]] = {node: [] for node in level.ids}
        for parent, child in pairs:
            texts[level.ids[parent]].append(self.labels[below.ids[child]].text)
        return texts


def _crowds(shown: pl.DataFrame, labels: Labels, min_users: int) -> set[int]:
    """Clusters of enough users to be published: no other is worth a question, nor could its words pass."""
    placed = shown.with_columns(cluster=pl.Series(labels)).filter(pl.col("text") != "")
    users = placed.group_by("cluster").agg(users=pl.col("user").n_unique())
    return set(users.filter(pl.col("users") >= min_users)["cluster"].to_list())


def _parent(children: list[str]) -> Task:
    """Children's labels hold only what enough users share, so the question is made of nobody's own words."""
    return Task("name_parent.v1.jinja", {"children": children[:LARGEST_LIST]}, [])
