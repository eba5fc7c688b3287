"""Words near a number that say what it is. Lower case; scripts without spaces match anywhere, others as
words.

A weak shape (nine digits) counts only beside such a word; see `recognizers.ContextWindow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

EMAIL = (
    "email", "e-mail", "mail", "contact", "reach", "write to", "correo", "courriel", "mailto", "почт", "邮箱",
    "邮件",
    "メール", "이메일", "ईमेल", "بريد", "ایمیل",
)  # fmt: skip
CARD = (
    "card", "credit", "debit", "visa", "mastercard", "amex", "american express", "discover", "jcb", "diners",
    "maestro", "cc", "ccn", "tarjeta", "carte", "karte", "kreditkarte", "cartão", "carta di credito", "карт",
    "信用卡", "银行卡", "卡号", "クレジット", "カード番号", "카드", "कार्ड", "بطاقة",
)  # fmt: skip
PHONE = (
    "phone", "telephone", "tel", "cell", "cellphone", "mobile", "call", "calls", "calling", "called",
    "phones", "cells", "fax", "whatsapp",
    "sms", "text me", "texted", "message", "messages", "dial", "ring me", "reach me", "contact", "hotline",
    "desk:",
    "office:", "voicemail", "answering", "landline", "viber", "signal", "teléfono", "telefono", "móvil",
    "celular",
    "llama", "llámame", "téléphone", "portable", "appelez", "appelle", "telefon", "handy", "mobil", "anrufen",
    "ruf", "telefone", "ligue", "cellulare", "chiama", "телефон", "тел", "моб", "позвон", "звон", "номер",
    "电话", "手机", "電話", "携帯", "전화", "휴대폰", "هاتف", "جوال", "تلفن", "اتصل", "फ़ोन", "फोन", "मोबाइल", "โทร",
    "điện thoại",
)  # fmt: skip
PHONE_AFTER = ("office", "desk", "work", "home")
NOT_PHONE = (
    "order", "invoice", "ticket", "account", "acct", "reference", "ref", "id", "serial", "tracking", "isbn",
    "issn",
    "doi", "zip", "postal", "case", "card", "iban", "ssn", "social security", "version", "population", "year",
    "page", "pages", "license", "licence", "passport", "code", "pin", "chapter", "verse", "patent", "item",
    "model",
    "sku", "part", "port", "bits", "bytes", "pixels", "password", "bug", "issue", "commit", "build",
    "timestamp",
    "equation", "calculate", "sum", "multiply", "add", "equals", "range", "between", "from", "vin", "imei",
)  # fmt: skip
SSN = ("social", "security", "ssn", "ssns", "ssid")
PASSPORT = (
    "passport", "passeport", "pasaporte", "reisepass", "passaporte", "passaporto", "paspoort", "pasaport",
    "паспорт", "护照",
    "パスポート", "旅券", "여권", "جواز", "पासपोर्ट",
)  # fmt: skip
DRIVER = (
    "driver's lic", "driver’s lic", "drivers lic", "driver lic", "driving lic", "license number",
    "licence number",
    "license no", "licence no", "dl number", "dl#", "führerschein", "permis de conduire",
    "licencia de conducir",
    "carnet de conducir", "patente di guida", "carteira de motorista", "cnh", "водительск", "驾驶证", "運転免許",
    "운전면허", "رخصة القيادة",
)  # fmt: skip
BIRTH = (
    "dob", "d.o.b", "date of birth", "birth date", "birthdate", "birthday", "i was born", "i am born",
    "born on my",
    "fecha de nacimiento", "nací", "date de naissance", "je suis né", "geburtsdatum", "geboren am",
    "geburtstag",
    "data de nascimento", "nasci", "data di nascita", "дата рождения", "дата народження", "doğum tarihi",
    "родился", "родилась", "出生日期", "出生于",
    "我的生日", "生年月日", "생년월일", "تاريخ الميلاد", "जन्म तिथि", "जन्मतिथि",
)  # fmt: skip
IDENTITY = (
    "national id", "identity", "id number", "id card", "id no", "identification", "insurance number",
    "tax id",
    "tax number", "tax file", "taxpayer", "dni", "nif", "nie", "nino", "ni number", "cpf", "curp", "rfc",
    "pesel",
    "personnummer", "hetu", "henkilötunnus", "bsn", "burgerservicenummer", "sin number", "tfn", "medicare",
    "nhs",
    "aadhaar", "aadhar", "pan card", "pan number", "nric", "fin number", "rrn", "codice fiscale", "cédula",
    "numéro de sécurité", "sécurité sociale", "steuer", "ausweis", "личност", "снилс", "инн", "удостоверени",
    "身份证", "身分證", "マイナンバー", "주민등록", "주민번호", "هوية", "الهوية", "आधार", "บัตรประชาชน", "tnin", "itin",
)  # fmt: skip
IDENTITY_STRONG = (
    "national id", "identity card", "identity number", "id card", "id number is", "national insurance",
    "social insurance", "tax id", "taxpayer", "identification number", "dni", "cédula", "personnummer",
    "identitätsnummer", "ausweisnummer", "personalausweis", "身份证", "マイナンバー", "الهوية",
)  # fmt: skip
ACCOUNT = (
    "account number", "account no", "acct", "bank account", "account is", "routing", "sort code", "cuenta",
    "konto",
    "kontonummer", "compte bancaire", "conta", "счёт", "счет", "账号", "账户", "口座",
)  # fmt: skip
HANDLE = (
    "instagram", "insta", "ig", "twitter", "telegram", "tiktok", "snapchat", "snap", "discord", "my handle",
    "handle is", "handle:", "username",
    "wechat", "profile", "perfil", "profil", "mastodon", "follow me", "dm me", "add me", "微信", "推特", "主页",
    "профил", "профіл", "الملف", "प्रोफ़ाइल", "プロフィール", "프로필",
)  # fmt: skip
ADDRESS_IP = ("ip", "ipv4", "ipv6", "address", "host", "server", "ping", "client")
SECRET = ("token", "key", "secret", "bearer", "api", "credential", "auth")
CRYPTO = ("wallet", "btc", "bitcoin", "crypto", "eth", "ethereum", "usdt", "address", "send")

# Scripts whose words are not parted by spaces (or whose words take prefixes, as Arabic does).
UNSPACED = re.compile(
    r"[\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
SHORT_WORD = 5


def _term(word: str) -> str:
    if UNSPACED.search(word):
        return re.escape(word)
    # Longer words may be inflected ("calls", "телефону"); short ones must stand alone ("ip" is not in
    # "ipad").
    return rf"\b{re.escape(word)}" + (
        r"\b" if len(word) <= SHORT_WORD and word.isascii() and word.isalnum() else ""
    )


@cache
def context_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern that finds any of the words in casefolded text."""
    return re.compile("|".join(map(_term, words)) or r"(?!)")


def merge(*groups: Iterable[str]) -> tuple[str, ...]:
    """Word lists joined, without repeats, in order."""
    return tuple(dict.fromkeys(word.casefold() for group in groups for word in group))
