"""The tree above the base clusters by a model: propose, deduplicate, assign, rename. Source: Clio G.7, with its prompts' bounds.

Every level is smaller than the one below and their number is fixed beforehand, so building it always ends. Where the
model cannot do its part, there is no tree of its making.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.clio.model_naming.answers import MOST_WORDS, Label, complaint, read_label
from assets.clio.prompts import FOLDER
from dagster_project.clustering import Hierarchy, fit_clusters
from dagster_project.clustering.hierarchy import level_sizes
from dagster_project.language_models import Message, Request, Sampling
from dagster_project.language_models.prompts import mark, render
from dagster_project.privacy.identity import keyed_rank
from schemas.published import NAME_LENGTH

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
# Labels of the nodes of a new level: given the node of each base cluster, and the labels of each node's children.
Describe = Callable[[NDArray[np.int32], list[list[Label]]], dict[int, Label]]
NEIGHBOURHOOD = 40
NEARBY = 10
# Names that one call is shown; more are deduplicated in groups of similar ones, and parents are chosen from the nearest.
LARGEST_LIST = 200
FEWEST, MOST = 0.5, 1.5
MOST_FAULTS = 0.5
DRAWING = Sampling(temperature=0.2, max_tokens=2_000)
CHOOSING = Sampling(temperature=0.0, max_tokens=100)


@dataclass(frozen=True)
class Built:
    """Parents of every level, and the labels that the model gave to each level's nodes, from the first above the base."""

    hierarchy: Hierarchy
    labels: list[dict[int, Label]]


