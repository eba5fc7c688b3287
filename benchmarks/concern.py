"""How well the concern score tells harmful from harmless text, with its false alarms.

    python -m benchmarks.concern --data ../shared/data --json concern.json
    python -m benchmarks.concern --rebuild-prototypes

Texts go the pipeline's own way: facets, the embedding of the request, the score. Nothing here is fitted; the
constants and where they come from are in docs/decisions/0003-concern-score.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from assets.clio.facets import read_facets, score_concern
from assets.clio.reader.prototypes import (
    concern_margin,
    embed_prototypes,
    packaged_prototypes,
    save_prototypes,
)
from benchmarks.corpora import (
    FLAGS,
    as_tables,
    clinc_texts,
    every,
    hh_turns,
    language_sentences,
    moderation,
)
from dagster_project.embedding import default_embedder

RESAMPLES = 1000
SEED = 20241212
SAMPLE = 800
BANDS = ("none", "low", "elevated", "high")


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    """Chance that a positive row has the higher score, ties counting half (Mann-Whitney)."""
    from scipy.stats import rankdata

    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        raise ValueError("AUROC needs rows of both kinds")
    ranks = rankdata(score)[positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def auroc_interval(positive: np.ndarray, score: np.ndarray) -> dict[str, float | int]:
    """AUROC with the 95 % percentile bootstrap interval over rows, resampled within each kind."""
    generator = np.random.default_rng(SEED)
    kinds = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    draws = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([generator.choice(kind, len(kind)) for kind in kinds])
        draws.append(auroc(positive[rows], score[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "auroc": auroc(positive, score),
        "ci_low": float(low),
        "ci_high": float(high),
        "positives": int(positive.sum()),
    }


def scored(conversations: list[list[str]]) -> pl.DataFrame:
    """Facets with `margin`, `concern_score` and `concern_band` of conversations given by their user turns."""
    facets = read_facets(*as_tables(conversations))
    vectors = default_embedder().encode(facets["request"].to_list())
    margin = pl.Series("margin", concern_margin(vectors, packaged_prototypes()))
    return facets.with_columns(margin).join(
        score_concern(facets, vectors), on="conversation_id", maintain_order="left"
    )


def moderation_figures(data: Path) -> dict:
    """AUROC on the moderation set: any category against none, each category against none, and each half of the score."""
    texts, flags = moderation(data)
    read = scored([[text] for text in texts])
    flagged = flags.select(pl.any_horizontal(FLAGS)).to_series().to_numpy()
    score = read["concern_score"].to_numpy()
    categories = {}
    for name in FLAGS:
        members = flags[name].to_numpy()
        kept = members | ~flagged
        categories[name] = auroc_interval(members[kept], score[kept])
    return {
        "texts": len(texts),
        "any": auroc_interval(flagged, score),
        "words_only": auroc_interval(flagged, read["concern_lexical"].to_numpy()),
        "nearness_only": auroc_interval(flagged, read["margin"].to_numpy()),
        "categories": categories,
        "bands_flagged": bands(read.filter(pl.Series(flagged))),
        "bands_not_flagged": bands(read.filter(~pl.Series(flagged))),
    }


def bands(read: pl.DataFrame) -> dict[str, float]:
    """Share of rows in each band."""
    counts = dict(read["concern_band"].value_counts(normalize=True).iter_rows())
    return {band: counts.get(band, 0.0) for band in BANDS}


def band_figures(data: Path) -> dict:
    """Bands on harmful and on harmless requests, and how well the two hh-rlhf splits are told apart."""
    harmful = scored(every(hh_turns(data, "harmless-base"), SAMPLE))
    helpful = scored(every(hh_turns(data, "helpful-base"), SAMPLE))
    both = pl.concat([harmful, helpful])["concern_score"].to_numpy()
    red_team = np.arange(len(both)) < harmful.height
    return {
        "hh_harmless_requests": bands(harmful),
        "hh_helpful_requests": bands(helpful),
        "hh_harmless_against_helpful": auroc_interval(red_team, both),
        "clinc150": bands(scored([[text] for text in every(clinc_texts(data), SAMPLE)])),
        "own_sentences_in_79_languages": bands(scored([[text] for text in language_sentences()["sentence"]])),
    }


def show(results: dict) -> None:
    """Print the figures as lines."""
    figures = results["moderation"]
    named = {key: figures[key] for key in ("any", "words_only", "nearness_only")} | figures["categories"]
    named["hh harmful/helpful"] = results["bands"]["hh_harmless_against_helpful"]
    for name, figure in named.items():
        interval = f"[{figure['ci_low']:.3f}, {figure['ci_high']:.3f}]"
        print(f"AUROC {name:20s} {figure['auroc']:.3f} {interval}  n+ = {figure['positives']}")
    shares = {name: value for name, value in results["bands"].items() if "none" in value}
    shares |= {name: figures[name] for name in ("bands_flagged", "bands_not_flagged")}
    for name, share in shares.items():
        print(f"{name:32s} " + "  ".join(f"{band} {share[band]:.3f}" for band in BANDS))


def main() -> None:
    """Measure and print; with --json also write; with --rebuild-prototypes embed the prototype sentences again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rebuild-prototypes", action="store_true")
    options = parser.parse_args()
    if options.rebuild_prototypes:
        save_prototypes(embed_prototypes(default_embedder().encode))
        return
    results = {"moderation": moderation_figures(options.data), "bands": band_figures(options.data)}
    show(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
