"""Zip archives that are exports, and those that are none, broken, locked or dangerous."""

from __future__ import annotations

import io
import json
import random
import string
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.conversations.containers import archive
from assets.conversations.containers.archive import sources
from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from dagster_project.errors import ObservatoryError
from tests.export_support import chatgpt, claude, write_zip
from tests.reading_support import ingest, save

USER = {"id": "user-1"}


def refused(path: Path) -> str:
    """What is said where detection, the first look and reading all refuse a file."""
    said = set()
    for look in (detect_format, lambda file: probe(file, "chatgpt"), lambda file: ingest(file, "chatgpt")):
        with pytest.raises(ObservatoryError) as caught:
            look(path)
        said.add(str(caught.value))
    (message,) = said
    return message


@pytest.mark.parametrize(
    "members",
    [
        {"logs.jsonl": b"{}"},
        {"my conversations.json": []},
        {"conversations.json/": b""},
        {"__MACOSX/conversations.json": []},
        {"conversations.txt": b""},
        {},
    ],
)
def test_archives_that_are_no_export_have_to_be_unpacked(tmp_path: Path, members: dict[str, Any]) -> None:
    assert "unpack it and give the file inside" in refused(write_zip(tmp_path / "a.zip", members))


def test_an_archive_of_two_exports_is_refused(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "a.zip", {f"{who}/conversations.json": [chatgpt(1, "a")] for who in ("x", "y")}
    )
    assert "several exports" in refused(path)


def test_paths_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = write_zip(tmp_path / "in" / "a.zip", {"../../conversations.json": [chatgpt(1, "a"), {}]})
    conversations, quarantine, _ = ingest(path, detect_format(path), privacy_unit="conversation")
    assert (conversations.height, quarantine["file"].to_list()) == (1, ["a.zip:conversations.json"])
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip", "in"]


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"conversations.json": [chatgpt(1, "a")]})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    assert "is encrypted" in refused(save(path, bytes(data)))


def test_a_compression_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"conversations.json": [chatgpt(1, "a")]})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + place] = 9
    assert "compressed in a way" in refused(save(path, bytes(data)))


def test_bombs_are_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb,
        bomb.open("conversations.json", "w") as file,
    ):
        for _ in range(70):
            file.write(b" " * (1 << 20))
    assert "far more than an export holds" in refused(path)
    small = write_zip(tmp_path / "b.zip", {"conversations.json": [chatgpt(1, "a")]})
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 100)
    assert "far more than an export holds" in refused(small)


def test_an_archive_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    content = json.dumps([chatgpt(n, "a", "b" * 500) for n in range(50)]).encode()
    path = write_zip(tmp_path / "a.zip", {"conversations.json": content})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + place, 3_000)
    conversations, quarantine, _ = ingest(save(path, bytes(data)), "chatgpt")
    assert conversations.height <= 2
    assert quarantine["reason"].to_list() in (["truncated_file"], ["bad_compression"])


def test_a_member_that_is_not_where_the_archive_says_is_one_fault(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"conversations.json": [chatgpt(1, "a")]})
    data = bytearray(path.read_bytes())
    for place in (len(data) - 5, 7, 2**31):
        struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 42, place)
        _, quarantine, counts = ingest(save(path, bytes(data)), "chatgpt")
        assert (quarantine["reason"].to_list(), counts.rows_in) == (["bad_compression"], 1)


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"conversations.json": [chatgpt(1, "a")]})
    assert "not a readable zip archive" in refused(save(path, path.read_bytes()[:-30]))


def test_damage_inside_a_member_keeps_what_came_before(tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices(string.ascii_letters, k=400)) for _ in range(3_000)]
    members = {
        f"conversations-00{shard}.json": [
            chatgpt(1000 * shard + n, text) for n, text in enumerate(texts[shard::2])
        ]
        for shard in range(2)
    }
    path = write_zip(tmp_path / "a.zip", members | {"user.json": USER})
    data = bytearray(path.read_bytes())
    place = len(data) // 3
    data[place : place + 50] = b"\xff" * 50
    conversations, quarantine, counts = ingest(save(path, bytes(data)), "chatgpt")
    assert 1_500 < conversations.height < 3_000
    # What damaged bytes unpack to may be no JSON any more before the checksum is reached.
    assert set(quarantine["file"]) == {"a.zip:conversations-000.json"}
    assert set(quarantine["reason"]) & {"bad_compression", "broken_array"}
    assert counts.rows_in == conversations.height + quarantine.height


def test_lines_and_arrays_may_be_inside(tmp_path: Path) -> None:
    lines = b"".join(json.dumps(claude(n, "a")).encode() + b"\n" for n in range(3))
    path = write_zip(tmp_path / "a.zip", {"conversations.jsonl": lines, "users.json": []})
    assert ingest(path, detect_format(path))[0].height == 3


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as written:
        written.writestr("conversations.json", json.dumps([chatgpt(1, "a")]))
    assert ingest(path, detect_format(path))[0].height == 1


def whole_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(
            "conversations.json", json.dumps([chatgpt(n, f"text {n}", "answer") for n in range(20)])
        )
        written.writestr("user.json", json.dumps(USER))
    return buffer.getvalue()


WHOLE = whole_zip()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, len(WHOLE) - 1),
    inserted=st.binary(max_size=6),
    removed=st.integers(0, 6),
    cut=st.integers(0, len(WHOLE)) | st.none(),
)
def test_damaged_archives_never_crash(
    tmp_path: Path, place: int, inserted: bytes, removed: int, cut: int | None
) -> None:
    data = (WHOLE[:place] + inserted + WHOLE[place + removed :])[:cut]
    path = save(tmp_path / "a.zip", data)
    for look in (sources, detect_format, lambda file: ingest(file, "chatgpt", validate=False)):
        try:
            look(path)
        except ObservatoryError:
            continue
