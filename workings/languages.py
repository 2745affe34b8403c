"""The languages that a report may be written in: how each writes a number, a list and a verdict.

A thin space stands between groups of three digits in every language, as ISO 80000-1 has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workings.messages import InputError, did_you_mean


@dataclass(frozen=True)
class Language:
    """What the engine itself writes in a language.

    Args:
        babel: its name to babel and cleveref.
        mark: the decimal mark.
        package: where Debian has what babel needs.
        words: those for the engine's own English ones; a word that is missing stays English.
        zero_is_one: whether none of something has the word for one.
    """

    babel: str
    mark: str = ","
    package: str = "texlive-latex-base"
    words: dict[str, str] = field(default_factory=dict)
    zero_is_one: bool = False

    @property
    def is_english(self) -> bool:
        return not self.words

    def word(self, english: str) -> str:
        return self.words.get(english, english)

    def is_one(self, number: float) -> bool:
        """Whether the word for so many is the one for a single thing."""
        return number == 1 or (self.zero_is_one and number == 0)


ENGLISH = Language("british", ".")
_GERMAN = {
    "and": "und", "or": "oder", "not": "nicht", "not in": "nicht in", "yes": "ja", "no": "nein",
    "true": "wahr", "false": "falsch", "none": "keins", "items": "Einträge",
    "percentage point": "Prozentpunkt", "percentage points": "Prozentpunkte",
    "holds": "gilt", "measured": "gemessen", "refuted": "widerlegt",
    "Section": "Abschnitt", "Sections": "Abschnitte", "Appendix": "Anhang", "Appendices": "Anhänge",
    "Figure": "Abbildung", "Figures": "Abbildungen", "Table": "Tabelle", "Tables": "Tabellen",
    "Equation": "Gleichung", "Equations": "Gleichungen", "References": "Literatur",
    "{} to {}": "{} bis {}", "{}, and {}": "{} und {}",
}  # fmt: skip
LANGUAGES = {
    "en": ENGLISH,
    "en-US": Language("american", "."),
    "de": Language("ngerman", ",", "texlive-lang-german", _GERMAN),
    "de-CH": Language("ngerman", ".", "texlive-lang-german", _GERMAN),
    "es": Language("spanish", ",", "texlive-lang-spanish", {
        "and": "y", "or": "o", "not": "no", "in": "en", "not in": "no en", "yes": "sí",
        "true": "verdadero", "false": "falso", "none": "ninguno", "items": "elementos", "min": "mín",
        "max": "máx", "percentage point": "punto porcentual", "percentage points": "puntos porcentuales",
        "holds": "se cumple", "measured": "medido", "refuted": "refutado",
        "Section": "Apartado", "Sections": "Apartados", "Appendix": "Apéndice", "Appendices": "Apéndices",
        "Figure": "Figura", "Figures": "Figuras", "Table": "Cuadro", "Tables": "Cuadros",
        "Equation": "Ecuación", "Equations": "Ecuaciones", "References": "Referencias",
        "{} to {}": "{} a {}", "{}, and {}": "{} y {}",
    }),
    "fr": Language("french", ",", "texlive-lang-french", {
        "and": "et", "or": "ou", "not": "non", "in": "dans", "not in": "pas dans", "yes": "oui", "no": "non",
        "true": "vrai", "false": "faux", "none": "aucun", "items": "éléments",
        "percentage point": "point de pourcentage", "percentage points": "points de pourcentage",
        "holds": "vérifié", "measured": "mesuré", "refuted": "réfuté",
        "Appendix": "Annexe", "Appendices": "Annexes", "Table": "Tableau", "Tables": "Tableaux",
        "Equation": "Équation", "Equations": "Équations", "References": "Références",
        "{} to {}": "{} à {}", "{}, and {}": "{}, et {}",
    }, zero_is_one=True),
    "it": Language("italian", ",", "texlive-lang-italian", {
        "and": "e", "or": "o", "not": "non", "not in": "non in", "yes": "sì", "no": "no",
        "true": "vero", "false": "falso", "none": "nessuno", "items": "elementi",
        "percentage point": "punto percentuale", "percentage points": "punti percentuali",
        "holds": "vale", "measured": "misurato", "refuted": "confutato",
        "Section": "Sezione", "Sections": "Sezioni", "Appendix": "Appendice", "Appendices": "Appendici",
        "Figure": "Figura", "Figures": "Figure", "Table": "Tabella", "Tables": "Tabelle",
        "Equation": "Equazione", "Equations": "Equazioni", "References": "Riferimenti bibliografici",
        "{} to {}": "da {} a {}", "{}, and {}": "{} e {}",
    }),
}  # fmt: skip


def look_up(tag: str) -> Language:
    """The language of a tag such as de or de-AT.

    Raises:
        InputError: the engine does not know it.
    """
    found = LANGUAGES.get(tag) or LANGUAGES.get(tag.partition("-")[0])
    if found is None:
        raise InputError(
            f"the engine does not know the language '{tag}'; {did_you_mean(tag, LANGUAGES)}"
            f"it knows {', '.join(LANGUAGES)}, with any country, as in en-GB",
            key="report.language",
        )
    return found
