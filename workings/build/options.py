"""The options of Snakemake that would have old results believed are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workings.messages import InputError

REFUSED = (
    *("--touch", "--rerun-triggers", "--allowed-rules", "--consider-ancient"),
    *("--ignore-incomplete", "--ii", "--trust-io-cache", "--cache"),
)
ONCE = ("--configfile", "--configfiles", "--config", "-C")


def check(words: Sequence[str]) -> None:
    """Hold the words of a command line against what a build can keep to.

    Raises:
        InputError: one of them is refused.
    """
    given = [word.partition("=")[0] for word in words]
    for word in given:
        short = re.fullmatch(r"-[nkpqFft]*t[nkpqFft]*", word)  # together with other short options
        if short or any(len(word) > 3 and option.startswith(word) for option in REFUSED):
            raise InputError(
                f"{word}: refused: an old result could pass as one of this configuration. Leave it "
                "out: only what must run does, and --forceall or --forcerun computes anew"
            )
    for option in ONCE:
        if given.count(option) > 1:
            raise InputError(
                f"{option}: given twice, of which Snakemake takes only the last; "
                f"write everything after one {option}"
            )
