"""Distances between shares of the same answers, many pairs at once, and how spread such shares are.

Shapes: (..., K), the K options last; rows are normalised here, zeros may pad what has fewer options. A row that sums to
nothing has no distance: NaN. Sources: J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145-151, and D. M. Endres and J. E.
Schindelin, IEEE Trans. Inf. Theory 49 (2003) 1858-1860, for the Jensen-Shannon distance, a metric; Y. Rubner et al., Int. J. Comput.
Vis. 40 (2000) 99-121, for the earth mover's distance, which on a line is the area between two cumulative shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def jensen_shannon_distance(p: Any, q: Any, base: float = 2.0) -> Array:
    """Square root of the Jensen-Shannon divergence with logarithms of `base`: from 0 to 1 in base 2, to 0.8326 in base e."""
    from scipy.special import rel_entr

    p, q = _normalised(p), _normalised(q)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
    # Rounding may leave equal shares a little below 0.
    return np.sqrt(np.clip(divergence, 0, None) / np.log(base))


def earth_movers_distance(p: Any, q: Any, counted: Any = True) -> Array:
    """Share of the whole scale over which answers have to be moved to make p of q: from 0 to 1.

    counted: (..., K), the options that stand on the scale, in order and equally far apart; the others are left out of
    both. NaN where fewer than two stand on it.
    """
    counted = np.broadcast_to(counted, np.broadcast_shapes(np.shape(p), np.shape(q)))
    p, q = _normalised(np.where(counted, p, 0.0)), _normalised(np.where(counted, q, 0.0))
    apart = np.where(counted, np.abs(np.cumsum(p - q, axis=-1)), 0.0).sum(axis=-1)
    steps = counted.sum(axis=-1) - 1
    return np.divide(apart, steps, out=np.full(apart.shape, np.nan), where=steps > 0)


def entropy(p: Any, base: float = 2.0) -> Array:
    """Shannon entropy: 0 where all choose the same."""
    from scipy.special import entr

    return entr(_normalised(p)).sum(axis=-1) / np.log(base)


def _normalised(p: Any) -> Array:
    p = np.asarray(p, dtype=float)
    total = p.sum(axis=-1, keepdims=True)
    return np.divide(p, total, out=np.full(p.shape, np.nan), where=total > 0)
