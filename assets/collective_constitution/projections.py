"""Two planes of opinion, as the two variants of the algorithm draw them. Source: spec 1.4 (a), (b)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.collective_constitution.matrix import Floats

COMPONENTS = 2


@dataclass(frozen=True)
class Plane:
    """places: (P, 2) of participants. explained: (2,), share of variance of each component."""

    places: Floats
    explained: Floats


def polis_plane(votes: Floats, voted: np.ndarray | None = None) -> Plane:
    """Participants on the two components of greatest variance of the votes about each statement's mean.

    A missing vote is the statement's mean and adds nothing, so who voted rarely would stand near the middle: places are
    stretched by sqrt(S / votes). votes: (P, S), NaN where missing. voted: votes of each participant, those counted that were
    taken out of the matrix because all votes on them count as 0. The components are what power iteration goes to, found at
    once.
    """
    seen = ~np.isnan(votes)
    means = np.where(seen, votes, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    centred = np.where(seen, votes - means, 0)
    # A column of imputed means is centred already: it is the mean of the whole column.
    components, explained = principal_components(centred)
    each = seen.sum(axis=1) if voted is None else voted
    stretch = np.sqrt(votes.shape[1] / np.maximum(each, 1))
    return Plane(stretch[:, None] * (centred @ components.T), explained)


def ccai_plane(votes: Floats) -> Plane:
    """Participants by their loadings on the two components of statements: a missing vote counts as a pass.

    Statements are the rows here, so votes are centred by participant, and places are entries of unit vectors.
    votes: (P, S), NaN where missing.
    """
    filled = np.nan_to_num(votes).T
    components, explained = principal_components(filled - filled.sum(axis=0) / max(len(filled), 1))
    return Plane(components.T, explained)


def principal_components(centred: Floats) -> tuple[Floats, Floats]:
    """The components (2, columns) of a centred matrix and their shares of variance (2,).

    The largest entry of each is positive: the sign of a component means nothing. The smaller of the two matrices of
    products is taken apart, for its two greatest values only.
    """
    from scipy.linalg import eigh

    rows, columns = centred.shape
    if not centred.size:
        return np.zeros((COMPONENTS, columns)), np.zeros(COMPONENTS)
    products = centred.T @ centred if columns <= rows else centred @ centred.T
    count = min(COMPONENTS, len(products))
    values, vectors = eigh(products, subset_by_index=[len(products) - count, len(products) - 1])
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    loadings = vectors.T if columns <= rows else _unit((centred.T @ vectors).T)
    signs = np.sign(loadings[np.arange(count), np.abs(loadings).argmax(axis=1)])
    found, shares = np.zeros((COMPONENTS, columns)), np.zeros(COMPONENTS)
    found[:count] = loadings * np.where(signs == 0, 1, signs)[:, None]
    shares[:count] = values / max(np.trace(products), np.finfo(float).tiny)
    return found, shares


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
