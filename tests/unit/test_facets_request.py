"""The request facet: which sentence is picked, how it is cleaned, and that a row stands on its own."""

from __future__ import annotations

import random
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.clio.reader.request import MAX_REQUEST, read_requests, split_sentences
from benchmarks.corpora import language_sentences

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def requests_of(*conversations: list[str], language: str = "en") -> list[str]:
    frame = pl.DataFrame({"turns": list(conversations)}, schema={"turns": pl.List(pl.String)})
    return read_requests(frame.with_columns(language=pl.lit(language))).to_list()


def request_of(*turns: str, language: str = "en") -> str:
    return requests_of(list(turns), language=language)[0]


def test_a_single_sentence_is_itself_in_every_language() -> None:
    sentences = language_sentences()
    frame = sentences.select("language", turns=pl.concat_list("sentence"))
    assert read_requests(frame).to_list() == sentences["sentence"].to_list()


@pytest.mark.parametrize(
    ("turn", "asked"),
    [
        (
            "I love visiting Spain in summer. Spain has many beaches. Which beach in Spain is best for small children? "
            "We went there last year too.",
            "Which beach in Spain is best for small children?",
        ),
        (
            "Write a short story about a lost dog. It was raining all night. The old man sat by the window. Was anyone "
            "there? He did not know.",
            "Write a short story about a lost dog.",
        ),
        (
            "Hi! My name is Alex. I run a small bakery in town. Can you suggest three names for my new bread recipe?",
            "Can you suggest three names for my new bread recipe?",
        ),
        (
            "The engine of my car makes a loud noise. Dr. Smith told me it is the belt, e.g. a worn one. How do I "
            "replace the belt of a car engine?",
            "How do I replace the belt of a car engine?",
        ),
    ],
)
def test_picks_what_a_person_would_say_was_asked(turn: str, asked: str) -> None:
    assert request_of(turn) == asked


def test_a_question_that_names_nothing_keeps_the_sentence_before_it() -> None:
    turn = "My sourdough bread comes out flat every time. What should I do?"
    assert request_of(turn) == turn


def test_an_announcement_keeps_the_start_of_what_it_announces() -> None:
    assert request_of("Translate the following sentence into French:\nThe cat is on the roof.") == (
        "Translate the following sentence into French: The cat is on the roof."
    )


def test_pasted_questions_do_not_win() -> None:
    turn = "Summarize this interview:\nWhere were you born? I was born in Ohio. Why did you leave? I needed work."
    assert request_of(turn).startswith("Summarize this interview:")


@pytest.mark.parametrize("greeting", ["hi", "Hello!", "hey, how are you?", "Can you help me?", "👋", "ok"])
def test_skips_turns_that_ask_nothing_yet(greeting: str) -> None:
    assert request_of(greeting, "How do I boil an egg?") == "How do I boil an egg?"


def test_a_greeting_alone_is_kept() -> None:
    assert request_of("hello") == "hello"
    assert request_of("", "  ", "hello") == "hello"


def test_a_first_turn_with_substance_is_not_passed_over() -> None:
    assert request_of("How do I boil an egg?", "What about a potato?") == "How do I boil an egg?"


def test_splits_sentences_of_other_scripts() -> None:
    turns = {
        "zh": ("我最近搬到了上海。上海有哪些适合孩子的公园？天气很好。", "上海有哪些适合孩子的公园？"),
        "hi": ("मैं दिल्ली में रहता हूँ। क्या आप दिल्ली के अच्छे स्कूल बता सकते हैं?", "क्या आप दिल्ली के अच्छे स्कूल बता सकते हैं?"),
        "ar": ("أسكن في القاهرة. ما هي أفضل المدارس في القاهرة؟ شكرا.", "ما هي أفضل المدارس في القاهرة؟"),
    }
    for language, (turn, asked) in turns.items():
        assert request_of(turn, language=language) == asked


def test_every_script_s_sentence_marks_split() -> None:
    text = "one. two! three? four。five！six？seven। eight؟ nine۔ ten\neleven"
    frame = pl.DataFrame({"row": [0], "language": ["en"], "text": [text]})
    assert split_sentences(frame).height == 11


def test_code_is_left_out_but_code_alone_is_read() -> None:
    assert request_of("Why does this fail?\n```python\nprint(undefined)\n```") == "Why does this fail?"
    assert "print(undefined)" in request_of("```python\nprint(undefined)\n```")


def test_links_go_and_placeholders_stay() -> None:
    asked = request_of("Write an e-mail to <EMAIL> about https://example.org/a?b=c please")
    assert asked == "Write an e-mail to <EMAIL> about please"


def test_hidden_characters_and_white_space_are_cleaned() -> None:
    dirty = "How\u200b do \u202eI\u202c  boil\tan\u00a0egg\u0007?"
    assert request_of(dirty) == "How do I boil an egg?"


def test_long_sentences_are_cut_at_a_word() -> None:
    asked = request_of("Explain " + "considerations " * 40)
    assert len(asked) <= MAX_REQUEST
    assert asked.endswith("considerations…")


def test_long_text_without_spaces_is_cut() -> None:
    assert len(request_of("请解释" + "天" * 500, language="zh")) <= MAX_REQUEST


@pytest.mark.parametrize("turns", [[], [""], ["  \n "], ["\u200b"]])
def test_nothing_written_gives_an_empty_request(turns: list[str]) -> None:
    assert requests_of(turns) == [""]


def test_a_row_does_not_depend_on_its_batch() -> None:
    words = ["garden", "roof", "music", "bread", "engine", "school", "river", "computer"]
    generator = random.Random(7)
    rows = [
        [
            ". ".join(
                " ".join(generator.choices(words, k=generator.randint(1, 9)))
                for _ in range(generator.randint(1, 6))
            )
        ]
        for _ in range(60)
    ]
    together = requests_of(*rows)
    assert together == [requests_of(row)[0] for row in rows]
    assert together == requests_of(*reversed(rows))[::-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=400), max_size=4))
def test_any_text_gives_one_clean_line(turns: list[str]) -> None:
    asked = request_of(*turns)
    assert len(asked) <= MAX_REQUEST
    assert not HIDDEN.search(asked)
    assert asked == asked.strip()
