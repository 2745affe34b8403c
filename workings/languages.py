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
    "Close": "Schließen", "Printed here as {}": "Hier gedruckt als {}", "By": "Durch",
    "not rounded": "nicht gerundet", "as it was printed elsewhere": "wie anderswo gedruckt", "digit": "Stelle",
    "digits": "Stellen", "rounded to {} after the point": "auf {} nach dem Komma gerundet",
    "rounded to {}": "auf {} gerundet",
    "rounded to {}, with a power of ten": "auf {} gerundet, mit einer Zehnerpotenz",
    "as a percentage, rounded to {} after the point": "in Prozent, auf {} nach dem Komma gerundet",
    "in percentage points, rounded to {} after the point": "in Prozentpunkten, auf {} nach dem Komma gerundet",
    "Over other seeds: mean {}, deviation ± {}, from {} to {}.": "Über andere Startwerte: Mittel {}, Abweichung ± {}, von {} bis {}.",
    "Chosen in": "Gewählt in", "Recorded by": "Gemessen in",
    "Configuration of the job": "Konfiguration des Schritts", "Inputs, SHA-256": "Eingaben, SHA-256",
    "Results, SHA-256": "Ergebnisse, SHA-256", "Changed since the commit: {}.": "Geändert seit dem Commit: {}.",
    "Also printed in": "Auch gedruckt in", "Its row in the ledger": "Seine Zeile im Verzeichnis",
    "what it rests on": "worauf sie beruht", "It would have said otherwise: {}": "Sonst stünde hier: {}",
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
        "Close": "Cerrar", "Printed here as {}": "Impreso aquí como {}", "By": "Por",
        "not rounded": "sin redondear", "as it was printed elsewhere": "como se imprimió en otra parte",
        "digit": "cifra", "digits": "cifras", "rounded to {} after the point": "redondeado a {} tras la coma",
        "rounded to {}": "redondeado a {}",
        "rounded to {}, with a power of ten": "redondeado a {}, con una potencia de diez",
        "as a percentage, rounded to {} after the point": "en porcentaje, redondeado a {} tras la coma",
        "in percentage points, rounded to {} after the point": "en puntos porcentuales, redondeado a {} tras la coma",
        "in {}": "en {}",
        "Over other seeds: mean {}, deviation ± {}, from {} to {}.": "Con otras semillas: media {}, desviación ± {}, de {} a {}.",
        "Chosen in": "Elegido en", "Recorded by": "Registrado por",
        "Configuration of the job": "Configuración del trabajo", "Inputs, SHA-256": "Entradas, SHA-256",
        "Results, SHA-256": "Resultados, SHA-256",
        "Changed since the commit: {}.": "Cambiado desde el commit: {}.",
        "Also printed in": "Impreso también en", "Its row in the ledger": "Su fila en el registro",
        "what it rests on": "en qué se basa", "It would have said otherwise: {}": "De lo contrario diría: {}",
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
        "Close": "Fermer", "Printed here as {}": "Imprimé ici comme {}", "By": "Par",
        "not rounded": "non arrondi", "as it was printed elsewhere": "comme imprimé ailleurs",
        "digit": "chiffre", "digits": "chiffres",
        "rounded to {} after the point": "arrondi à {} après la virgule", "rounded to {}": "arrondi à {}",
        "rounded to {}, with a power of ten": "arrondi à {}, avec une puissance de dix",
        "as a percentage, rounded to {} after the point": "en pourcentage, arrondi à {} après la virgule",
        "in percentage points, rounded to {} after the point": "en points de pourcentage, arrondi à {} après la virgule",
        "in {}": "en {}",
        "Over other seeds: mean {}, deviation ± {}, from {} to {}.": "Sur d’autres graines : moyenne {}, écart ± {}, de {} à {}.",
        "Chosen in": "Choisi dans", "Recorded by": "Enregistré par",
        "Configuration of the job": "Configuration de la tâche", "Inputs, SHA-256": "Entrées, SHA-256",
        "Results, SHA-256": "Résultats, SHA-256",
        "Changed since the commit: {}.": "Modifié depuis le commit : {}.",
        "Also printed in": "Imprimé aussi dans", "Its row in the ledger": "Sa ligne dans le registre",
        "what it rests on": "sur quoi elle repose",
        "It would have said otherwise: {}": "Sinon, il serait dit : {}",
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
        "Close": "Chiudi", "Printed here as {}": "Stampato qui come {}", "By": "Da",
        "not rounded": "non arrotondato", "as it was printed elsewhere": "come stampato altrove",
        "digit": "cifra", "digits": "cifre",
        "rounded to {} after the point": "arrotondato a {} dopo la virgola",
        "rounded to {}": "arrotondato a {}",
        "rounded to {}, with a power of ten": "arrotondato a {}, con una potenza di dieci",
        "as a percentage, rounded to {} after the point": "in percentuale, arrotondato a {} dopo la virgola",
        "in percentage points, rounded to {} after the point": "in punti percentuali, arrotondato a {} dopo la virgola",
        "Over other seeds: mean {}, deviation ± {}, from {} to {}.": "Con altri semi: media {}, deviazione ± {}, da {} a {}.",
        "Chosen in": "Scelto in", "Recorded by": "Registrato da",
        "Configuration of the job": "Configurazione del lavoro", "Inputs, SHA-256": "Ingressi, SHA-256",
        "Results, SHA-256": "Risultati, SHA-256", "Changed since the commit: {}.": "Modificato dal commit: {}.",
        "Also printed in": "Stampato anche in", "Its row in the ledger": "La sua riga nel registro",
        "what it rests on": "su che cosa si basa", "It would have said otherwise: {}": "Altrimenti direbbe: {}",
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
