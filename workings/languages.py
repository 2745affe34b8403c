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
# What stands with a report's first claim.
CLAIM = (
    "A bar marks a claim. Every build works out its condition, given here with the measured values, and "
    "stops if it fails; where it says measured, the values chose between two wordings."
)
_GERMAN = {
    "and": "und", "or": "oder", "yes": "ja", "no": "nein",
    "and that": "und das", "is less than": "ist kleiner als", "is at most": "ist höchstens",
    "is more than": "ist größer als", "is at least": "ist mindestens", "equals": "ist gleich",
    "is not": "ist nicht", "is among": "ist unter", "is not among": "ist nicht unter",
    "it is not so that": "es gilt nicht:", "the smallest": "am kleinsten:", "the largest": "am größten:",
    CLAIM: "Ein Balken kennzeichnet eine Behauptung. Jeder Bau prüft ihre Bedingung, die hier mit den gemessenen Werten steht, und hält an, wenn sie nicht gilt; wo „gemessen“ steht, haben die Werte zwischen zwei Fassungen gewählt.",
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
        "and": "y", "or": "o", "yes": "sí", "no": "no",
        "and that": "y eso", "is less than": "es menor que", "is at most": "es como máximo",
        "is more than": "es mayor que", "is at least": "es al menos", "equals": "es igual a",
        "is not": "no es", "is among": "está entre", "is not among": "no está entre",
        "it is not so that": "no es cierto que", "the smallest": "el menor:", "the largest": "el mayor:",
        CLAIM: "Una barra marca una afirmación. Cada construcción comprueba su condición, que figura aquí con los valores medidos, y se detiene si no se cumple; donde dice «medido», los valores eligieron entre dos redacciones.",
        "true": "verdadero", "false": "falso", "none": "ninguno", "items": "elementos",
        "percentage point": "punto porcentual", "percentage points": "puntos porcentuales",
        "holds": "se cumple", "measured": "medido", "refuted": "refutado",
        "Section": "Apartado", "Sections": "Apartados", "Appendix": "Apéndice", "Appendices": "Apéndices",
        "Figure": "Figura", "Figures": "Figuras", "Table": "Cuadro", "Tables": "Cuadros",
        "Equation": "Ecuación", "Equations": "Ecuaciones", "References": "Referencias",
        "{} to {}": "{} a {}", "{}, and {}": "{} y {}",
    }),
    "fr": Language("french", ",", "texlive-lang-french", {
        "and": "et", "or": "ou", "yes": "oui", "no": "non",
        "and that": "et cela", "is less than": "est inférieur à", "is at most": "est au plus",
        "is more than": "est supérieur à", "is at least": "est au moins", "equals": "est égal à",
        "is not": "n’est pas", "is among": "est parmi", "is not among": "n’est pas parmi",
        "it is not so that": "il n’est pas vrai que", "the smallest": "le plus petit :",
        "the largest": "le plus grand :",
        CLAIM: "Une barre marque une affirmation. Chaque construction vérifie sa condition, donnée ici avec les valeurs mesurées, et s’arrête si elle est fausse ; là où il est dit « mesuré », les valeurs ont choisi entre deux formulations.",
        "true": "vrai", "false": "faux", "none": "aucun", "items": "éléments",
        "percentage point": "point de pourcentage", "percentage points": "points de pourcentage",
        "holds": "vérifié", "measured": "mesuré", "refuted": "réfuté",
        "Appendix": "Annexe", "Appendices": "Annexes", "Table": "Tableau", "Tables": "Tableaux",
        "Equation": "Équation", "Equations": "Équations", "References": "Références",
        "{} to {}": "{} à {}", "{}, and {}": "{}, et {}",
    }, zero_is_one=True),
    "it": Language("italian", ",", "texlive-lang-italian", {
        "and": "e", "or": "o", "yes": "sì", "no": "no",
        "and that": "e questo", "is less than": "è minore di", "is at most": "è al massimo",
        "is more than": "è maggiore di", "is at least": "è almeno", "equals": "è uguale a",
        "is not": "non è", "is among": "è tra", "is not among": "non è tra",
        "it is not so that": "non è vero che", "the smallest": "il minore:", "the largest": "il maggiore:",
        CLAIM: "Una barra segna un’affermazione. Ogni costruzione verifica la sua condizione, data qui con i valori misurati, e si ferma se non vale; dove dice «misurato», i valori hanno scelto fra due formulazioni.",
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
