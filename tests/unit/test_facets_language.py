"""Language identification: accuracy on our own sentences, abstention, and sameness with the model it reads."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from assets.clio.reader import language
from assets.clio.reader.language import identify, language_text, load_model, supported_languages
from benchmarks.corpora import MESSAGES, clinc_texts, language_sentences


def texts_of(*turns: tuple[str, str]) -> str:
    """What `language_text` makes of one conversation."""
    messages = [{"role": role, "content": content} for role, content in turns]
    frame = pl.DataFrame({"messages": [messages]}, schema={"messages": MESSAGES})
    return frame.select(text=language_text())["text"][0]


def test_knows_at_least_75_languages() -> None:
    codes = supported_languages()
    assert len(codes) >= 75
    assert all(len(code) == 2 for code in codes)


def test_accuracy_over_all_languages() -> None:
    sentences = language_sentences()
    read = sentences.select(truth="language").hstack(identify(sentences["sentence"]))
    by_language = read.group_by("truth").agg((pl.col("language") == pl.col("truth")).mean().alias("right"))
    assert by_language.height >= 75
    assert by_language["right"].mean() >= 0.97
    assert by_language.filter(pl.col("right") == 0).height == 0


def test_english_requests_are_english(data_dir) -> None:
    read = identify(pl.Series(clinc_texts(data_dir)))
    assert (read["language"] == "en").mean() >= 0.98
    assert (~read["language"].is_in(["en", "und"])).mean() <= 0.005


def test_features_are_those_of_the_packaged_model() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier, visit_counts

    source = LanguageIdentifier.from_model_file(MODEL_FILE)
    texts = language_sentences()["sentence"].gather_every(7).to_list()
    encoded = sorted((text.encode() for text in texts), key=len, reverse=True)
    content = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    lengths = np.array([len(text) for text in encoded])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    rows, features = language._walk(load_model(), content, starts, lengths)
    for row, text in enumerate(encoded):
        expected = visit_counts(source.tk_nextmove, source._rowbase, source.tk_output, text)
        assert Counter(features[rows == row].tolist()) == (expected or Counter())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀😀🎉",
        "12345 67",
        "ok",
        "?!",
        "2+2=?",
        "def f(x): return x+1",
        "SELECT * FROM t WHERE a=1",
    ],
)
def test_abstains_without_prose(text: str) -> None:
    read = identify(pl.Series([text])).row(0, named=True)
    assert read["language"] == "und"
    assert read["language_confidence"] < 0.3


@pytest.mark.parametrize(
    ("text", "code"),
    [("谢谢", "zh"), ("こんにちは", "ja"), ("안녕하세요", "ko"), ("ΚΑΛΗΜΕΡΑ ΣΕ ΟΛΟΥΣ", "el")],
)
def test_short_texts_in_a_telling_script(text: str, code: str) -> None:
    assert identify(pl.Series([text]))["language"][0] == code


def test_a_row_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = language_sentences()["sentence"].gather_every(3)
    together = identify(texts)
    monkeypatch.setattr(language, "BATCH", 5)
    assert identify(texts)["language"].equals(together["language"])
    assert identify(texts.reverse())["language"].reverse().equals(together["language"])
    alone = pl.concat([identify(texts.slice(row, 1)) for row in range(10)])
    np.testing.assert_allclose(alone["language_confidence"], together["language_confidence"][:10], atol=1e-5)


def test_empty_input_gives_an_empty_frame() -> None:
    assert identify(pl.Series([], dtype=pl.String)).height == 0


def test_only_what_the_user_wrote_counts() -> None:
    text = texts_of(
        ("system", "You are helpful."), ("user", "Wie geht es dir?"), ("assistant", "I am fine, thanks.")
    )
    assert text == "Wie geht es dir?"


def test_code_links_and_placeholders_are_not_language() -> None:
    turn = "Warum läuft das nicht?\n```python\nfor item in things: print(item)\n```\nSiehe https://example.org/why <EMAIL>"
    assert texts_of(("user", turn)) == "Warum läuft das nicht? Siehe"
    assert identify(pl.Series([texts_of(("user", turn))]))["language"][0] == "de"


def test_reads_the_first_characters_only() -> None:
    assert len(texts_of(("user", "wort " * 1000))) <= language.MAX_CHARACTERS


def test_a_conversation_without_user_turns_is_unknown() -> None:
    assert texts_of(("assistant", "Hello, how can I help you today?")) == ""
