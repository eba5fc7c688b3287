"""`observatory estimate`: what a run would ask of language models, and what that costs, before anything is spent.

Files are read with the project's loaders and counted; of a sample the tokens are counted as the model counts them. Nothing
is asked of a model and nothing is stored. The arithmetic of the stages lies beside them, in `assets.clio.model_costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.clio import model_costs as costs
from assets.clio.model_costs import Load, Range
from assets.conversations.counting import SAMPLE
from dagster_project import running
from dagster_project.errors import ObservatoryError
from dagster_project.estimated_work import Plan, plan_work
from dagster_project.files import sha256_file
from dagster_project.home import Batch, Home
from dagster_project.settings import Settings
from dagster_project.spending import READING_ROLES, price_of
from dagster_project.statistics.totals import ratio_total

BYTES_PER_TOKEN = 3
# Of tokens that are counted at most, this many are real at least, where the model's own tokenizer is out of reach.
REAL_SHARE = 0.4
# Auxiliary size of a conversation: characters that may be shown, and what stands around them and each message.
SHOWN_CHARACTERS, FRAME_CHARACTERS, TURN_CHARACTERS = 64_000, 500, 80
# Tokens a second of prompts and of answers, over all calls at once: fastest, usual, slowest.
SPEEDS = {
    "openai": ((100_000, 20_000, 4_000), (5_000, 1_000, 150)),
    "vllm": ((100_000, 30_000, 5_000), (12_500, 3_000, 400)),
    "ray": ((100_000, 30_000, 5_000), (12_500, 3_000, 400)),
    "transformers": ((20_000, 1_000, 100), (2_000, 40, 4)),
}


@dataclass(frozen=True)
class Stage:
    """One stage, the specification of the model that it asks, and what it asks."""

    name: str
    model: str
    load: Load


def estimate(
    paths: Sequence[Path],
    settings: Settings,
    *,
    home: Home | None,
    format_name: str | None,
    privacy_unit: str,
    mapping: dict[str, str],
) -> dict[str, Any]:
    """Calls, tokens, money (USD) and seconds by stage, each with the ends between which it is expected.

    settings: those of the run, roles included. home: where batches and answers may be known already; None without one.
    Raises ObservatoryError where no role has a model, and where a file cannot be read.
    """
    if not any(getattr(settings, role) for role in READING_ROLES):
        raise ObservatoryError("no model is asked: give --reader, --namer or --auditor, as openai:URL#MODEL")
    formats = running.probe_files(paths, format_name=format_name, privacy_unit=privacy_unit, mapping=mapping)
    batches = [
        Batch("estimate", str(path.resolve()), formats[path], privacy_unit, sha256_file(path), 0, mapping)
        for path in paths
    ]
    plan = plan_work(batches, settings, home)
    stages = _stages(plan, settings)
    rows = [_row(stage, settings) for stage in stages]
    whole = _row(Stage("all", "", costs.total(stage.load for stage in stages)), settings)
    for name in ("money", "seconds"):
        parts = [row[name] for row in rows]
        whole[name] = None if None in parts else _summed(parts)
    return {
        "conversations": {
            "rows_in_files": plan.counted.rows_in,
            "unreadable_rows": plan.counted.quarantined,
            "new": plan.counted.sizes.height,
            "new_contents": plan.counted.sizes["content_hash"].n_unique(),
            "in_the_release": plan.conversations,
            "sampled": plan.sample.height,
        },
        "stages": rows,
        "total": whole,
        "assumptions": _assumptions(settings, plan),
    }


def _stages(plan: Plan, settings: Settings) -> list[Stage]:
    stages, top = [], settings.top_clusters
    clusters = costs.base_clusters(plan.conversations, plan.distinct, settings.clusters, plan.clusters_known)
    if settings.reader is not None and plan.counted.sizes.height:
        contents, shown = _to_read(plan, settings)
        if settings.screener is not None:
            stages.append(Stage("screener", settings.reader, costs.screening(contents, shown)))
            # How many it lets through is not known before.
            contents, shown = Range(0, contents.likely, contents.high), Range(0, shown.likely, shown.high)
        stages.append(Stage("facets", settings.reader, costs.reading(contents, shown)))
    if settings.namer is not None and plan.clusters_stale and plan.conversations:
        kept = plan.clusters_known
        named = costs.naming(clusters, plan.conversations, kept)
        stages.append(Stage("naming", settings.namer, named))
        stages.append(Stage("hierarchy", settings.namer, costs.hierarchy(clusters, top, kept)))
    if settings.auditor is not None and plan.clusters_stale and plan.conversations:
        each = _shown_each(plan, settings)
        known, sample = plan.clusters_known, settings.audit_sample
        rated = costs.audit(costs.nodes(clusters, top), plan.conversations, sample, each, known)
        stages.append(Stage("audit", settings.auditor, rated))
    return stages


def _to_read(plan: Plan, settings: Settings) -> tuple[Range, Range]:
    """Distinct contents to be read, and the tokens that are shown of all of them."""
    sizes = plan.counted.sizes.unique("content_hash", keep="first")
    total, left = sizes.height, sizes.height - plan.answered
    shown, exact = _sampled_tokens(plan.sample, str(settings.reader), settings.max_reader_tokens)
    auxiliary = sizes.select("content_hash", size=_size()).join(
        plan.sample.select("content_hash"), on="content_hash", how="left"
    )
    drawn = plan.sample.select("content_hash").join(
        auxiliary, on="content_hash", how="left", maintain_order="left"
    )
    low, likely, high = ratio_total(shown, drawn["size"].to_numpy(), float(auxiliary["size"].sum()), total)
    part = left / total
    return Range(left, left, total), Range(low * part * (1 if exact else REAL_SHARE), likely * part, high)


def _size() -> pl.Expr:
    text = pl.min_horizontal("characters", pl.lit(SHOWN_CHARACTERS)).cast(pl.Float64)
    return text + FRAME_CHARACTERS + TURN_CHARACTERS * pl.col("turns")


def _sampled_tokens(sample: pl.DataFrame, model: str, most: int) -> tuple[np.ndarray, bool]:
    """Tokens that are shown of each sampled conversation, redacted first, and whether the model's tokenizer counted."""
    from dagster_project.privacy.redaction import redact_conversations

    redacted = redact_conversations(sample.select("conversation_id", "messages")).frame
    count, exact = counter(model)
    return costs.shown_tokens(redacted["messages"], count, most), exact


