"""Names: only shared terms, readable, and never the same for two siblings."""

from __future__ import annotations

import re
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clio.languages import LANGUAGE_NAMES, language_name
from assets.clio.naming import name_nodes
from assets.clio.terms import read_terms, shared_terms
from assets.clio.wording import MOST_WORDS, UNNAMED
from schemas.identifiers import HIDDEN


def requests(*texts: str, users: list[str | None] | None = None, language: str = "en") -> pl.DataFrame:
    users = [f"u{number}" for number in range(len(texts))] if users is None else users
    schema = {"user_key": pl.String, "language": pl.String, "request": pl.String, "task": pl.String}
    return pl.DataFrame(
        {
            "user_key": users,
            "language": [language] * len(texts),
            "request": list(texts),
            "task": [""] * len(texts),
        },
        schema=schema,
    )


def terms_of(frame: pl.DataFrame, min_users: int = 1) -> set[str]:
    return set(shared_terms(frame, min_users)["term"])


def members(**clusters: list[str]) -> pl.DataFrame:
    """Requests of several clusters, every request by a user of its own."""
    frames = [
        requests(*texts, users=[f"{cluster}{number}" for number in range(len(texts))]).with_columns(
            cluster_id=pl.lit(cluster)
        )
        for cluster, texts in clusters.items()
    ]
    return pl.concat(frames)


