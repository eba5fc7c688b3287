"""Copied words and identifier shapes in strings: found whole, passed over where they only come close."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagster_project.privacy import canary_index, leaks, sinks, verbatim
from dagster_project.privacy.leaks import Leak, leak_report, scan_identifiers, scan_verbatim

WORDS = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200)]


def copied(count: int, start: int = 57) -> list[str]:
    return [f"A summary: {' '.join(WORDS[start : start + count]).upper()}, and so on", "short"]


RAW = pl.DataFrame({"text": ["nothing", f"Well — {', '.join(WORDS)}!"]})


@pytest.mark.parametrize("start", range(50, 64))
def test_thirteen_copied_words_are_found_and_twelve_are_not(start: int) -> None:
    assert scan_verbatim(copied(13, start), [RAW.head(1), RAW], sink="names") == [
        Leak("names", "verbatim", 0)
    ]
    assert scan_verbatim(copied(12, start), [RAW], sink="names") == []


def test_words_must_match_whole_and_in_order() -> None:
    words = WORDS[20:33]
    for spoilt in (
        [*words[:6], "other", *words[7:]],
        [words[1], words[0], *words[2:]],
        ["x" + words[0], *words[1:]],
    ):
        assert scan_verbatim([" ".join(spoilt)], [RAW]) == []


def test_messages_and_several_sinks_are_searched_at_once() -> None:
    schema = {"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))}
    raw = pl.DataFrame(
        {"messages": [[{"role": "user", "content": " ".join(WORDS)}], [], None]}, schema=schema
    )
    found = scan_verbatim({"a": ["fine"], "b": copied(20), "c": copied(20)}, iter([raw]))
    assert found == [Leak("b", "verbatim", 0), Leak("c", "verbatim", 0)]


def test_what_is_already_public_is_not_copied_by_being_shown_again() -> None:
    shown, fresh = copied(20, 40)[0], copied(20, 90)[0]
    raw = [pl.DataFrame({"text": [f"Your page says: {shown}"]}), RAW]
    assert scan_verbatim([shown, fresh], raw, public=[shown]) == [Leak("strings", "verbatim", 1)]
    longer = f"{shown} {' '.join(WORDS[150:163])}"
    assert scan_verbatim([longer], raw, public=[shown]) == [Leak("strings", "verbatim", 0)]


HAN_TEXT = "".join(chr(0x4E00 + 37 * i) for i in range(120))


@pytest.mark.parametrize("start", range(12))
def test_scripts_without_spaces_are_compared_by_characters(start: int) -> None:
    raw = [pl.DataFrame({"text": ["开头" + HAN_TEXT]})]
    around = "关于" + HAN_TEXT[start : start + 24] + "的总结"
    assert scan_verbatim([around], raw) == [Leak("strings", "verbatim", 0)]
    assert scan_verbatim(["关于" + HAN_TEXT[start : start + 23] + "的总结"], raw) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to ann.b@example.org", "email"),
        ("Ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ", "email"),
        ("card 4111 1111 1111 1111", "card"),
        ("4111111111111111", "card"),
        ("GB82 WEST 1234 5698 7654 32 and", "iban"),
        ("de89370400440532013000", "iban"),
        ("+49 30 901820-12", "phone"),
        ("host 203.0.113.9.", "ip"),
        ("2001:db8:85a3::8a2e:370:7334", "ip"),
        ("ghp_AbC9dEfGh1JkLmN0pQrStUvW2xYz3", "key"),
        ("Zx81kQ0pLm93NbVc72JhGf65DsAq41We", "key"),
    ],
)
def test_identifier_shapes_are_found(text: str, kind: str) -> None:
    assert scan_identifiers(["clean", text], "names") == [Leak("names", f"identifier_{kind}", 1)]


def test_report_counts_by_sink_and_kind() -> None:
    found = [Leak("b", "canary", 1), Leak("a", "verbatim", 0), Leak("b", "canary", 2)]
    report = leak_report(found)
    assert report.rows() == [("a", "verbatim", 1), ("b", "canary", 2)]
    assert (
        report.schema == leak_report([]).schema == {"sink": pl.String, "kind": pl.String, "count": pl.UInt32}
    )
    assert leak_report([]).is_empty()


def test_scanner_shares_no_detection_with_redaction() -> None:
    for module in (leaks, canary_index, sinks, verbatim):
        source = Path(str(module.__file__)).read_text("utf-8")
        for other in ("redaction", "finders", "rules", "prefilter", "recognizers", "checksums", "presidio"):
            assert f"privacy.{other}" not in source and f"import {other}" not in source
