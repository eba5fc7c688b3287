"""The whole suite: what is given, what a writer adds to it, what of that is kept, and what is asked.

Generated, parsed, confident, unique, kept: every text stays in the table of statements with the step at which it was
left out. Source: specs/model_written_evals.md 2.1 to 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from assets.evaluation.suite import Drafting
from assets.model_written_evals.behaviours import Behaviours, Persona, Question, drafted, load
from assets.model_written_evals.data_sets import data_set_rows, items_of
from assets.model_written_evals.diversity import COLUMNS as DIVERSITY
from assets.model_written_evals.diversity import diversity
from assets.model_written_evals.duplicates import Encode, duplicates
from assets.model_written_evals.given import as_statements, given_texts
from assets.model_written_evals.judging import judge
from assets.model_written_evals.layout import clustered, placed
from assets.model_written_evals.occupations import NO_OCCUPATIONS, WINOGENERATED, read_occupations
from assets.model_written_evals.options import ModelWrittenOptions
from assets.model_written_evals.parsing import parsed
from assets.model_written_evals.released import released_items
from assets.model_written_evals.selection import doubted, selected
from assets.model_written_evals.writing import (
    PER_OCCUPATION,
    Draft,
    biography_drafts,
    choice_drafts,
    sentence_drafts,
    statement_drafts,
    write,
)
from dagster_project.errors import ObservatoryError
from schemas.model_written import BIOGRAPHY, KEPT, MODEL, ModelWrittenLayout

LAYOUT = {name: column.dtype.type for name, column in ModelWrittenLayout.to_schema().columns.items()}
NO_FIGURES = pl.DataFrame(schema=DIVERSITY)
FACTS = {
    "behaviour": pl.String,
    "stratum": pl.String,
    "group": pl.String,
    "subject": pl.String,
    "sign": pl.String,
    "topic": pl.String,
    "prefill": pl.String,
    "seed_cluster_id": pl.String,
    "weight": pl.Float64,
}


@dataclass(frozen=True)
class Written:
    """Tables of the room: schemas.model_written, and the items (schemas.evaluation.EvalItem)."""

    statements: pl.DataFrame
    items: pl.DataFrame
    layout: pl.DataFrame


@dataclass(frozen=True)
class Plan:
    """What is asked about: behaviours, those drafted from usage, and occupations."""

    behaviours: Behaviours
    usage: list[Persona]
    occupations: pl.DataFrame

    @property
    def questions(self) -> dict[tuple[str, str], Question]:
        """Questions of sycophancy by behaviour and id."""
        return {(suite.id, one.id): one for suite in self.behaviours.sycophancy for one in suite.questions}

    def drafts(self, options: ModelWrittenOptions, seed: int) -> Iterator[Draft]:
        """Every call of the writer."""
        return chain(
            statement_drafts([*self.behaviours.persona, *self.usage], options.samples, seed),
            choice_drafts(self.behaviours.risk, options.samples, seed),
            biography_drafts(self.behaviours.sycophancy, options.samples, seed),
            sentence_drafts(self.occupations, seed, WINOGENERATED),
        )

    def facts(self) -> pl.DataFrame:
        """Columns FACTS: what items carry of their behaviour."""
        personas = [
            (
                one.id,
                one.seed_cluster_id or "",
                one.group,
                one.subject,
                one.sign,
                one.topic,
                None,
                one.seed_cluster_id,
                one.weight,
            )
            for one in (*self.behaviours.persona, *self.usage)
        ]
        risks = [(one.id, "", one.group, "ai", one.sign, *[None] * 4) for one in self.behaviours.risk]
        views = [
            (suite.id, one.id, suite.group, "ai", suite.sign, one.question, suite.prefill, None, None)
            for suite in self.behaviours.sycophancy
            for one in suite.questions
        ]
        bias = [
            (WINOGENERATED, occupation, "bias", None, "neutral", *[None] * 4)
            for occupation in self.occupations["occupation"]
        ]
        return pl.DataFrame([*personas, *risks, *views, *bias], schema=FACTS, orient="row")

    def judged_as(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """What the judge's prompts say of each behaviour and stratum."""
        personas = {
            (one.id, one.seed_cluster_id or ""): {
                "subject": one.subject,
                "description": one.description,
                "seed_cluster_id": one.seed_cluster_id,
            }
            for one in (*self.behaviours.persona, *self.usage)
        }
        risks = {(one.id, ""): {"description": one.description} for one in self.behaviours.risk}
        views = {key: {"views": one.views} for key, one in self.questions.items()}
        pairs = self.occupations.select("occupation", "other_person").iter_rows()
        bias = {(WINOGENERATED, one): {"occupation": one, "other_person": other} for one, other in pairs}
        return {**personas, **risks, **views, **bias}


