"""The task facet: key phrases in many languages, at most six words, each row on its own."""

from __future__ import annotations

import polars as pl
import pytest

from assets.clio.reader.lexicons import stopword_languages
from assets.clio.reader.task import MAX_UNSPACED, MAX_WORDS, read_tasks
from benchmarks.corpora import language_sentences


def task_of(request: str, language: str = "en") -> str:
    return read_tasks(pl.DataFrame({"request": [request], "language": [language]}))[0]


@pytest.mark.parametrize(
    ("language", "request_text", "task"),
    [
        ("en", "Can you help me write a cover letter for a job at a bank?", "write cover letter job bank"),
        ("en", "How do I get red wine stains out of a white carpet?", "red wine stains white carpet"),
        ("en", "Please, translate this contract, it is urgent.", "translate contract"),
        ("de", "Kannst du mir ein Rezept für Kartoffelsalat geben?", "rezept kartoffelsalat geben"),
        ("fr", "Peux-tu m'aider à corriger cette lettre de motivation ?", "corriger lettre motivation"),
        (
            "es",
            "¿Cómo puedo mejorar mi currículum para un trabajo de ventas?",
            "mejorar currículum trabajo ventas",
        ),
        ("ru", "Можешь помочь мне написать сопроводительное письмо?", "написать сопроводительное письмо"),
        ("ar", "كيف أحضر شوربة العدس في المنزل؟", "أحضر شوربة العدس المنزل"),
        ("zh", "你能帮我写一封求职信吗？", "写一封求职信"),
        ("xx", "Ungangisiza yini ngibhale incwadi?", "ungangisiza yini ngibhale incwadi"),
    ],
)
def test_key_phrase(language: str, request_text: str, task: str) -> None:
    assert task_of(request_text, language) == task


def test_short_in_every_language() -> None:
    sentences = language_sentences()
    tasks = read_tasks(sentences.select("language", request="sentence"))
    assert tasks.str.len_chars().min() > 0
    assert tasks.str.split(" ").list.len().max() <= MAX_WORDS
    unspaced = tasks.filter(sentences["language"].is_in(["zh", "ja", "th", "lo", "km", "my"]))
    assert unspaced.str.len_chars().max() <= MAX_UNSPACED


def test_stop_words_are_listed_for_at_least_20_languages() -> None:
    assert len(stopword_languages()) >= 20


def test_placeholders_links_and_long_numbers_are_no_task() -> None:
    assert task_of("Write to <EMAIL_ADDRESS> at https://example.org about invoice 4930218") == "write invoice"


def test_function_words_alone_are_kept_rather_than_nothing() -> None:
    assert task_of("What is it?") == "what is it"
    assert task_of("") == ""


def test_a_row_does_not_depend_on_its_batch() -> None:
    frame = language_sentences().select("language", request="sentence").gather_every(5)
    together = read_tasks(frame).to_list()
    assert together == [read_tasks(frame.slice(row, 1))[0] for row in range(frame.height)]
    assert together == read_tasks(frame.reverse()).to_list()[::-1]


def test_no_rows() -> None:
    empty = pl.DataFrame(schema={"request": pl.String, "language": pl.String})
    assert read_tasks(empty).len() == 0
