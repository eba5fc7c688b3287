"""Redaction: identifiers go in every disguise, look-alikes stay, and twice equals once."""

from __future__ import annotations

import logging
import logging.config
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redaction_examples import IDENTIFIERS, LOOK_ALIKES

from benchmarks.redaction import evaluate, load_samples
from dagster_project.privacy import checksums, recognizers
from dagster_project.privacy.prefilter import TRIGGERS, fold
from dagster_project.privacy.redaction import (
    find_identifiers,
    redact_conversations,
    redact_stream,
    redact_texts,
)
from dagster_project.sample.canaries import DISGUISES, carrier, make_canary
from dagster_project.sample.identifiers import KINDS
from dagster_project.sample.texts import load_texts


def kinds(text: str) -> set[str]:
    return set(find_identifiers(pl.Series([text]))["type"])


def redact(text: str) -> str:
    return redact_texts(pl.Series([text])).texts[0]


@pytest.mark.parametrize(("text", "kind"), IDENTIFIERS.items())
def test_identifier_is_found_in_its_disguise(text: str, kind: str) -> None:
    assert kinds(text) == {kind}
    assert f"<{kind}>" in redact(text)


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alike_stays_byte_identical(text: str) -> None:
    assert redact(text) == text


def test_every_character_of_an_identifier_goes() -> None:
    assert redact("a 4111\u200b 1111 1111 1111 b") == "a <CREDIT_CARD> b"
    assert redact("mail me: jo.hn@exa\u200bmple.com now") == "mail me: <EMAIL> now"
    assert redact("IBAN GB82 WEST 1234 5698 7654 32 and more") == "IBAN <IBAN> and more"


def test_overlaps_go_to_the_longest_span() -> None:
    assert redact("https://x.example.org/?mail=a@b.org&ip=203.0.113.9") == "<URL>"
    assert redact("call GB85QZXO20740530696990") == "call <IBAN>"


def test_context_decides_about_bare_numbers() -> None:
    assert redact("call me on 5551234987") == "call me on <PHONE>"
    assert redact("the order 5551234987") == "the order 5551234987"


def test_placeholders_are_no_context_and_are_never_matched() -> None:
    text = "<PHONE> <EMAIL> 5551234987 <CREDIT_CARD> 0123456789"
    assert redact(text) == text