def _shown_each(plan: Plan, settings: Settings) -> Range:
    """Tokens of one conversation; where none is new, nothing is known of them but that they are cut."""
    if not plan.sample.height:
        return Range(1, 500, settings.max_reader_tokens)
    shown, _ = _sampled_tokens(plan.sample, str(settings.auditor), settings.max_reader_tokens)
    return Range(REAL_SHARE * float(shown.min()), float(shown.mean()), float(np.quantile(shown, 0.99)))


def counter(model: str) -> tuple[Callable[[Sequence[str]], list[int]], bool]:
    """How a model counts tokens, and whether that is its own tokenizer; without its library or weights by UTF-8 bytes."""
    from dagster_project.language_models import parse
    from dagster_project.language_models.backends import connect

    specification = parse(model)
    try:
        connected = connect(specification)
        connected.count_tokens(["A few words."])
    except (ObservatoryError, ImportError):
        return lambda texts: [
            -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN) for text in texts
        ], False
    return connected.count_tokens, specification.backend != "openai"


def _row(stage: Stage, settings: Settings) -> dict[str, Any]:
    load = stage.load
    row: dict[str, Any] = {"stage": stage.name, "model": stage.model or None}
    for name in ("calls", "input_tokens", "output_tokens"):
        row[name] = {end: round(getattr(getattr(load, name), end)) for end in ("low", "likely", "high")}
    price = price_of(settings, stage.model)
    row["money"] = None
    if price is not None:
        row["money"] = {
            end: round(
                (row["input_tokens"][end] * price.input + row["output_tokens"][end] * price.output) / 1e6, 6
            )
            for end in ("low", "likely", "high")
        }
    row["seconds"] = _seconds(stage, row) if stage.model else None
    return row


def _seconds(stage: Stage, row: dict[str, Any]) -> dict[str, float]:
    prompts, answers = SPEEDS[stage.model.partition(":")[0]]
    ends = zip(("low", "likely", "high"), prompts, answers, strict=True)
    return {
        end: round(row["input_tokens"][end] / reading + row["output_tokens"][end] / writing, 1)
        for end, reading, writing in ends
    }


def _summed(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    return {end: round(sum(part[end] for part in parts), 6) for end in ("low", "likely", "high")}


def _assumptions(settings: Settings, plan: Plan) -> list[str]:
    said = [
        f"Tokens are counted on {plan.sample.height} of the new contents, at most {SAMPLE}, after redaction; their total has a "
        "95 % interval.",
        f"A conversation is shown up to {settings.max_reader_tokens:,} tokens. Equal conversations are asked about once.",
        f"Up to {costs.REASKED:.0%} of the calls are made again; names may be asked for twice.",
        "Lengths of questions, answers and lists are assumed; the high end is what a call may take at most.",
    ]
    for model in sorted({getattr(settings, role) for role in READING_ROLES} - {None}):
        backend = model.partition(":")[0]
        (_, read, _), (_, written, _) = SPEEDS[backend]
        said.append(f"{model}: {read:,} tokens read and {written:,} written a second, over all calls.")
        if not counter(model)[1]:
            said.append(
                f"{model}: its own tokenizer is out of reach, so more tokens are counted than there may be."
            )
        if model not in settings.model_prices:
            said.append(f"{model}: no price in model_prices, so no money.")
    if plan.answered:
        said.append(f"{plan.answered:,} contents were asked about before and may cost nothing.")
    return said
