"""Glosses: English words for what is named in another language, and what is embedded in its place."""

from __future__ import annotations

import polars as pl
import pytest

from assets.clio.reader.gloss import entries, glossary_languages, read_glosses, text_to_embed


def gloss(language: str, text: str) -> str:
    frame = pl.DataFrame({"language": [language], "language_text": [text]})
    return read_glosses(frame).item()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Wie backe ich Brot zum Geburtstag?"),
        ("es", "¿Cómo horneo un pan para el cumpleaños?"),
        ("fr", "Quel pain faire pour l'anniversaire ?"),
        ("it", "Che pane posso fare per il compleanno?"),
        ("pt", "Que pão faço para o aniversário?"),
        ("ru", "Какой хлеб испечь на день рождения?"),
        ("uk", "Який хліб спекти на день народження?"),
        ("tr", "DOĞUM GÜNÜ için hangi ekmeği yapayım?"),
        ("ar", "كيف أصنع الخبز لحفلة عيد ميلاد؟"),
        ("hi", "जन्मदिन के लिए ब्रेड कैसे बनाऊँ?"),
        ("zh", "生日怎么做面包？"),
        ("ja", "誕生日にパンを作りたい"),
        ("ko", "생일에 빵을 만들고 싶어요"),
    ],
)
def test_one_request_names_the_same_in_every_language(language: str, text: str) -> None:
    assert {"bake bread cake", "gift birthday party"} <= set(gloss(language, text).split("; "))


def test_every_language_of_the_glossary_is_tested_above() -> None:
    assert set(glossary_languages()) == {
        "de",
        "es",
        "fr",
        "it",
        "pt",
        "ru",
        "uk",
        "tr",
        "ar",
        "hi",
        "zh",
        "ja",
        "ko",
    }
    assert all(entries(language).height > 300 for language in glossary_languages())


@pytest.mark.parametrize("language", ["en", "und", "fi"])
def test_a_language_without_glossary_has_no_gloss(language: str) -> None:
    assert gloss(language, "pan recipe ekmek") == ""


def test_whole_words_and_beginnings_are_told_apart() -> None:
    assert gloss("es", "la pantalla") == ""
    assert gloss("es", "el pan") == "bake bread cake"
    assert gloss("de", "Mietvertragsklausel") == "rent landlord tenant"
    assert gloss("de", "Untermietvertrag") == ""


def test_the_longest_entry_counts() -> None:
    assert gloss("ja", "宿題") == "homework lesson"
    assert gloss("ja", "宿") == "hotel booking"


def test_product_names_in_latin_letters_stay_in_other_scripts() -> None:
    assert gloss("ru", "PostgreSQL") == "postgresql"
    assert gloss("de", "PostgreSQL") == ""


def test_rows_keep_their_order_and_depend_on_themselves_only() -> None:
    frame = pl.DataFrame(
        {"language": ["de", "en", "de", "zh"], "language_text": ["Brot", "bread", "xyz", "面包"]}
    )
    whole = read_glosses(frame)
    assert whole.to_list() == ["bake bread cake", "", "", "bake bread cake"]
    assert whole.to_list() == [read_glosses(frame.slice(row, 1)).item() for row in range(4)]
    assert read_glosses(frame.clear()).to_list() == []


def test_a_gloss_that_says_little_stands_before_the_request() -> None:
    frame = pl.DataFrame(
        {"request": ["Backe Brot", "Brot im Garten", "bread"], "gloss": ["bake", "bake; garden plants", ""]}
    )
    assert frame.select(text_to_embed("request"))["request"].to_list() == [
        "bake. Backe Brot",
        "bake garden plants",
        "bread",
    ]
