"""Redaction: what must go goes in every disguise, what only looks like an identifier stays, twice equals once."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.redaction import evaluate, load_samples
from dagster_project.privacy import checksums, recognizers
from dagster_project.privacy.prefilter import TRIGGERS, fold
from dagster_project.privacy.redaction import (
    find_identifiers,
    redact_conversations,
    redact_stream,
    redact_texts,
)

IDENTIFIERS = {
    "write to jo.hn+tag@mail.example.org today": "EMAIL",
    "我的邮箱是abc@example.com谢谢": "EMAIL",
    "почта: иван@пример.рф": "EMAIL",
    "mail zqv7-k3x9@canary.invalid!": "EMAIL",
    "john dot doe at example dot com is mine": "EMAIL",
    "reach me: jdoe [at] example [dot] com": "EMAIL",
    "jdoe(at)example.com": "EMAIL",
    "mi correo es juan arroba ejemplo punto com": "EMAIL",
    "my email: jo\u200bhn@exam\u200dple.com": "EMAIL",
    "ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ": "EMAIL",
    "4111 1111 1111 1111": "CREDIT_CARD",
    "4111-1111-1111-1111 exp 12/27": "CREDIT_CARD",
    "3782 822463 10005": "CREDIT_CARD",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1": "CREDIT_CARD",
    "card ４１１１１１１１１１１１１１１１": "CREDIT_CARD",
    "card 4111\u200b1111\u200b1111\u200b1111": "CREDIT_CARD",
    "٤١١١ ١١١١ ١١١١ ١١١١": "CREDIT_CARD",
    "my card # 503890547220": "CREDIT_CARD",
    "GB82 WEST 1234 5698 7654 32": "IBAN",
    "de89370400440532013000": "IBAN",
    "ES91 2100 0418 4502 0005 1332 from here": "IBAN",
    "FR14 2004 1010 0505 0001 3M02 606.": "IBAN",
    "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0": "IBAN",
    "call +49 30 901820 now": "PHONE",
    "(212) 555-0187": "PHONE",
    "llámame al 612 345 678": "PHONE",
    "我的手机号是13812345678": "PHONE",
    "携帯は090-1234-5678です": "PHONE",
    "هاتفي ٠٥٠١٢٣٤٥٦٧ هاتف": "PHONE",
    "06 12 34 56 78": "PHONE",
    "my ssn is 514-69-0360": "SSN",
    "server at 203.0.113.77 answered": "IP_ADDRESS",
    "from 2001:db8:85a3::8a2e:370:7334": "IP_ADDRESS",
    "mac 00:1A:2B:3C:4D:5E": "MAC_ADDRESS",
    "see https://anna:pw@files.example.net/x?id=7": "URL",
    "www.annas-page.org/me": "URL",
    "linkedin.com/in/anna-page": "URL",
    "pay 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2": "CRYPTO",
    "0x52908400098527886E0F7030069857D2E4169EE7": "CRYPTO",
    "key sk-abcdefghijklmnopqrstuv123": "SECRET",
    "AKIAIOSFODNN7EXAMPLE": "SECRET",
    "password = hunter2hunter": "SECRET",
    "my password is swordfish": "SECRET",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----": "SECRET",
    "passport number X1234567": "PASSPORT",
    "my driver's license number is F162823540116": "DRIVER_LICENCE",
    "DNI 12345678Z": "NATIONAL_ID",
    "cpf 529.982.247-25": "NATIONAL_ID",
    "身份证号 11010519491231002X": "NATIONAL_ID",
    "hetu 131052-308T": "NATIONAL_ID",
    "codice RSSMRA85T10A562S": "NATIONAL_ID",
    "NI number QQ123456C or AB123456C": "NATIONAL_ID",
    "account number 0049 2831 77": "BANK_ACCOUNT",
    "I was born on 12/03/1980": "DATE_OF_BIRTH",
    "on telegram I am @zara_q7": "HANDLE",
}
LOOK_ALIKES = [
    "released 2021-05-03, 12/05/2020 and 03.04.2019 at 12:30:45",
    "between 1990-2000 and 2019-2020",
    "it costs $1,234,567.89 or 1 000 000 EUR, 30000+1800=31800",
    "ISBN 978-3-16-148410-0",
    "version 1.2.3.4, python 3.11.7, v10.15.7.2",
    "order number 1234567, invoice 20231107, tracking 9400110",
    "pi is 3.14159265358979, e is 2.718281828",
    "look at amazon dot com, work at google dot com",
    "std::vector<int> a::b, 10:30:00, fe:ed",
    "@property\n@media (max-width: 600px) and icon@2x.png, react@18.2.0",
    "4111 1111 1111 1112 fails its check digit",
    "0000 0000 0000 0000",
    "http://localhost:3000/app and 127.0.0.1, mask 255.255.255.0",
    "password = os.environ['DB_PASSWORD']",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "the token budget is 4096 and the key idea is simple",
    "Einstein was born on March 14, 1879",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "\u4f60\u597d\uff0c\u4eca\u5929\u662f2024\u5e745\u67083\u65e5\u3002",
    "emoji \u2764\ufe0f and \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
]


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


FRAGMENTS = st.sampled_from([*IDENTIFIERS, *LOOK_ALIKES, "<EMAIL>", "phone", "card", "1", "+", "@", ".", "id", "\n"])


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
        [{"role": "user", "content": "I am a@b.org"}, {"role": "assistant", "content": "Hello, call +49 30 901820"}],
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
    with caplog.at_level(logging.DEBUG):
        redact_texts(pl.Series([*IDENTIFIERS, *LOOK_ALIKES]))
    assert not [record for record in caplog.records if "presidio" in record.name]


def test_recognisers_that_reach_for_the_network_are_not_used() -> None:
    names = {type(recognizer).__name__ for recognizer in recognizers.build_analyzer().registry.recognizers}
    assert not names & {"EmailRecognizer", "UrlRecognizer", "SpacyRecognizer"}


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


def test_check_digits() -> None:
    assert checksums.luhn("4111111111111111") and not checksums.luhn("4111111111111112")
    assert checksums.iban("GB82WEST12345698765432") and not checksums.iban("GB82WEST12345698765433")
    assert not checksums.iban("ZZ82WEST12345698765432")
    assert checksums.cpf("52998224725") and not checksums.cpf("52998224724")
    assert checksums.resident_id_cn("11010519491231002X") and not checksums.resident_id_cn("110105194912310021")
    assert checksums.nir("1 84 12 76 451 089 46") and not checksums.nir("184127645108947")
    assert checksums.bsn("111222333") and not checksums.bsn("111222334")
    assert checksums.snils("112-233-445 95") and not checksums.snils("112-233-445 96")
    assert checksums.hetu("131052-308T") and not checksums.hetu("131052-308U")
    assert checksums.rrn("900101-1234568") != checksums.rrn("900101-1234567")
