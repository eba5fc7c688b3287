"""English names of the languages that the readers tell apart, by ISO 639-1 code."""

from __future__ import annotations

_NAMES = """
af Afrikaans|am Amharic|an Aragonese|ar Arabic|as Assamese|az Azerbaijani|be Belarusian|bg Bulgarian|bn Bengali
bo Tibetan|br Breton|bs Bosnian|ca Catalan|cs Czech|cy Welsh|da Danish|de German|dz Dzongkha|el Greek|en English
eo Esperanto|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fo Faroese|fr French|fy Frisian|ga Irish
gd Scottish Gaelic|gl Galician|gu Gujarati|ha Hausa|he Hebrew|hi Hindi|hr Croatian|ht Haitian Creole|hu Hungarian
hy Armenian|id Indonesian|ig Igbo|is Icelandic|it Italian|ja Japanese|jv Javanese|ka Georgian|kk Kazakh|km Khmer
kn Kannada|ko Korean|ku Kurdish|ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|lo Lao|lt Lithuanian|lv Latvian
mg Malagasy|mi Maori|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|nb Norwegian
ne Nepali|nl Dutch|nn Norwegian|no Norwegian|ny Chichewa|oc Occitan|om Oromo|or Odia|pa Punjabi|pl Polish|ps Pashto
pt Portuguese|qu Quechua|ro Romanian|ru Russian|rw Kinyarwanda|sd Sindhi|se Northern Sami|si Sinhala|sk Slovak
sl Slovenian|sn Shona|so Somali|sq Albanian|sr Serbian|st Sotho|su Sundanese|sv Swedish|sw Swahili|ta Tamil|te Telugu
tg Tajik|th Thai|ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|tr Turkish|ts Tsonga|tt Tatar|ug Uyghur|uk Ukrainian
ur Urdu|uz Uzbek|vi Vietnamese|vo Volapuk|wa Walloon|wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|zh Chinese|zu Zulu
"""

LANGUAGE_NAMES: dict[str, str] = {
    code: name
    for code, _, name in (entry.partition(" ") for entry in _NAMES.strip().replace("\n", "|").split("|"))
}


def language_name(code: str) -> str:
    """English name of a language; `another language` for a code without one."""
    return LANGUAGE_NAMES.get(code, "another language")
