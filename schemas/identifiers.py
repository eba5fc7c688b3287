"""What may not stand in a published string: identifiers of people and characters that hide or reorder text.

The patterns mean the same in Python's `re`, in Rust's regex (Polars) and in RE2 (DuckDB), so that every gate
uses these very ones. They are a last look at strings that have passed redaction and sharing by many users;
recall on raw text is the business of `dagster_project.privacy`.
"""

from __future__ import annotations

IDENTIFIERS: dict[str, str] = {
    "email": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    "url": r"(?i:\b(?:https?://|www\.))\S",
    "ip": r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b",
    "iban": r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    "long_number": r"[0-9](?:[ ().-]{0,2}[0-9]){8,}",
    "key": r"\b[0-9a-fA-F]{32,}\b",
}
ANY_IDENTIFIER = "|".join(f"(?:{pattern})" for pattern in IDENTIFIERS.values())

# Control, format (bidirectional and zero-width) and private-use characters, line separators.
HIDDEN = r"[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]"
