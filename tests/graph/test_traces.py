"""Files of traces and archives through the whole graph: skipped rows are counted and never hide broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagster_project import running
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from tests.export_support import chatgpt, genai, otlp, span, write_zip
from tests.reading_support import write_rows


def write_traces(path: Path, calls: int, broken: int, without_call: int) -> Path:
    """Traces with one call each, of which some cannot be read, and traces that call no model."""
    rows: list[dict[str, Any]] = []
    for number in range(calls):
        attributes = genai(
            ("user", f"how do I bake {number} loaves"),
            ("assistant", "Slowly."),
            session=f"{path.stem}-{number}",
        )
        if number < broken:
            attributes["gen_ai.input.messages"] = "[half"
        rows.append(otlp(span(f"t{number}", 1, attributes | {"user.id": f"u{number % 9}"})))
    rows += [
        otlp(span(f"e{number}", 2, {"gen_ai.operation.name": "embeddings"})) for number in range(without_call)
    ]
    return write_rows(path, *rows)


def test_traces_without_a_call_are_no_fault_and_dilute_none(
    home: Path, tmp_path: Path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    opened = Home(home)
    good = write_traces(tmp_path / "good.jsonl", calls=60, broken=2, without_call=300)
    bad = write_traces(tmp_path / "bad.jsonl", calls=60, broken=6, without_call=300)
    archive = write_zip(
        tmp_path / "export.zip",
        {
            "conversations.json": [chatgpt(n, "how do I bake bread", "Slowly.") for n in range(20)],
            "user.json": {"id": "u"},
        },
    )
    running.add_files(opened, [bad, good, archive], format_name=None, privacy_unit="user", mapping={})
    with pytest.raises(ObservatoryError, match="quarantined_share"):
        running.materialise(opened)
    assert sorted(batch.format for batch in opened.batches()) == ["chatgpt", "otel-genai"]
    keys = [batch.key for batch in opened.batches()]
    conversations = opened.lake.scan_batches("restricted", "conversations", keys).collect()
    assert conversations.height == 58 + 20
    assert conversations.filter(source="chatgpt")["user_key"].n_unique() == 1