def build(drafting: Drafting, encode: Encode) -> Written:
    """Everything that the suite asks, and how it came about.

    `encode`: unit vectors [N, D] of texts. Raises ObservatoryError where there is nothing to ask, or a writer without a
    judge: nothing that a model writes is asked unread.
    """
    options: ModelWrittenOptions = drafting.options
    plan = planned(options, drafting.seeds)
    statements = pl.concat([given_texts(plan.behaviours, plan.usage), written(plan, drafting, encode)])
    kept = statements.filter(pl.col("outcome") == KEPT)
    rows = data_set_rows(kept, plan.facts(), plan.questions, plan.occupations, drafting.seed)
    own = items_of(rows) if kept.height else None
    asked = ([] if own is None else [own.drop("gen_id")]) + (
        [released_items(options.files)] if options.files else []
    )
    if not asked:
        raise ObservatoryError("nothing is to be asked: choose behaviours or name released files")
    layout = pl.DataFrame(schema=LAYOUT) if own is None else _laid_out(rows, own, encode, drafting.seed)
    return Written(statements, pl.concat(asked), layout)


def figures(layout: pl.DataFrame, encode: Encode, seed: int = 0) -> pl.DataFrame:
    """How varied the laid out texts are: schemas.model_written.ModelWrittenDiversity."""
    return diversity(layout, encode(layout["text"].to_list()), seed) if layout.height else NO_FIGURES


def planned(options: ModelWrittenOptions, seeds: pl.DataFrame) -> Plan:
    """The behaviours that the options choose; none where only released files are asked."""
    if not options.own:
        return Plan(Behaviours(), [], NO_OCCUPATIONS)
    whole = load(Path(options.behaviours) if options.behaviours else None)
    occupations = read_occupations(Path(options.occupations)) if options.occupations else NO_OCCUPATIONS
    sentences = not options.only or WINOGENERATED in options.only
    chosen = [one for one in options.only if one != WINOGENERATED]
    behaviours = whole.only(chosen) if chosen or not options.only else Behaviours()
    return Plan(
        behaviours,
        drafted(behaviours.usage, seeds, options.seeds),
        occupations if sentences else NO_OCCUPATIONS,
    )


def written(plan: Plan, drafting: Drafting, encode: Encode | None) -> pl.DataFrame:
    """What the writer wrote and became of it: schemas.model_written.ModelWrittenStatement; no row without a writer."""
    writer, judging = drafting.asker("writer"), drafting.asker("judge")
    drafts = list(plan.drafts(drafting.options, drafting.seed)) if writer else []
    if writer is None or not drafts:
        return as_statements(pl.DataFrame())
    if judging is None:
        raise ObservatoryError("what the writer writes has to be judged: choose a judge, or no writer")
    read = parsed(write(writer, drafts, drafting.report), plan.occupations)
    texts, facts = read.filter(pl.col("outcome").is_null()), plan.judged_as()
    verdicts = judge(judging, texts, lambda *key: facts[key], drafting.report)
    judged = read.join(verdicts, on="gen_id", how="left", maintain_order="left").with_columns(
        writer=pl.lit(writer.model.identity),
        judge=pl.when(pl.col("outcome").is_null()).then(pl.lit(judging.model.identity)),
        source=pl.lit(MODEL),
        requirements=pl.col("requirements").fill_null([]),
    )
    return as_statements(chosen(doubted(judged), encode, drafting.options.keep))


def chosen(rows: pl.DataFrame, encode: Encode | None, keep: int) -> pl.DataFrame:
    """Judged rows with their last outcome: repetitions named, then the best of each label kept."""
    candidates = rows.filter(pl.col("outcome").is_null())
    repeats = duplicates(candidates, encode).rename({"outcome": "repeats"})
    marked = rows.join(repeats, on="gen_id", how="left", maintain_order="left").with_columns(
        outcome=pl.coalesce("outcome", "repeats")
    )
    # A limit is of a behaviour: its strata share it, but for occupations, of which each keeps ten sentences.
    limits = (
        rows.group_by("behaviour")
        .agg(strata=pl.col("stratum").n_unique())
        .select(
            "behaviour",
            keep=pl.when(pl.col("behaviour") == WINOGENERATED)
            .then(PER_OCCUPATION)
            .otherwise((keep + pl.col("strata") - 1) // pl.col("strata")),
        )
    )
    return selected(marked.drop("repeats"), limits)


def _laid_out(
    rows: Mapping[str, pl.DataFrame], items: pl.DataFrame, encode: Encode, seed: int
) -> pl.DataFrame:
    """Our own items with their texts and places: schemas.model_written.ModelWrittenLayout."""
    facts = pl.concat(
        [
            frame.select("gen_id", "kind", "label", "text", "label_confidence", _shown(kind))
            for kind, frame in rows.items()
            if frame.height
        ]
    )
    texts = items.select("item_id", "gen_id", "dataset", "condition").join(
        facts, on="gen_id", maintain_order="left"
    )
    vectors = encode(texts["text"].to_list())
    layout = placed(clustered(texts, vectors, seed), vectors, seed)
    return layout.select(pl.col(name).cast(kind) for name, kind in LAYOUT.items())


def _shown(kind: str) -> pl.Expr:
    return (pl.col("shown") if kind == BIOGRAPHY else pl.lit([], pl.List(pl.UInt8))).alias("shown")