def tree(parents: dict[str, str | None]) -> pl.DataFrame:
    levels = {node: int(node in parents.values()) for node in parents}
    return pl.DataFrame(
        {"cluster_id": list(parents), "level": list(levels.values()), "parent_id": list(parents.values())},
        schema={"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String},
    )


def names_of(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.select("cluster_id", "name").iter_rows())


TRAVEL = [
    f"please {verb} a flight to {city}" for verb in ("book", "cancel") for city in ("rome", "oslo", "lima")
] * 4
MONEY = ["what is the exchange rate for dollars", "tell me the exchange rate of the yen"] * 8
FOOD = ["find a recipe for tomato soup", "a recipe with beans and rice", "tomato soup without salt"] * 6


def test_inflections_of_a_word_are_one_term_and_reach_the_threshold_together() -> None:
    frame = requests("exercise daily", "exercises daily", "an exercise", "some exercises", "the exercise")
    shared = dict(shared_terms(frame, 3).iter_rows())
    assert shared["exercise"] == 5 and "exercises" not in shared
    assert "exercise" not in terms_of(frame, 4), "nobody's rare form is shown: three wrote it, not four"
    assert terms_of(requests("states", "state", "united states", "united states"), 2) >= {"united states"}


def test_inflections_follow_the_language() -> None:
    frame = requests("una receta fácil", "recetas fáciles", "receta rápida", language="es")
    assert dict(shared_terms(frame, 2).iter_rows())["receta"] == 3
    assert "レシピ" in terms_of(requests("レシピ", "レシピ", language="ja"), 2)


def test_words_of_asking_do_not_make_a_name() -> None:
    asked = ["помогите найти рецепт супа", "помогите посчитать налоги", "помогите выучить стихи"] * 8
    found = names_of(name_nodes(members(a=asked, b=MONEY), tree({"a": None, "b": None}), min_users=9))
    assert found["a"] == UNNAMED, "all share the asking and nothing else"
    assert found["b"].startswith("Exchange rate")


def test_terms_are_words_and_phrases_as_written() -> None:
    found = terms_of(requests("Please book a flight to New-York!", "Change my oil, change the tires"))
    assert {
        "book",
        "flight",
        "book flight",
        "book a flight",
        "new-york",
        "change my oil",
        "change oil",
    } <= found
    assert "oil change" not in found, "punctuation ends a phrase"
    assert not {"a", "my", "to", "the", "a flight"} & found


def test_terms_need_distinct_users_and_unknown_users_are_one() -> None:
    frame = requests(*["weather in paris"] * 6, users=["a", "a", "a", None, None, None])
    assert "weather" in terms_of(frame, 2)
    assert "weather" not in terms_of(frame, 3)
    assert shared_terms(frame, 1).filter(pl.col("term") == "weather")["users"].item() == 2


@pytest.mark.parametrize(
    "text",
    [
        "<EMAIL_ADDRESS>",
        "12345",
        "2024",
        "https://example.org/secret",
        "x" * 31,
        "call 5551234567",
        "```secret = 1```",
        "a",
    ],
)
def test_what_never_is_a_term(text: str) -> None:
    found = terms_of(requests(f"{text}"))
    assert found <= {"call"}


def test_hidden_characters_are_gone_and_forms_are_unified() -> None:
    found = terms_of(requests("wea\u200bther \u202eforecast\u202c ＴＯＤＡＹ ﬁnal"))
    assert {"weather", "forecast", "final", "today"} <= found
    assert not any(re.search(r"[\u200b-\u202e]", term) for term in found)


def test_stopwords_follow_the_language_of_the_request() -> None:
    german = requests("Wie backe ich ein Brot mit Sauerteig", language="de")
    assert {"backe", "brot", "sauerteig"} <= terms_of(german)
    assert not {"wie", "ich", "ein", "mit"} & terms_of(german)
    french = requests("l'eau froide de l'hôtel", language="fr")
    assert {"eau", "hôtel", "eau froide"} <= terms_of(french)


def test_a_common_languages_stopwords_hold_for_misread_requests_too() -> None:
    mostly_english = pl.concat(
        [requests(*["what is the weather"] * 30), requests("the weather", language="ro")]
    )
    assert "the" not in terms_of(mostly_english)


def test_scripts_without_spaces_give_short_runs() -> None:
    assert {"翻译", "英文"} <= terms_of(requests("请把这句话翻译成英文", language="zh"))
    assert {"テキスト", "英語", "翻訳"} <= terms_of(
        requests("このテキストを英語に翻訳してください", language="ja")
    )
    thai = terms_of(requests("แปลข้อความเป็นภาษาอังกฤษ", language="th"))
    assert any("แปล" in term for term in thai)
    assert all(3 <= len(term) <= 6 for term in thai)
    assert not any(term[0] in "\u0e31\u0e34\u0e35\u0e49\u0e48\u0e47" for term in thai)


def test_korean_cyrillic_and_arabic_words() -> None:
    assert "번역" in terms_of(requests("문장 번역 부탁", language="ko"))
    assert "перевод" in terms_of(requests("Сделай перевод текста", language="ru"))
    assert "ترجمة" in terms_of(requests("ترجمة النص", language="ar"))


def test_the_task_stands_in_for_an_empty_request() -> None:
    frame = requests("").with_columns(task=pl.lit("bake bread"))
    assert "bake bread" in terms_of(frame)


def test_rows_are_numbered_in_order_across_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = requests(*[f"topic{chr(97 + number)}" for number in range(10)])
    whole = read_terms(frame, 1)
    monkeypatch.setattr("assets.clio.terms.SLICE", 3)
    sliced = read_terms(frame, 1)
    assert whole.vocabulary.equals(sliced.vocabulary)
    assert whole.uses.sort("row", "term").equals(sliced.uses.sort("row", "term"))


def test_names_say_what_sets_a_cluster_apart() -> None:
    named = name_nodes(
        members(a=TRAVEL, b=MONEY, c=FOOD), tree({"a": None, "b": None, "c": None}), min_users=5
    )
    names = names_of(named)
    assert "flight" in names["a"].lower()
    assert "exchange rate" in names["b"].lower()
    assert "recipe" in names["c"].lower() or "tomato soup" in names["c"].lower()
    assert all(name[0].isupper() and len(name.split()) <= MOST_WORDS for name in names.values())
    assert named["summary"].str.starts_with("Requests about ").all()
    assert named["summary"].str.ends_with("; mostly in English.").all()


def test_a_parent_is_named_by_its_members_against_its_siblings() -> None:
    nodes = tree({"a": "p", "b": "p", "c": "q", "p": None, "q": None})
    names = names_of(name_nodes(members(a=TRAVEL, b=MONEY, c=FOOD), nodes, min_users=5))
    assert "flight" in names["p"].lower() or "exchange rate" in names["p"].lower()
    assert "recipe" in names["q"].lower() or "tomato soup" in names["q"].lower()


def test_a_term_of_too_few_users_is_never_shown() -> None:
    rare = ["flight to zanzibar"] * 4 + ["flight to rome"] * 20
    frame = members(a=rare, b=MONEY, c=FOOD)
    for min_users, shown in ((5, False), (4, True)):
        named = name_nodes(frame, tree({"a": None, "b": None, "c": None}), min_users=min_users)
        assert named["summary"].str.contains("zanzibar").any() == shown


def test_many_requests_of_one_user_count_once() -> None:
    frame = members(a=["flight to rome"] * 20 + ["flight to zanzibar"] * 30, b=MONEY, c=FOOD)
    one = pl.when(pl.col("request").str.contains("zanzibar")).then(pl.lit("same")).otherwise("user_key")
    named = name_nodes(frame.with_columns(user_key=one), tree({"a": None, "b": None, "c": None}), min_users=2)
    assert not named["summary"].str.contains("zanzibar").any()


def test_a_term_shared_elsewhere_may_be_borrowed_only_if_it_is_shown_there() -> None:
    odd = [chr(97 + number) * 3 for number in range(20)]
    frame = members(
        a=[f"rome {word}" for word in odd],
        b=[f"rome {word} hotels" for word in odd[:6]] + [f"hotels {word}" for word in odd[6:12]],
        c=FOOD, d=MONEY, e=["reset my password"] * 12, f=["play a song"] * 12,
    )  # fmt: skip
    nodes = tree(dict.fromkeys("abcdef"))
    named = dict(name_nodes(frame, nodes, min_users=10).select("cluster_id", "summary").iter_rows())
    assert "rome" in named["a"]
    assert "rome" in named["b"], "six users of b say it, and a shows it by its own right"
    alone = frame.filter(pl.col("cluster_id") != "a"), nodes.filter(pl.col("cluster_id") != "a")
    assert not name_nodes(*alone, min_users=10)["summary"].str.contains("rome").any()


def test_clusters_with_the_same_words_still_get_different_names() -> None:
    same = {f"k{number}": ["reset my password"] * 12 for number in range(6)}
    named = name_nodes(members(**same, z=FOOD, y=MONEY), tree(dict.fromkeys([*same, "z", "y"])), min_users=5)
    assert named["name"].str.to_lowercase().n_unique() == 8


def test_clusters_without_shared_words_are_named_by_what_is_above_or_by_language() -> None:
    nothing = [f"{word} {word * 2}" for word in ("qa", "qb", "qc", "qd", "qe", "qf")]
    nodes = tree({"a": "p", "b": "p", "c": "q", "p": None, "q": None})
    named = names_of(name_nodes(members(a=TRAVEL, b=nothing, c=FOOD), nodes, min_users=5))
    assert named["b"].endswith(": other requests")
    foreign = pl.concat([members(a=TRAVEL, c=FOOD), members(b=nothing).with_columns(language=pl.lit("pl"))])
    assert names_of(name_nodes(foreign, nodes, min_users=5))["b"] == "Requests in Polish"
    assert names_of(name_nodes(members(b=nothing), tree({"b": None}), min_users=5)) == {"b": UNNAMED}


def test_a_language_is_told_only_when_enough_users_write_it() -> None:
    frame = members(a=TRAVEL, b=MONEY).with_columns(
        language=pl.when(pl.col("cluster_id") == "a").then(pl.lit("fi")).otherwise(pl.lit("en"))
    )
    few = name_nodes(frame, tree({"a": None, "b": None}), min_users=17)
    assert few["summary"].to_list()[0].endswith("; mostly in Finnish.")
    assert not few["summary"].to_list()[1].endswith("English.")


def test_earlier_names_are_kept_while_their_terms_qualify() -> None:
    nodes = tree({"a": None, "b": None, "c": None})
    kept = pl.DataFrame({"cluster_id": ["a", "b"], "name": ["Flight: book", "Yen: zeppelin"]})
    names = names_of(name_nodes(members(a=TRAVEL, b=MONEY, c=FOOD), nodes, min_users=5, kept=kept))
    assert names["a"] == "Flight: book"
    assert names["b"] != "Yen: zeppelin"


def test_a_kept_name_is_not_given_again() -> None:
    frame = members(a=["reset my password"] * 12, b=["reset my password"] * 20, c=FOOD, d=MONEY)
    nodes = tree({"a": None, "b": None, "c": None, "d": None})
    first = names_of(name_nodes(frame, nodes, min_users=5))
    kept = pl.DataFrame({"cluster_id": ["a"], "name": [first["b"]]})
    second = names_of(name_nodes(frame, nodes, min_users=5, kept=kept))
    assert second["a"] == first["b"] != second["b"]


def test_same_input_same_names_whatever_the_order() -> None:
    frame = members(a=TRAVEL, b=MONEY, c=FOOD)
    nodes = tree({"a": "p", "b": "p", "c": "q", "p": None, "q": None})
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=3)
    assert name_nodes(frame, nodes, min_users=5).equals(name_nodes(shuffled, nodes, min_users=5))


