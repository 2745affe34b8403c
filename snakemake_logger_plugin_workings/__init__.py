"""Snakemake finds this by its name, and uses it where a profile says `logger: workings`.

It shows a build as the engine does from its first moment on, and reads the files of `--configfile` as the
engine does: Snakemake by itself would run code that is in them.
"""

from __future__ import annotations

from snakemake.settings import types

from workings import config, terminal


class LogHandler(terminal.LogHandler):
    def __post_init__(self) -> None:
        super().__post_init__()
        types.load_configfile = config.read_yaml
