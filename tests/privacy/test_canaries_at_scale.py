"""2,400 canaries and more through the whole pipeline: every type, language and disguise of the plan, in every kind of sink.

No leak among m canaries bounds their rate by 3 / m at 95 %; it does not say that there is none. What keeps them out is not
redaction alone, for a canary is no crowd's word: so the redacted text, which all readers see, is searched as well, for the
types that redaction promises to find. Specification: privacy, section 1.4. `benchmarks/leaks.py` does the same in 20,000
conversations with all logging on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from dagster_project.home import Home
from dagster_project.leak_gate import event_logs
from dagster_project.privacy import leaks, redaction
from dagster_project.sample.canaries import Canary
from dagster_project.sample.generate import SampleSettings
from dagster_project.sample.identifiers import KINDS
from tests.privacy.adversarial_matcher import fold

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("canaries")]
REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = SampleSettings(conversations=2_600, seed=7, canary_share=0.95, all_languages=True)
FEWEST = 2_400
LANGUAGES = ("en", "es", "fr", "de", "pt", "ru", "ar", "hi", "zh", "ja")
DISGUISES = {
    "plain": "plain",
    "spaced": "spaced",
    "zero_width": "unseen characters",
    "full_width": "unseen characters",
    "split_turns": "in parts",
    "base64": "in parts",
}
"""Disguises of the sample by those of the plan."""
FOUND_BY_REDACTION = ("email", "phone", "national_id", "card", "iban", "api_key", "handle")
MISSED = 0.01
RULE_OF_THREE = 3.0
CHEAP = (
    "from tests.support import HashingEmbedder\n"
    "from dagster_project import cli, embedding\n"
    "embedding.default_embedder = HashingEmbedder\n"
    "from assets.clio.map import projections\n"
    "projections.SAMPLE = 300\n"
    "cli.main()\n"
)


class Ran(NamedTuple):
    """A home after its run, what was planted and what was printed."""

    home: Home
    canaries: list[Canary]
    records: list[dict]
    printed: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("canaries")
    slices = list(SETTINGS.slices())
    records = [record for part, _ in slices for record in part]
    canaries = [canary for _, part in slices for canary in part]
    file = folder / "sample.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    (folder / "canaries.txt").write_text("\n".join(canary.value for canary in canaries), "utf-8")
    home, temporary = folder / "home", folder / "temporary"
    temporary.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OBSERVATORY", "DAGSTER"))
    }
    arguments = ["run", str(file), "--home", str(home), "--canaries", str(folder / "canaries.txt")]
    result = subprocess.run(
        [sys.executable, "-c", CHEAP, *arguments],
        cwd=REPOSITORY,
        env={**environment, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return Ran(Home(home), canaries, records, result.stdout + result.stderr)


def sinks(ran: Ran) -> list[leaks.Sink]:
    """Everything outside the restricted zone, temporary files and the terminal."""
    files = [
        path
        for path in sorted(ran.home.root.rglob("*"))
        if path.is_file() and ran.home.restricted not in path.parents
    ]
    files += [path for path in (ran.home.root.parent / "temporary").rglob("*") if path.is_file()]
    return [*files, leaks.NamedText("terminal", ran.printed)]


def left_in(texts: Iterable[str], canaries: Iterable[Canary]) -> list[Canary]:
    """Canaries in plain sight, of the types that redaction finds, that still stand in the texts."""
    whole = fold("\n".join(texts))
    return [
        canary for canary in canaries
        if canary.kind in FOUND_BY_REDACTION
        and canary.disguise == "plain"
        and canary.place != "title"
        and fold(canary.value) in whole
    ]  # fmt: skip


def test_every_type_language_and_disguise_is_planted(ran: Ran) -> None:
    planted = {(canary.kind, canary.language, DISGUISES[canary.disguise]) for canary in ran.canaries}
    wanted = {(kind, language, way) for kind in KINDS for language in LANGUAGES for way in DISGUISES.values()}
    assert len(KINDS) == 12 and len(wanted) == 12 * 10 * 4
    assert wanted <= planted
    assert len(ran.canaries) == len({canary.value for canary in ran.canaries}) >= FEWEST


def test_no_sink_of_the_plan_holds_a_canary(ran: Ran) -> None:
    places = sinks(ran)
    names = {path.suffix for path in places if isinstance(path, Path)}
    assert {".parquet", ".duckdb", ".db", ".html", ".json", ".err", ".out"} <= names
    assert ran.home.warehouse in places and event_logs(ran.home) and len(ran.printed) > 500
    values = [canary.value for canary in ran.canaries]
    found = {leak.index for leak in leaks.scan_canaries(places, values)}
    assert found == set(), f"more than 3 / m = {RULE_OF_THREE / len(values):.3%} cannot be excluded any more"
    assert RULE_OF_THREE / len(values) <= 0.00125


def test_the_scanner_would_find_the_canaries(ran: Ran) -> None:
    """In the source file, nearly all that stand there in one piece: of a number in other digits a part may be too short."""
    values = [canary.value for canary in ran.canaries]
    found = {leak.index for leak in leaks.scan_canaries([ran.home.root.parent / "sample.jsonl"], values)}
    whole = {at for at, canary in enumerate(ran.canaries) if canary.disguise != "split_turns"}
    assert {at for at in whole if ran.canaries[at].disguise in ("plain", "base64")} <= found
    assert len(whole - found) <= MISSED * len(whole)


def redacted(ran: Ran) -> list[str]:
    batches = [batch.key for batch in ran.home.batches()]
    frame = ran.home.lake.scan_batches("restricted", "redacted_conversations", batches).collect()
    return messages(frame)


def messages(frame: pl.DataFrame) -> list[str]:
    return frame["messages"].explode().struct.field("content").drop_nulls().to_list()


def test_readers_see_no_identifier_that_redaction_promises_to_find(ran: Ran) -> None:
    plain = [
        canary for canary in ran.canaries if canary.disguise == "plain" and canary.kind in FOUND_BY_REDACTION
    ]
    assert len(plain) > 200
    assert len(left_in(redacted(ran), plain)) <= MISSED * len(plain), "a number without a checksum may pass"


def test_without_redaction_readers_would_see_them(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts of the file, redacted again: with the finders switched off, the search above fails."""
    nothing = redaction.find_identifiers(pl.Series([], dtype=pl.String))
    monkeypatch.setattr(redaction, "find_identifiers", lambda _: nothing)
    batches = [batch.key for batch in ran.home.batches()]
    raw = ran.home.lake.scan_batches("restricted", "conversations", batches).head(600).collect()
    seen = left_in(messages(redaction.redact_conversations(raw).frame), ran.canaries)
    assert len(seen) > MISSED * len(ran.canaries)
    assert {canary.kind for canary in seen} == set(FOUND_BY_REDACTION)
