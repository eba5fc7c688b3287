"""hh-rlhf transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.conversations.loaders.hh_rlhf import split_transcript
from assets.conversations.loaders.registry import detect_format
from assets.conversations.reading import UnreadableError
from tests.reading_support import ingest, spoken, write_rows


def test_turns_are_cut_at_their_markers_only() -> None:
    roles, contents = split_transcript(
        "\n\nHuman: What does\nHuman: mean in a log? It says Human: all over.\n\nAssistant: A speaker.  Human: is one.\n\nHuman:\n\nAssistant: Bye"
    )
    assert roles == ["user", "assistant", "assistant"]
    assert contents == [
        "What does\nHuman: mean in a log? It says Human: all over.",
        "A speaker.  Human: is one.",
        "Bye",
    ]


@pytest.mark.parametrize(
    ("transcript", "reason"),
    [
        ("no turns", "no_messages"),
        ("before\n\nHuman: x", "no_messages"),
        (None, "missing_field"),
        (3, "wrong_type"),
    ],
)
def test_what_is_no_transcript_is_refused(transcript: object, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        split_transcript(transcript)
    assert caught.value.reason == reason


def test_a_transcript_without_a_human_is_quarantined(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "t.jsonl", {"chosen": "\n\nAssistant: hello"}, {"chosen": "\n\nHuman: \n\nAssistant:"}
    )
    assert ingest(path, "hh-rlhf")[1]["reason"].to_list() == ["no_user_message", "no_messages"]


@pytest.mark.parametrize(
    ("part", "rows"), [("helpful-base", 2354), ("harmless-base", 2312), ("helpful-online", 1137)]
)
def test_the_real_transcripts_are_all_read(data_dir: Path, part: str, rows: int) -> None:
    path = data_dir / "hh-rlhf" / part / "test.jsonl.gz"
    assert detect_format(path) == "hh-rlhf"
    conversations, quarantine, _ = ingest(path, "hh-rlhf", privacy_unit="conversation")
    assert (conversations.height, quarantine.height) == (rows, 0)
    assert conversations["conversation_id"].n_unique() == rows
    assert all(turns[0][0] == "user" for turns in spoken(conversations))
    assert not any("\n\nAssistant:" in content for turns in spoken(conversations) for _, content in turns)
