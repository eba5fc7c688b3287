"""Terms of noisy names: one user more or less changes that user's pairs of cluster and term, and nobody else's."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clio import terms
from assets.clio.release.keywords import JOIN, term_pairs
from dagster_project.privacy.contributions import Bounds, bound_contributions

SECRET = bytes(32)
MOST = 3
SCHEMA = {
    "user_key": pl.String,
    "language": pl.String,
    "request": pl.String,
    "task": pl.String,
    "cluster_id": pl.String,
}
# Forms of one word, in one language and across languages; function words of some languages that mean a thing in others.
WORDS = ("recipe", "recipes", "receta", "recetas", "die", "dies", "for", "soup", "l'eau", "письма", "письмо")
UNSPACED = ("レシピを教えて", "请给我菜谱", "สูตรอาหาร")
requests = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join),
    st.sampled_from(UNSPACED),
    st.sampled_from(["recipe, recipes!", "c++ and python3", ""]),
)
conversation = st.tuples(
    st.sampled_from(["en", "es", "de", "fr", "ru", "ja", "und"]),
    requests,
    st.sampled_from(["", "find a recipe"]),
    st.sampled_from(["a", "b"]),
)
user = st.lists(conversation, min_size=1, max_size=4)


def world(users: dict[str | None, list[tuple[str, str, str, str]]]) -> pl.DataFrame:
    rows = [(key, *spoken) for key, conversations in users.items() for spoken in conversations]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    """Pairs as they are counted, unknown users under a name of their own."""
    pairs = bound_contributions(term_pairs(frame), Bounds(clusters=MOST), SECRET, group="pair", item="pair")
    return pairs.with_columns(pl.col("user_key").fill_null("")).sort("user_key", "pair")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(others=st.lists(user, max_size=6), extra=user, place=st.integers(0, 6), unknown=st.booleans())
def test_one_user_changes_only_that_users_pairs(
    others: list[list[tuple[str, str, str, str]]],
    extra: list[tuple[str, str, str, str]],
    place: int,
    unknown: bool,
) -> None:
    """Both ways: whoever is added brings their pairs, whoever is taken out takes them, and the rest is as it was."""
    keys = [f"u{number}" for number in range(len(others))]
    everyone = [(key, spoken) for key, spoken in zip(keys, others, strict=True)]
    name = None if unknown else "extra"
    everyone.insert(min(place, len(everyone)), (name, extra))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terms, "SLICE", 3)
        with_user, without = (
            counted(world(dict(everyone))),
            counted(world(dict(zip(keys, others, strict=True)))),
        )
    mine = pl.col("user_key") == (name or "")
    assert with_user.filter(~mine).equals(without)
    assert with_user.filter(mine)["pair"].n_unique() == with_user.filter(mine).height <= MOST


def test_a_form_that_becomes_the_commonest_moves_nobody() -> None:
    balanced = {
        f"u{number}": [("en", "recipe" if number % 2 else "recipes", "", "a")] for number in range(80)
    }
    before, after = (
        counted(world(balanced)),
        counted(world({**balanced, "last": [("en", "recipes", "", "a")]})),
    )
    assert after.filter(pl.col("user_key") != "last").equals(before)
    assert set(before["pair"]) == {f"a{JOIN}recipe", f"a{JOIN}recipes"}


def test_pairs_are_terms_as_written_by_the_user_in_the_cluster() -> None:
    spoken = {"u": [("en", "Book a flight", "", "a"), ("en", "", "boil soup", "b")]}
    pairs = set(term_pairs(world(spoken))["pair"])
    expected = [("a", ("book", "flight", "book flight")), ("b", ("boil", "soup", "boil soup"))]
    assert pairs == {f"{cluster}{JOIN}{term}" for cluster, words in expected for term in words}