WORDS = st.sampled_from(
    ["flight", "Flight", "rome", "the", "<EMAIL>", "12345678", "\u202eabc", "naïve", "翻译成英文", "แปลข้อความ", "don't",
     "😀", "\x00", "c++", ",", "a: b", "or", "перевод", "x" * 40, ""]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.tuples(st.lists(WORDS, max_size=6), st.sampled_from(["u1", "u2", "u3", None]), st.integers(0, 3)),
        min_size=1,
        max_size=25,
    ),
    min_users=st.integers(1, 4),
)
def test_names_are_whole_clean_and_made_of_shared_terms(
    rows: list[tuple[list[str], str | None, int]], min_users: int
) -> None:
    frame = requests(
        *(" ".join(words) for words, _, _ in rows), users=[user for _, user, _ in rows]
    ).with_columns(cluster_id=pl.Series([f"k{cluster}" for _, _, cluster in rows]))
    used = sorted(frame["cluster_id"].unique())
    nodes = tree(
        {cluster: f"p{int(cluster[1]) % 2}" for cluster in used}
        | dict.fromkeys({f"p{int(c[1]) % 2}" for c in used})
    )
    named = name_nodes(frame, nodes, min_users=min_users)
    shared = terms_of(frame, min_users)
    assert named["cluster_id"].equals(nodes["cluster_id"])
    assert (
        named.select(pl.struct("level", pl.col("name").str.to_lowercase()).n_unique()).item() == nodes.height
    )
    assert not named["name"].str.contains(HIDDEN).any()
    assert not named["summary"].str.contains(HIDDEN).any()
    assert named["name"].str.len_chars().is_between(1, 120).all()
    for name in named["name"]:
        plain = re.sub(r" \d+$| in [A-Z]\w+$|: other requests( \d+)?$", "", name)
        if not plain.startswith((UNNAMED, "Requests")):
            assert set(plain.lower().replace(": ", ", ").split(", ")) <= shared


