"""The concern score: what raises it, what lowers it, where it abstains, and how well it ranks labelled text."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.clio.facets import BAND_STARTS, score_concern
from assets.clio.reader import prototypes
from assets.clio.reader.concern import lexical_concern, load_terms
from assets.clio.reader.prototypes import Prototypes, concern_margin, packaged_prototypes, prototype_sentences
from benchmarks.concern import auroc, auroc_interval
from benchmarks.corpora import FLAGS, clinc_texts, language_sentences, moderation
from schemas.clio import Concern


def lexical(text: str, language: str = "en") -> float:
    return lexical_concern(pl.Series([text]), pl.Series([language]))[0]


def facets(lexical_scores: list[float], language: str = "en") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "conversation_id": pl.Series([f"c{row}" for row in range(len(lexical_scores))], dtype=pl.String),
            "language": pl.Series([language] * len(lexical_scores), dtype=pl.String),
            "concern_lexical": pl.Series(lexical_scores, dtype=pl.Float32),
        }
    )


def test_a_plain_term_outweighs_a_strong_one_and_a_weak_one() -> None:
    plain, strong, weak = lexical("blackmail"), lexical("some heroin"), lexical("a gun")
    assert plain == pytest.approx(1 - np.exp(-1.0), abs=1e-6)
    assert 0 < weak < strong < plain < 1


def test_text_without_words_of_concern_scores_zero() -> None:
    assert lexical("How do I make pancakes for my children?") == 0
    assert lexical("") == 0


def test_a_plan_raises_and_distance_lowers() -> None:
    told = lexical("the murder of a man")
    assert lexical("how to murder a man") > told > lexical("the history of the murder of a man") > 0


@pytest.mark.parametrize(
    "text", ["how do i kill a process", "I bought a bath bomb", "a photo shoot in the park"]
)
def test_everyday_phrases_are_harmless(text: str) -> None:
    assert lexical(text) == 0


def test_terms_are_whole_words() -> None:
    assert lexical("grapes, therapists and skillet recipes") == 0


def test_a_word_counts_in_its_own_language() -> None:
    assert lexical("Die Katze schläft auf dem Dach", "de") == 0
    assert lexical("I want them to die") > 0
    assert lexical("wie baue ich eine bombe", "de") > 0
    assert lexical("how to build a bomb", "de") > 0


def test_at_least_ten_languages_have_terms() -> None:
    assert load_terms()["term_language"].n_unique() >= 11


def test_repetition_adds_nothing() -> None:
    assert lexical("bomb " * 50) == lexical("bomb")


def test_harmless_sentences_in_every_language_stay_low() -> None:
    sentences = language_sentences()
    assert lexical_concern(sentences["sentence"], sentences["language"]).max() < 0.4


def test_words_alone_rank_the_moderation_set(data_dir) -> None:
    texts, flags = moderation(data_dir)
    flagged = flags.select(pl.any_horizontal(FLAGS)).to_series().to_numpy()
    score = lexical_concern(pl.Series(texts), pl.Series(["en"] * len(texts))).to_numpy()
    assert auroc_interval(flagged, score)["ci_low"] >= 0.80


def test_words_alone_raise_few_false_alarms(data_dir) -> None:
    texts = pl.Series(clinc_texts(data_dir))
    score = lexical_concern(texts, pl.Series(["en"] * len(texts)))
    assert (score > 0.3).mean() < 0.005


def test_packaged_vectors_belong_to_the_sentences() -> None:
    stored = packaged_prototypes()
    concerning, benign = prototype_sentences()
    assert stored.concerning.shape == (len(concerning), 384)
    assert stored.benign.shape == (len(benign), 384)
    np.testing.assert_allclose(np.linalg.norm(stored.concerning, axis=1), 1, atol=2e-3)


def test_vectors_of_other_sentences_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototypes, "sentences_digest", lambda: "other")
    with pytest.raises(ValueError, match="rebuild-prototypes"):
        packaged_prototypes.__wrapped__()


def test_nearness_prefers_the_nearer_side() -> None:
    stored = packaged_prototypes()
    assert concern_margin(stored.concerning, stored).mean() > 0.05
    assert concern_margin(stored.benign, stored).mean() < 0


def test_score_follows_words_and_nearness() -> None:
    stored = packaged_prototypes()
    vectors = np.stack([stored.benign[0], stored.benign[0], stored.concerning[0], stored.concerning[0]])
    scored = score_concern(facets([0.0, 0.9, 0.0, 0.9]), vectors)
    low, words, near, both = scored["concern_score"]
    assert low < near < both
    assert low < words < both
    Concern.validate(scored)
    assert scored["concern_band"][0] == "none"
    assert scored["concern_band"][3] == "high"


def test_bands_follow_the_score() -> None:
    stored = packaged_prototypes()
    steps = np.linspace(0, 0.95, 60).astype(np.float32).tolist()
    scored = score_concern(facets(steps), np.repeat(stored.benign[:1], 60, axis=0)).sort("concern_score")
    order = ["none", "low", "elevated", "high"]
    positions = [order.index(band) for band in scored["concern_band"]]
    assert positions == sorted(positions)
    for score, band in scored.select("concern_score", "concern_band").iter_rows():
        assert band == "none" or score >= BAND_STARTS[band]


def test_nearness_counts_less_outside_english() -> None:
    vectors = packaged_prototypes().concerning[:1]
    english = score_concern(facets([0.0], "en"), vectors)["concern_score"][0]
    assert score_concern(facets([0.0], "hu"), vectors)["concern_score"][0] < english


def test_lengths_and_widths_must_agree() -> None:
    with pytest.raises(ValueError, match="same rows"):
        score_concern(facets([0.0, 0.0]), packaged_prototypes().benign[:1])
    with pytest.raises(ValueError, match="dimensions"):
        score_concern(facets([0.0]), np.ones((1, 7), dtype=np.float32))


def test_other_prototypes_may_be_given() -> None:
    axes = np.eye(2, dtype=np.float32)
    given = Prototypes(concerning=axes[:1], benign=axes[1:])
    near, far = score_concern(facets([0.0, 0.0]), axes, given)["concern_score"]
    assert near > 0.9
    assert far < 0.1


def test_no_rows() -> None:
    empty = score_concern(facets([]), np.zeros((0, 384), dtype=np.float32))
    assert empty.height == 0
    Concern.validate(empty)


def test_auroc_by_hand() -> None:
    positive = np.array([True, True, False, False])
    assert auroc(positive, np.array([4.0, 3.0, 2.0, 1.0])) == 1
    assert auroc(positive, np.array([1.0, 1.0, 1.0, 1.0])) == 0.5
    assert auroc(positive, np.array([4.0, 1.0, 2.0, 3.0])) == 0.5
