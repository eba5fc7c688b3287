"""Presidio's analyser, assembled for pattern recognition alone: no language model, no download, no network.

Three things of Presidio are replaced. Its NLP engine (spaCy models) by one that does nothing; its lemma-based
context enhancer by a window of characters, which also works in scripts without spaces; its e-mail recogniser,
which fetches a suffix list from the network on first use, by a rule. Its card, IBAN and telephone recognisers
give way to finders that cover more lengths and groupings (measured in `benchmarks/redaction.py`).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from dagster_project.privacy import contexts, finders
from dagster_project.privacy.rules import RULES, Rule

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer

THRESHOLD = 0.4
CONTEXT_BOOST = 0.45
BEFORE, AFTER = 60, 24
PLACEHOLDER = re.compile(r"<[A-Z_]{2,30}>|^[A-Z_]{0,30}>|<[A-Z_]{0,30}$")
LANGUAGE = "en"
FALLBACK = "IDENTIFIER"
SHOWN_AS = {"STATED_ID": "NATIONAL_ID", "TAX_CODE": "NATIONAL_ID", "SPELT_EMAIL": "EMAIL", "TOKEN": "SECRET"}
FINDERS = (
    ("cards", "CREDIT_CARD", finders.find_cards, contexts.CARD),
    ("ibans", "IBAN", finders.find_ibans, ()),
    ("phones", "PHONE", finders.find_phones, contexts.PHONE),
)
# Words that speak against a recogniser's weak matches when they stand nearer, and words that support it only
# behind.
CONTRARY = {"phones": contexts.NOT_PHONE}
BEHIND = {"phones": contexts.PHONE_AFTER}
# Presidio's national identity recognisers. Where the check digit lets one number in ten or so pass, a context
# word
# is demanded on top of it.
NATIONAL_STRICT = ("EsNifRecognizer", "EsNieRecognizer")
NATIONAL_IN_CONTEXT = (
    "PlPeselRecognizer", "InAadhaarRecognizer", "SgFinRecognizer", "NhsRecognizer",
    "ThTninRecognizer", "AuTfnRecognizer", "AuMedicareRecognizer", "UsItinRecognizer",
)  # fmt: skip
HEAVY = ("torch", "transformers", "stanza", "gliner", "tensorflow", "cupy")


@contextmanager
def _without_heavy_libraries() -> Iterator[None]:
    """Keep Presidio and spaCy from importing model libraries they only probe for.

    The probe costs seconds and 300 MB in every process that redacts. Libraries already imported stay as they
    are.
    """
    masked = [name for name in HEAVY if name not in sys.modules]
    for name in masked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in masked:
            if sys.modules.get(name, ...) is None:
                del sys.modules[name]


def _log_nothing(record: logging.LogRecord) -> bool:
    """Presidio logs matched text on some failures. A filter outlives `logging.config`, which resets `disabled`."""
    return False


@cache
def build_analyzer() -> AnalyzerEngine:
    """The analyser with every recogniser of this project; built once per process, shared by all callers."""
    for name in ("presidio-analyzer", "decision_process"):
        logging.getLogger(name).addFilter(_log_nothing)
    with _without_heavy_libraries():
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=list(_recognizers()), supported_languages=[LANGUAGE]),
        nlp_engine=_blank_engine(),
        context_aware_enhancer=_context_window(),
        default_score_threshold=THRESHOLD,
        supported_languages=[LANGUAGE],
    )


def entities() -> list[str]:
    """Every type that can be found, in order of precedence between equal spans."""
    own = [entity for _, entity, _, _ in FINDERS] + [rule.entity for rule in RULES]
    return [*dict.fromkeys(SHOWN_AS.get(entity, entity) for entity in ("EMAIL", *own, "SSN")), FALLBACK]


def find_in_window(text: str, kinds: tuple[str, ...]) -> list[tuple[int, int, float, str]]:
    """What Presidio finds of some types in a short text: (start, end, score, type of the placeholder).

    Fails closed: where a recogniser raises, the whole text counts as one identifier.
    """
    try:
        results = build_analyzer().analyze(text, LANGUAGE, entities=list(kinds))
    except Exception:
        return [(0, len(text), finders.SURE, FALLBACK)]
    return [(r.start, r.end, r.score, SHOWN_AS.get(r.entity_type, r.entity_type)) for r in results]


def _recognizers() -> Iterator[EntityRecognizer]:
    for name, entity, find, context in FINDERS:
        yield _from_finder(name, entity, find, context)
    yield from map(_from_rule, RULES)
    yield from _from_presidio()


def _from_finder(name: str, entity: str, find: Any, context: tuple[str, ...]) -> EntityRecognizer:
    from presidio_analyzer import EntityRecognizer, RecognizerResult

    class FinderRecognizer(EntityRecognizer):
        def load(self) -> None:
            pass

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any) -> list[RecognizerResult]:
            found = (RecognizerResult(entity, start, end, score) for start, end, score in find(text))
            return list(found)

    return FinderRecognizer([entity], name=name, supported_language=LANGUAGE, context=list(context))


def _from_rule(rule: Rule) -> EntityRecognizer:
    from presidio_analyzer import Pattern, PatternRecognizer

    class RuleRecognizer(PatternRecognizer):
        def invalidate_result(self, pattern_text: str) -> bool:
            return rule.check is not None and not rule.check(pattern_text)

    flags = re.MULTILINE if rule.cased else re.MULTILINE | re.IGNORECASE
    return RuleRecognizer(
        rule.entity, name=rule.name, patterns=[Pattern(rule.name, rule.pattern, rule.score)],
        context=list(rule.context), global_regex_flags=_regex_flags(flags),
    )  # fmt: skip


def _regex_flags(flags: re.RegexFlag) -> int:
    """Flags of `re` as those of the `regex` module that Presidio compiles with."""
    import regex

    return (regex.MULTILINE if flags & re.MULTILINE else 0) | (
        regex.IGNORECASE if flags & re.IGNORECASE else 0
    )


def _from_presidio() -> Iterator[EntityRecognizer]:
    from presidio_analyzer import predefined_recognizers as presidio

    yield presidio.UsSsnRecognizer(
        supported_entity="SSN", context=list(contexts.SSN), supported_language=LANGUAGE
    )
    yield presidio.CryptoRecognizer(supported_entity="CRYPTO", supported_language=LANGUAGE)
    kinds = {
        "NATIONAL_ID": NATIONAL_STRICT,
        "TAX_CODE": ("ItFiscalCodeRecognizer",),
        "STATED_ID": NATIONAL_IN_CONTEXT,
    }
    for entity, names in kinds.items():
        for name in names:
            kind = getattr(presidio, name)
            yield kind(
                supported_entity=entity,
                supported_language=LANGUAGE,
                context=list(contexts.IDENTITY),
                name=name,
            )


def _blank_engine() -> Any:
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class BlankEngine(NlpEngine):
        """An NLP engine without language: recognisers here read the text itself."""

        def load(self) -> None:
            pass

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            return NlpArtifacts([], [], [], [], None, language)  # type: ignore[arg-type]

        def process_batch(
            self, texts: Any, language: str, *_: Any, **__: Any
        ) -> Iterator[tuple[str, NlpArtifacts]]:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return [LANGUAGE]

    return BlankEngine()


def _context_window() -> Any:
    """An enhancer that looks for a recogniser's words among the characters around a match."""
    from presidio_analyzer import ContextAwareEnhancer, RecognizerResult

    class ContextWindow(ContextAwareEnhancer):
        def enhance_using_context(
            self, text: str, raw_results: list[RecognizerResult], nlp_artifacts: Any,
            recognizers: list[EntityRecognizer], context: list[str] | None = None,
        ) -> list[RecognizerResult]:  # fmt: skip
            by_id = {recognizer.id: recognizer for recognizer in recognizers}
            for result in raw_results:
                metadata = result.recognition_metadata or {}
                recognizer = by_id[metadata[RecognizerResult.RECOGNIZER_IDENTIFIER_KEY]]
                if recognizer.name in NATIONAL_IN_CONTEXT:
                    result.score = min(result.score, finders.WEAK)
                words = tuple(recognizer.context or ())
                result.score = rescore(text, result.start, result.end, result.score, recognizer.name, words)
            return raw_results

    return ContextWindow(CONTEXT_BOOST, THRESHOLD, BEFORE, AFTER)


def rescore(text: str, start: int, end: int, score: float, name: str, words: tuple[str, ...]) -> float:
    """A match's score after its surroundings: raised beside a context word, lowered close behind a contrary
    one.

    The nearer of a supporting and a contrary word in front decides. Placeholders are no context: "<PHONE>"
    must not turn the number after it into a telephone on a second pass.
    """
    before = PLACEHOLDER.sub(" ", text[max(0, start - BEFORE) : start]).casefold()
    after = PLACEHOLDER.sub(" ", text[end : end + AFTER]).casefold()
    support = _last(contexts.context_pattern(words), before)
    contrary = _last(contexts.context_pattern(CONTRARY.get(name, ())), before)
    if contrary > max(support, len(before) - BEFORE // 2):
        return score - CONTEXT_BOOST / 2
    if support >= 0 or contexts.context_pattern((*words, *BEHIND.get(name, ()))).search(after):
        return min(finders.SURE, score + CONTEXT_BOOST)
    return score


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((match.start() for match in pattern.finditer(text)), default=-1)
