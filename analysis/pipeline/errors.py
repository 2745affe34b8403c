"""The one error that a person using Workings is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Something that the user can mend: a config value, a data file, a template, the machine.

    The message says what is wrong and what would be right. `key` is the dotted config key
    (``occlusion.patch``), when there is one; the runner adds the file and line it stands in.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key
