"""The pipeline with a namer and an auditor: named, audited, published; a second run asks only for what is new."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from dagster_project import warehouse
from dagster_project.home import Home
from dagster_project.language_models import Request, Response, Specification, backends
from tests.language_model_support import ScriptedModel
from tests.naming_support import block, honest, kind, rated

Add = Callable[..., Home]


class Scripted:
    """Models in the place of backends; the auditor bars whatever tells of guitars, by whoever it is named."""

    def __init__(self) -> None:
        self.models: dict[str, ScriptedModel] = {}

    def connect(self, specification: Specification) -> ScriptedModel:
        name = str(specification)
        return self.models.setdefault(name, ScriptedModel(self.answer, identity=name))

    def answer(self, request: Request) -> Response | str:
        if kind(request) == "rate":
            text = "\n".join(block(request.messages[0].content, "text"))
            return rated(2 if "guitar" in text and "user:" not in text else 5)
        return honest(request)

    def asked(self) -> list[str]:
        return [kind(request) for model in self.models.values() for request in model.asked]


def test_names_are_written_audited_and_kept(add: Add, home, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted()
    monkeypatch.setattr(backends, "connect", scripted.connect)
    opened = Home(home)
    models = {"namer": "transformers:/models/writer", "auditor": "transformers:/models/judge"}
    opened.store_settings(opened.settings().model_copy(update={**models, "clusters": 16, "top_clusters": 4}))
    add(count=800)
    clusters = warehouse.query(opened.warehouse, "SELECT * FROM clusters")
    written = clusters.filter(pl.col("name").str.starts_with("Help with"))
    assert set(written["namer"]) == {"transformers:writer"} and written.height >= 8
    assert not clusters["name"].str.contains("guitar").any()
    told = warehouse.query(
        opened.warehouse,
        "SELECT sum(value) AS n FROM privacy_report WHERE measure = 'clusters_withheld_audit'",
    )
    assert told["n"].item() >= 1
    report = warehouse.query(opened.warehouse, "SELECT layer, rated, share_private FROM audit_report")
    assert report["layer"].to_list() == ["conversations", "requests", "cluster_names"]
    assert report["rated"].to_list()[:2] == [60, 60]
    names = opened.lake.scan("restricted", "cluster_nodes").collect()
    before = scripted.asked()
    add("second.jsonl", 8, seed=1)
    new = scripted.asked()[len(before) :]
    base = names.filter(pl.col("level") == 0).height
    assert before.count("name") >= base == before.count("choose")
    assert set(new) <= {"rate"}, "no name and no place in the tree was asked for again"
    assert len(new) <= 20
    after = opened.lake.scan("restricted", "cluster_nodes").collect()
    assert after.equals(names)
