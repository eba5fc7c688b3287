"""Check digits of payment, bank and national identity numbers. Pure functions over digit strings.

Sources: ISO/IEC 7812 (Luhn), ISO 13616 (IBAN registry lengths, mod 97), and each country's published rule.
"""

from __future__ import annotations

import re

# Lengths of the IBAN registry; a country that is absent here is not an IBAN country.
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CN_CHECKS = "10X98765432"
HETU_CHECKS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
BSN_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def digits_of(text: str) -> str:
    """The ASCII digits of a text, in order."""
    return re.sub(r"[^0-9]", "", text)


def luhn(digits: str) -> bool:
    """Whether a digit string passes the Luhn check; one repeated digit does not count."""
    if len(set(digits)) < 2:
        return False
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def iban(compact: str) -> bool:
    """Whether a string without separators is an IBAN: known country, its length, remainder 1 modulo 97."""
    text = compact.upper()
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+", text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def cpf(text: str) -> bool:
    """Brazilian taxpayer number: 11 digits, two check digits modulo 11."""
    digits = [int(d) for d in digits_of(text)]
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return all(
        sum(d * (length + 1 - i) for i, d in enumerate(digits[:length])) * 10 % 11 % 10 == digits[length]
        for length in (9, 10)
    )


def resident_id_cn(text: str) -> bool:
    """Chinese resident identity number: 17 digits and a check character modulo 11 (ISO 7064 MOD 11-2)."""
    if not re.fullmatch(r"[0-9]{17}[0-9Xx]", text):
        return False
    return CN_CHECKS[sum(w * int(d) for w, d in zip(CN_WEIGHTS, text, strict=False)) % 11] == text[-1].upper()


def nir(text: str) -> bool:
    """French social security number: 13 characters and a two-digit key, 97 minus the remainder."""
    compact = re.sub(r"\s", "", text).upper().replace("2A", "19", 1).replace("2B", "18", 1)
    return re.fullmatch(r"[0-9]{15}", compact) is not None and 97 - int(compact[:13]) % 97 == int(
        compact[13:]
    )


def bsn(text: str) -> bool:
    """Dutch citizen service number: nine digits, weighted sum divisible by 11."""
    digits = digits_of(text)
    if len(digits) != 9 or len(set(digits)) == 1:
        return False
    return sum(w * int(d) for w, d in zip(BSN_WEIGHTS, digits, strict=True)) % 11 == 0


def snils(text: str) -> bool:
    """Russian insurance number: nine digits and a two-digit sum modulo 101."""
    digits = digits_of(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return sum((9 - i) * int(d) for i, d in enumerate(digits[:9])) % 101 % 100 == int(digits[9:])


def rrn(text: str) -> bool:
    """Korean resident number: 13 digits, birth date, check digit modulo 11."""
    digits = digits_of(text)
    if len(digits) != 13 or not re.fullmatch(
        r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[1-8]\d{6}", digits
    ):
        return False
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return (11 - sum(w * int(d) for w, d in zip(weights, digits, strict=False)) % 11) % 10 == int(digits[12])


def hetu(text: str) -> bool:
    """Finnish personal identity code: birth date and number modulo 31 give the last character."""
    digits = digits_of(text[:-1])
    return len(digits) == 9 and HETU_CHECKS[int(digits) % 31] == text[-1].upper()