def test_every_language_has_a_name() -> None:
    assert language_name("sw") == "Swahili"
    assert language_name("xx") == "another language"
    assert all(re.fullmatch(r"[a-z]{2}", code) and name[0].isupper() for code, name in LANGUAGE_NAMES.items())


def test_accounts_that_repeat_one_text_are_one_voice() -> None:
    crowd = requests(*["name the cluster velmora tarquis"] * 12)
    assert "velmora" in terms_of(crowd, 10), "twelve people, on twelve days"
    same_day = crowd.with_columns(day=pl.lit(date(2026, 3, 1)))
    assert terms_of(same_day, 2) == set()
    salted = requests(*[f"name the cluster velmora tarquis {chr(97 + n) * 5}" for n in range(12)])
    assert terms_of(salted.with_columns(day=pl.lit(date(2026, 3, 1))), 2) == set()
    unknown = crowd.with_columns(day=pl.lit(None, pl.Date))
    assert terms_of(unknown, 2) == set(), "requests without a time cannot be told from a burst"


def test_a_crowd_of_one_day_is_heard_when_its_words_differ() -> None:
    texts = [
        f"bake bread with {grain} and {time}"
        for grain in ("rye", "oats", "spelt")
        for time in ("yeast", "sourdough")
    ]
    crowd = requests(*texts * 4).with_columns(day=pl.lit(date(2026, 3, 1)))
    assert {"bake", "bread"} <= terms_of(crowd, 6)
    assert "bake" not in terms_of(crowd, 7), "six different requests, however many repeat them"


@pytest.mark.parametrize("word", ["python3", "covid-19", "mp3", "windows-11", "c++", "h2o"])
def test_ordinary_words_with_numbers_are_terms(word: str) -> None:
    assert word in terms_of(requests(f"explain {word} please"))


@pytest.mark.parametrize(
    "word", ["zqv7-k3x9m2", "x9k2p", "order-4471-b2", "zqv7abcdefghijkl", "sk-live4aaaaaaaa"]
)
def test_words_like_keys_are_no_terms(word: str) -> None:
    assert word not in terms_of(requests(f"explain {word} please"))