FRAGMENTS = st.sampled_from(
    [*IDENTIFIERS, *LOOK_ALIKES, "<EMAIL>", "phone", "card", "1", "+", "@", ".", "id", "\n"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(FRAGMENTS, min_size=1, max_size=8), st.sampled_from([" ", "", "\n", ", "]))
def test_redacting_twice_changes_nothing(fragments: list[str], glue: str) -> None:
    once = redact_texts(pl.Series([glue.join(fragments)]))
    twice = redact_texts(once.texts)
    assert twice.texts.equals(once.texts)
    assert twice.counts == {}


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_text_survives(text: str) -> None:
    result = redact_texts(pl.Series([text], dtype=pl.String))
    assert result.redactions[0] > 0 or result.texts[0] == text


def test_nulls_counts_and_the_callers_column() -> None:
    texts = pl.Series("content", ["a@b.org and c@d.org", None, "", "plain"])
    kept = texts.clone()
    result = redact_texts(texts)
    assert result.texts.to_list() == ["<EMAIL> and <EMAIL>", None, "", "plain"]
    assert result.redactions.to_list() == [2, 0, 0, 0] and result.redactions.dtype == pl.UInt32
    assert result.counts == {"EMAIL": 2}
    assert texts.equals(kept)
    assert redact_texts(pl.Series("content", [], dtype=pl.String)).texts.is_empty()


def conversations() -> pl.DataFrame:
    messages = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    turns = [
        [
            {"role": "user", "content": "I am a@b.org"},
            {"role": "assistant", "content": "Hello, call +49 30 901820"},
        ],
        [],
        [{"role": "user", "content": "nothing here"}, {"role": "tool", "content": None}],
        None,
    ]
    return pl.DataFrame(
        {"conversation_id": ["b", "a", "d", "c"], "messages": turns, "user_key": ["u"] * 4},
        schema={"conversation_id": pl.String, "messages": messages, "user_key": pl.String},
    )


def test_conversations_keep_order_roles_and_types() -> None:
    frame, counts = redact_conversations(conversations())
    assert frame.schema == {
        "conversation_id": pl.String,
        "messages": conversations().schema["messages"],
        "redactions": pl.UInt32,
    }
    assert frame["conversation_id"].to_list() == ["b", "a", "d", "c"]
    assert frame["messages"][0].to_list() == [
        {"role": "user", "content": "I am <EMAIL>"},
        {"role": "assistant", "content": "Hello, call <PHONE>"},
    ]
    assert frame["messages"].to_list()[1:] == conversations()["messages"].to_list()[1:]
    assert frame["redactions"].to_list() == [2, 0, 0, 0]
    assert counts == {"EMAIL": 1, "PHONE": 1}


def test_slices_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.concat([conversations()] * 5)
    whole = redact_conversations(frame)
    monkeypatch.setattr("dagster_project.privacy.redaction.SLICE_ROWS", 3)
    sliced = redact_conversations(frame)
    assert sliced.frame.equals(whole.frame) and sliced.counts == whole.counts
    parts = list(redact_stream(frame.iter_slices(7)))
    assert pl.concat(part.frame for part in parts).equals(whole.frame)
    assert redact_conversations(frame.head(0)).frame.schema == whole.frame.schema


def test_a_failing_recogniser_redacts_instead_of_letting_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a@b.org")

    monkeypatch.setattr(recognizers.build_analyzer(), "analyze", fail)
    assert redact("reach a@b.org") == "<IDENTIFIER>"


def test_nothing_of_the_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    recognizers.build_analyzer()
    # What Dagster and Alembic do when they set up their own logging: every logger is switched on again.
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("another").info("is captured")
        redact_texts(pl.Series([*IDENTIFIERS, *LOOK_ALIKES]))
    assert "another" in {record.name for record in caplog.records}
    assert not [record for record in caplog.records if "presidio" in record.name]


def test_recognisers_that_reach_for_the_network_are_not_used() -> None:
    names = {type(recognizer).__name__ for recognizer in recognizers.build_analyzer().registry.recognizers}
    assert not names & {"EmailRecognizer", "UrlRecognizer", "SpacyRecognizer"}


def test_model_libraries_stay_importable() -> None:
    recognizers.build_analyzer()
    assert all(sys.modules.get(name, ...) is not None for name in recognizers.HEAVY)


def test_prefilter_patterns_can_be_located_again() -> None:
    for pattern, _ in TRIGGERS.values():
        assert not any(mark in pattern for mark in (r"\b", "(?=", "(?!", "(?<"))


def test_folding_maps_back_to_the_original() -> None:
    text = "x\u200b４\u00ad２ \u0661y"
    plain, kept = fold(text)
    assert plain == "x42 1y"
    assert [text[at] for at in kept] == ["x", "４", "２", " ", "\u0661", "y"]


def test_prefilter_loses_nothing_that_the_recognisers_find(data_dir: Path) -> None:
    texts, _ = load_samples(data_dir)
    texts = texts.filter(texts.str.len_chars() < 300).gather_every(3)
    every = tuple(sorted({kind for _, types in TRIGGERS.values() for kind in types}))
    found = set(find_identifiers(texts).select("row", "type").iter_rows())
    direct = {
        (row, kind)
        for row, text in enumerate(texts)
        for _, _, score, kind in recognizers.find_in_window(text, every)
        if score >= 0.9
    }
    assert direct and direct <= found


def test_quality_on_presidio_research(data_dir: Path) -> None:
    scores = {row["type"]: row for row in evaluate(*load_samples(data_dir)).to_dicts()}
    for kind in ("EMAIL", "CREDIT_CARD", "IBAN"):
        assert scores[kind]["f2"] >= 0.98, scores[kind]
    assert scores["PHONE"]["f2"] >= 0.95
    assert scores["TOTAL"]["precision"] >= 0.95


UNDISGUISED = ("base64", "split_turns")
WITHOUT_SHAPE = ("person", "address")


def test_identifiers_of_the_sample_go_in_every_language_and_disguise() -> None:
    """Texts of the generator, which knows nothing of the recognisers; what has no shape of its own stays."""
    texts, parts = [], []
    for language in load_texts().languages:
        for index in range(len(KINDS) * len(DISGUISES)):
            canary = make_canary(7, index, language)
            if canary.disguise not in UNDISGUISED and canary.kind not in WITHOUT_SHAPE:
                texts.append(carrier(canary, canary.parts[0], language))
                parts.append(canary.parts[0])
    redacted = redact_texts(pl.Series(texts)).texts
    kept = [part for part, text in zip(parts, redacted, strict=True) if part in text]
    assert len(parts) > 400 and len(kept) <= 0.01 * len(parts), kept


def test_check_digits() -> None:
    assert checksums.luhn("4111111111111111") and not checksums.luhn("4111111111111112")
    assert checksums.iban("GB82WEST12345698765432") and not checksums.iban("GB82WEST12345698765433")
    assert not checksums.iban("ZZ82WEST12345698765432")
    assert checksums.cpf("52998224725") and not checksums.cpf("52998224724")
    assert checksums.resident_id_cn("11010519491231002X") and not checksums.resident_id_cn(
        "110105194912310021"
    )
    assert checksums.nir("1 84 12 76 451 089 46") and not checksums.nir("184127645108947")
    assert checksums.bsn("111222333") and not checksums.bsn("111222334")
    assert checksums.snils("112-233-445 95") and not checksums.snils("112-233-445 96")
    assert checksums.hetu("131052-308T") and not checksums.hetu("131052-308U")
    assert checksums.rrn("900101-1234568") != checksums.rrn("900101-1234567")