@dataclass(frozen=True)
class TreeBuilder:
    """Builds levels with one model and one embedder."""

    asker: Asker
    encode: Encode
    secret: bytes
    seed: int

    def build(self, base: Sequence[Label], top: int, describe: Describe) -> Built | None:
        """The levels above labelled base clusters; None where the model could not build one of them."""
        children, parents, labels = list(base), [], []
        above = np.arange(len(base), dtype=np.int32)
        for wanted in level_sizes(len(base), top)[1:]:
            level = self._level(children, wanted)
            if level is None:
                return None
            names, chosen = level
            above = chosen[above]
            grouped = [
                [children[child] for child in np.flatnonzero(chosen == parent)]
                for parent in range(len(names))
            ]
            described = describe(above, grouped)
            parents.append(chosen)
            labels.append(described)
            children = [described.get(parent, Label(name, "")) for parent, name in enumerate(names)]
        return Built(Hierarchy(tuple(parents)), labels)

    def _level(self, children: list[Label], wanted: int) -> tuple[list[str], NDArray[np.int32]] | None:
        """Names of the parents that have children, and the parent of each child."""
        vectors = self.encode([child.text for child in children])
        proposed = self._proposals(children, vectors, wanted)
        names = self._distinct(proposed, wanted) if proposed else None
        if names is None:
            return None
        chosen = self._assigned(children, vectors, names)
        if chosen is None:
            return None
        filled, parent = np.unique(chosen, return_inverse=True)
        if not 2 <= len(filled) < len(children):
            return None
        return [names[place] for place in filled], parent.astype(np.int32)

    def _proposals(self, children: list[Label], vectors: Vectors, wanted: int) -> list[str]:
        """Names proposed in each neighbourhood, by neighbourhood; [] where most of them got none."""
        count = max(1, round(len(children) / NEIGHBOURHOOD))
        near = fit_clusters(vectors, count, seed=self.seed)
        found: dict[int, list[str]] = {}
        places = range(len(near.centroids))

        def requests() -> Iterator[Request]:
            for place in places:
                inside = np.flatnonzero(near.labels == place)
                similar = vectors @ near.centroids[place]
                outside = [
                    child for child in np.argsort(-similar, kind="stable") if near.labels[child] != place
                ]
                bounds = _bounds(len(inside) * wanted / len(children))
                texts = {
                    "inside": [children[child].text for child in inside],
                    "outside": [children[child].text for child in outside[:NEARBY]],
                }
                yield self._list_request(str(place), "propose_parents.v1.jinja", texts, bounds)

        for response in self.asker.generate(requests()):
            if response.fault is None:
                found[int(response.id)] = _usable(response.value["names"])
        if len(found) < MOST_FAULTS * len(places):
            return []
        return _unlike(name for place in sorted(found) for name in found[place])

    def _distinct(self, proposed: list[str], wanted: int) -> list[str] | None:
        """The proposals without those that mean the same; None where their number is out of bounds."""
        groups = [proposed]
        if len(proposed) > LARGEST_LIST:
            near = fit_clusters(
                self.encode(proposed), math.ceil(len(proposed) / LARGEST_LIST), seed=self.seed
            )
            groups = [
                [proposed[at] for at in np.flatnonzero(near.labels == group)]
                for group in range(len(near.centroids))
            ]
        merged: dict[int, list[str]] = {}
        requests = (
            self._list_request(
                str(place),
                "merge_parents.v1.jinja",
                {"names": group},
                _bounds(len(group) * wanted / len(proposed)),
            )
            for place, group in enumerate(groups)
        )
        for response in self.asker.generate(requests):
            if response.fault is None:
                merged[int(response.id)] = _usable(response.value["names"])
        names = _unlike(name for place, group in enumerate(groups) for name in merged.get(place, group))
        return names if FEWEST * wanted <= len(names) <= math.ceil(MOST * wanted) else None

    def _list_request(
        self, name: str, prompt: str, texts: Mapping[str, list[str]], bounds: tuple[int, int, int]
    ) -> Request:
        wanted, least, most = bounds
        code = mark(self.secret, [text for part in texts.values() for text in part])
        content = render(FOLDER, prompt, **texts, mark=code, wanted=wanted, least=least, most=most)
        items = {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH}
        names = {"type": "array", "items": items, "minItems": least, "maxItems": most}
        return Request(name, (Message("user", content),), DRAWING, _object("names", names))

    def _assigned(
        self, children: list[Label], vectors: Vectors, names: list[str]
    ) -> NDArray[np.int32] | None:
        """Parent of each child: the one that the model names exactly, otherwise the nearest; None where most fail."""
        similar = vectors @ self.encode(names).T
        nearest = np.argsort(-similar, axis=1, kind="stable")[:, :LARGEST_LIST]
        chosen = nearest[:, 0].astype(np.int32)
        places = {name: place for place, name in enumerate(names)}
        answered = 0
        requests = (
            self._choice(str(child), label.text, [names[place] for place in nearest[child]])
            for child, label in enumerate(children)
        )
        for response in self.asker.generate(requests):
            place = places.get(response.value["parent"]) if response.fault is None else None
            if place is not None:
                chosen[int(response.id)] = place
                answered += 1
        return chosen if answered >= MOST_FAULTS * len(children) else None

    def _choice(self, name: str, child: str, names: list[str]) -> Request:
        """The question for one child, with the parents in an order of its own."""
        ranks = keyed_rank(self.secret, f"order of parents for {child}", names)
        shuffled = [name for _, name in sorted(zip(ranks, names, strict=True))]
        code = mark(self.secret, [child, *names])
        content = render(FOLDER, "choose_parent.v1.jinja", child=child, parents=shuffled, mark=code)
        schema = _object("parent", {"type": "string", "enum": sorted(names)})
        return Request(name, (Message("user", content),), CHOOSING, schema)


def _bounds(share: float) -> tuple[int, int, int]:
    """How many names are asked for, and how few and many are taken."""
    wanted = max(1, round(share))
    return wanted, max(1, math.ceil(FEWEST * wanted)), max(1, math.floor(MOST * wanted))


def _object(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


def _usable(names: list[str]) -> list[str]:
    """Names that may stand in a prompt: cleaned, in the form of a name."""
    read = [read_label({"name": name, "summary": "Asked."}) for name in names]
    return [
        label.name for label in read if complaint(label) is None and len(label.name.split()) <= MOST_WORDS
    ]


def _unlike(names: Iterator[str]) -> list[str]:
    """Names in order, without those that differ in case only from one before."""
    return list({name.casefold(): name for name in reversed(list(names))}.values())[::-1]
