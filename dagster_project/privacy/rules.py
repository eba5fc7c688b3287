"""Identifiers that one pattern describes, as data: entity, pattern, score, context words, check.

Three names only steer what is looked for (see `recognizers.SHOWN_AS`): STATED_ID, an identity number that its
context alone tells from other numbers; SPELT_EMAIL, an address in words; TOKEN, a long secret.

A score under `recognizers.THRESHOLD` counts only beside a context word. Patterns are for the `regex` module
(variable look-behind) and only ever see short windows of text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from dagster_project.privacy import checksums, contexts
from dagster_project.privacy.finders import LIKELY, SURE, WEAK

# Latin with marks, Greek and Cyrillic letters: what internationalised addresses use beside ASCII. Scripts
# without
# spaces stay out, or an address would swallow the words around it.
LETTERS = r"A-Za-z\u00c0-\u024f\u0370-\u052f"
LOCAL = rf"[{LETTERS}0-9](?:[{LETTERS}0-9._%+'-]*[{LETTERS}0-9_+-])?"
DOMAIN = rf"(?:[{LETTERS}0-9-]+\.)+(?:xn--[a-z0-9-]+|[{LETTERS}]{{2,24}})"
WORD = rf"[{LETTERS}0-9_-]+"
SPELT_TLD = (
    "(?:com|net|org|edu|gov|info|io|co|ai|app|dev|biz|uk|de|fr|es|it|nl|eu|ru|ua|jp|cn|kr|br|mx|ar|ca|au|nz"
    "|ch|se|dk|"
    "fi|pl|pt|cz|tr|il|za|invalid|test|example)"
)
AT = r"(?:\s*[\[({<]\s*(?:at|@|arroba|arobase)\s*[\])}>]\s*)"
DOT = r"(?:\s*[\[({<]\s*(?:dot|\.|punto|point|punkt)\s*[\])}>]\s*|\s+(?:dot|punto|point|punkt)\s+|\.)"
SPELT_DOT = r"\s+dot\s+"
AT_ABROAD = "(?:ät|arroba|arobase|собака|равлик|آت|ऐट|艾特|アット|アットマーク|et|골뱅이)"
DOT_ABROAD = r"\s+(?:punto|punkt|point|ponto|точка|крапка|نقطة|डॉट|点|ドット|nokta|점)\s+"
FILE_ENDINGS = frozenset(
    {
        "png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "ts", "jsx", "tsx", "py",
        "rb", "go", "rs", "java", "cpp", "hpp", "html", "htm", "xml", "json", "yml", "yaml", "md", "txt",
        "pdf", "doc", "docx", "zip", "gz", "tar", "mp3", "mp4", "avi", "mov", "min",
    }
)  # fmt: skip
# "look at amazon dot com" is no address; these words before "at" make a spelt address need context.
VERBS = frozenset(
    {
        "look", "looking", "looked", "work", "works", "worked", "working", "is", "are", "was", "be", "shop",
        "store", "available", "buy", "bought", "order", "ordered", "found", "find", "here", "live", "lives",
        "us", "it", "them", "only", "sold", "visit", "start", "starting", "stay", "check", "out", "people",
        "job", "jobs", "engineer", "employee", "meet", "met", "search", "book", "booked", "sale", "online",
        "products", "listed", "posted",
    }
)  # fmt: skip
URL_CHARACTERS = r"A-Za-z0-9\u00c0-\u024f\u0370-\u052f\-._~:/?#\[\]@!$&'()*+,;=%"
URL_END = r"A-Za-z0-9\u00c0-\u024f\u0370-\u052f\-_~/#@$&*+=%"
SCHEMES = (
    r"(?:https?|ftps?|sftp|wss?|ssh|git|svn|s3|gs|file|smb|ldaps?|mongodb(?:\+srv)?|postgres(?:ql)?|mysql"
    r"|mariadb|"
    r"rediss?|amqps?|kafka|jdbc:[a-z]+|rtsp|sip|ipfs|magnet)"
)
PEOPLE_HOSTS = (
    r"(?:github|gitlab|linkedin|facebook|fb|instagram|twitter|x|tiktok|youtube|reddit|medium|pinterest|vk"
    r"|strava|"
    r"drive\.google|docs\.google|forms\.gle|dropbox|onedrive\.live|snapchat|paypal|venmo|patreon|soundcloud"
    r"|twitch)"
)
PRIVATE_HOST = re.compile(
    r"^(?:[a-z0-9+:.]+://)?(?:www\.)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|example\.(?:com|org|net))"
    r"(?:[:/][^@?]*)?$",
    re.IGNORECASE,
)
NAMES_A_KEY = (
    r"(?:api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?(?:key|token)|auth[_ -]?token|refresh[_ -]?token|"
    r"client[_ -]?secret|private[_ -]?key|password|passwd|pwd|passphrase)"
)
OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
IPV4 = (
    r"(?<![\w.])(?<!\b(?:version|ver|v|release|firmware|section)[ .:]{0,2})"
    rf"(?:{OCTET}\.){{3}}{OCTET}(?:/[0-9]{{1,2}})?(?!\w|\.[0-9])"
)
SMALL_OCTET = 20
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
YEAR = r"(?:19[0-9]{2}|20[0-2][0-9])"


@dataclass(frozen=True)
class Rule:
    """One pattern of one entity; `check` may turn a match down, `cased` tells upper from lower case."""

    name: str
    entity: str
    pattern: str
    score: float
    context: tuple[str, ...] = ()
    check: Callable[[str], bool] | None = None
    cased: bool = False


def _address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return domain.rpartition(".")[2].casefold() not in FILE_ENDINGS and ".." not in domain and bool(local)


def _spelt_address(text: str) -> bool:
    return re.split(r"[\s.]", text.casefold())[0] not in VERBS


def _outside_host(text: str) -> bool:
    return PRIVATE_HOST.match(text) is None


def _identifying_ip(text: str) -> bool:
    """Loopback, unspecified and group addresses and netmasks identify nobody; a::b is code, not IPv6."""
    try:
        address = ipaddress.ip_address(re.split(r"[/%]", text)[0])
    except ValueError:
        return False
    if (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or text.startswith(("255.", "0."))
    ):
        return False
    digits = re.sub(r"[^0-9a-f]", "", text.casefold())
    return address.version == 4 or (len(digits) >= 5 and not digits.isalpha())


def _large_ip(text: str) -> bool:
    """Whether no version or section is likely: four small numbers need a word beside them."""
    return _identifying_ip(text) and any(int(part) > SMALL_OCTET for part in re.findall("[0-9]+", text)[:4])


def _secret_value(text: str) -> bool:
    """A value, not code that reads one: has a digit, no call, no variable."""
    return (
        re.search(r"[0-9]", text) is not None and re.search(r"[(){}\[\]]|^\$|^os\.|^process\.", text) is None
    )


def _enough_digits(least: int) -> Callable[[str], bool]:
    return lambda text: len(checksums.digits_of(text)) >= least


def _mac(text: str) -> bool:
    return len(set(re.sub(r"[^0-9A-Fa-f]", "", text))) > 1


EMAIL_RULES = [
    Rule("address", "EMAIL", rf"(?<![{LETTERS}0-9._%+-]){LOCAL}@{DOMAIN}(?![{LETTERS}0-9@])", SURE,
         check=_address),
    Rule("bracketed", "SPELT_EMAIL",
         rf"{WORD}(?:{DOT}{WORD}){{0,4}}{AT}{WORD}(?:{DOT}{WORD}){{0,3}}{DOT}[a-z]{{2,12}}\b", 0.7),
    Rule("spelt", "SPELT_EMAIL",
         rf"\b{WORD}(?:(?:{SPELT_DOT}|\.){WORD}){{0,4}}\s+at\s+{WORD}(?:(?:{SPELT_DOT}"
         rf"|\.){WORD}){{0,2}}{SPELT_DOT}"
         rf"{SPELT_TLD}\b", 0.5, contexts.EMAIL, _spelt_address),
    Rule("spelt abroad", "SPELT_EMAIL",
         rf"\b{WORD}(?:(?:{DOT_ABROAD}|\.){WORD}){{0,4}}\s+{AT_ABROAD}\s+{WORD}(?:(?:{DOT_ABROAD}"
         rf"|\.){WORD}){{0,2}}"
         rf"{DOT_ABROAD}{SPELT_TLD}\b", 0.5, contexts.EMAIL),
    Rule("spelt beside a word", "SPELT_EMAIL",
         rf"\b{WORD}(?:{SPELT_DOT}{WORD}){{0,4}}\s+at\s+{WORD}(?:{SPELT_DOT}|\.){SPELT_TLD}\b", WEAK,
         contexts.EMAIL),
    Rule("spaced", "EMAIL", rf"\b{LOCAL}\s?@\s?{WORD}(?:\s?\.\s?{WORD}){{0,2}}\s\.\s?{SPELT_TLD}\b", LIKELY),
    Rule("spaced at", "EMAIL", rf"\b{LOCAL}\s@\s{DOMAIN}\b", 0.3, contexts.EMAIL),
]  # fmt: skip

NETWORK_RULES = [
    Rule("address with scheme", "URL", rf"\b{SCHEMES}://[{URL_CHARACTERS}]*[{URL_END}]", 0.7,
         check=_outside_host),
    Rule("www", "URL", rf"(?<![\w.@])www\d?\.[{URL_CHARACTERS}]*[{URL_END}]", 0.7, check=_outside_host),
    Rule("profile", "URL", rf"(?<![\w.@/]){PEOPLE_HOSTS}\.com/[{URL_CHARACTERS}]*[{URL_END}]", LIKELY),
    Rule("short profile", "URL",
         r"(?<![\w.@/])(?:t\.me|wa\.me|discord\.gg|youtu\.be|bit\.ly|linktr\.ee)/[\w./-]*\w", LIKELY),
    Rule("IPv4", "IP_ADDRESS", IPV4, LIKELY, contexts.ADDRESS_IP, _large_ip),
    Rule("IPv4 of small numbers", "IP_ADDRESS", IPV4, WEAK, contexts.ADDRESS_IP, _identifying_ip),
    Rule("IPv6", "IP_ADDRESS",
         r"(?<![0-9A-Za-z_.])(?<![0-9a-f]:)(?<!::)[0-9a-f]{1,4}:[0-9a-f:]{2,34}[0-9a-f:](?:%\w+)?"
         r"(?:/[0-9]{1,3})?(?![\w:])",
         LIKELY, contexts.ADDRESS_IP, _identifying_ip),
    Rule("MAC", "MAC_ADDRESS",
         r"(?<![0-9a-f:-])[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![0-9a-f:-])", 0.7,
         check=_mac),
    Rule("MAC by fours", "MAC_ADDRESS", r"\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", 0.3,
         ("mac", "hardware", "physical", "ethernet", "device"), _mac),
    Rule("account name", "HANDLE",
         r"(?<=\b(?:user ?name|login|user ?id)\s{0,2}(?:is|:|=)\s{0,2}[\"']?)@?[\w.-]{2,31}\w", 0.5,
         check=_enough_digits(1)),
    Rule("mention", "HANDLE", r"(?<![\w@./<])@\w[\w.]{1,28}\w", WEAK, contexts.HANDLE),
    Rule("tag", "HANDLE", r"\b[\w.]{2,32}#[0-9]{4}\b", WEAK, contexts.HANDLE),
]  # fmt: skip

TOKENS = (
    r"sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{16,}|(?:[sprk]k|key)_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|"
    r"github_pat_[A-Za-z0-9_]{20,}|glpat-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{20,}|"
    r"xox[abprse]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|"
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.?[\w-]*|dop_v1_[a-f0-9]{40,}|[0-9]{8,10}:AA[\w-]{30,}|key-[0-9a-f]{32}|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
SECRET_RULES = [
    Rule("token", "TOKEN", rf"(?<![A-Za-z0-9])(?:{TOKENS})", SURE, cased=True),
    Rule("assigned", "SECRET",
         rf"(?<=\b\w{{0,20}}{NAMES_A_KEY}[\"']?\s{{0,2}}(?:=|:|is"
         rf"|was)\s{{0,2}}[\"'`]?)[^\s\"'`<>,;]{{5,127}}[^\s\"'`<>,;.!?]",
         0.7, check=_secret_value),
    Rule("told", "SECRET",
         r"(?<=\bmy (?:[\w-]+ )?(?:password|passphrase|pin|pass code"
         r"|passcode) is [\"'`]?)[^\s\"'`<>]{3,63}[^\s\"'`<>.,!?]",
         0.7),
    Rule("bearer", "TOKEN", r"(?<=\b(?:bearer|basic) )[\w.~+/-]{16,}={0,2}", 0.7, check=_enough_digits(1)),
    Rule("long token", "TOKEN", r"(?<![\w/+.-])(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{24,128}(?![\w/+-])",
         WEAK, contexts.SECRET,
         _enough_digits(4)),
    Rule("Ethereum", "CRYPTO", r"\b0x[0-9a-f]{40}\b", LIKELY, contexts.CRYPTO),
]  # fmt: skip

DOCUMENT_RULES = [
    Rule("passport", "PASSPORT", r"\b[A-Z0-9]{0,3}[0-9][A-Z0-9]{4,8}\b", WEAK, contexts.PASSPORT,
         _enough_digits(4), cased=True),
    Rule("driver", "DRIVER_LICENCE", r"\b[A-Z]{0,5}[0-9](?:[A-Z0-9]|[ -](?=[A-Z0-9]*[0-9])){4,18}\b", WEAK,
         contexts.DRIVER,
         _enough_digits(5), cased=True),
    Rule("account", "BANK_ACCOUNT", r"(?<![\w.-])[0-9](?:[ -]?[0-9]){6,17}(?![\w-])", WEAK, contexts.ACCOUNT),
    Rule("birth in figures", "DATE_OF_BIRTH",
         rf"(?<![\w./-])(?:[0-9]{{1,2}}[./ -][0-9]{{1,2}}[./ -](?:{YEAR}|[0-9]{{2}})"
         rf"|{YEAR}[./-][0-9]{{1,2}}[./-][0-9]{{1,2}}"
         rf"|{YEAR}年[0-9]{{1,2}}月[0-9]{{1,2}}日?|{YEAR}년 ?[0-9]{{1,2}}월 ?[0-9]{{1,2}}일)(?![\w-])", WEAK,
         contexts.BIRTH),
    Rule("birth in words", "DATE_OF_BIRTH",
         rf"\b(?:[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH},? {YEAR}|{MONTH} [0-9]{{1,2}}(?:st|nd|rd"
         rf"|th)?,? {YEAR})\b", WEAK,
         contexts.BIRTH),
    Rule("CPF", "NATIONAL_ID", r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", 0.7, contexts.IDENTITY,
         checksums.cpf),
    Rule("CPF bare", "STATED_ID", r"\b[0-9]{11}\b", WEAK, contexts.IDENTITY, checksums.cpf),
    Rule("CN resident", "NATIONAL_ID",
         r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]"
         r"|3[01])[0-9]{3}[0-9X](?![0-9A-Za-z])",
         0.8, contexts.IDENTITY, checksums.resident_id_cn),
    Rule("NIR", "NATIONAL_ID",
         r"\b[12](?:[0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6} ?[0-9]{2}"
         r"| [0-9]{2} [0-9]{2} (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2})\b", 0.8, contexts.IDENTITY,
         checksums.nir),
    Rule("HETU", "NATIONAL_ID",
         r"\b(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}[-+A-FU-Y][0-9]{3}[0-9A-Y]\b", 0.7,
         contexts.IDENTITY,
         checksums.hetu),
    Rule("CURP", "NATIONAL_ID", r"\b[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]\b", 0.8,
         contexts.IDENTITY),
    Rule("NINO", "NATIONAL_ID",
         r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b", LIKELY,
         contexts.IDENTITY, cased=True),
    Rule("PAN", "NATIONAL_ID", r"\b[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]\b", LIKELY, contexts.IDENTITY,
         cased=True),
    Rule("SNILS", "NATIONAL_ID", r"\b[0-9]{3}-[0-9]{3}-[0-9]{3} ?-?[0-9]{2}\b", 0.7, contexts.IDENTITY,
         checksums.snils),
    Rule("BSN", "STATED_ID", r"\b[0-9]{9}\b", WEAK, contexts.IDENTITY, checksums.bsn),
    Rule("RRN", "NATIONAL_ID", r"(?<![0-9-])[0-9]{6}-[1-8][0-9]{6}(?![0-9-])", 0.7, contexts.IDENTITY,
         checksums.rrn),
    Rule("stated number", "STATED_ID", r"\b[A-Z]{0,3}[0-9](?:[ ./-]?[A-Z0-9]){5,17}\b", WEAK,
         contexts.IDENTITY_STRONG,
         _enough_digits(6), cased=True),
]  # fmt: skip
RULES = [*EMAIL_RULES, *NETWORK_RULES, *SECRET_RULES, *DOCUMENT_RULES]
