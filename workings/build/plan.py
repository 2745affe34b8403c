"""The plan of one job: all that its run needs to know, in a file that its hash names.

Snakemake asks for a rule's params before it runs a job; then the plan is written, and its hash is
the one word on the command line. So a failing job prints a message and not its whole fingerprint,
and the hash tells whether a kept result is the one that is wanted now.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from workings.build.files import write_whole
from workings.messages import InputError

FOLDER = Path(".snakemake/workings/plans")
SENT = "sent"  # the folder in it that says which plan goes with which output


@dataclass(frozen=True)
class Plan:
    """What a job is given.

    Args:
        label: the job's name for people, with the section or the seed where it has one.
        module: the module whose `main` does the work.
        inputs: paths by their names in the rule.
        outputs: a path for each name.
        config: the blocks of the configuration that it is given.
        fingerprint: what its result depends on besides the inputs, a line each.
        document: the class of the document that its figures are drawn for; empty where it draws none.
    """

    label: str
    module: str
    inputs: Mapping[str, str | list[str]]
    outputs: Mapping[str, str]
    config: Mapping[str, Any]
    fingerprint: list[str]
    document: str = ""

    @property
    def hash(self) -> str:
        return hashlib.sha256(self._text().encode()).hexdigest()[:16]

    def write(self) -> str:
        """Put it where `read` finds it; its hash."""
        path = FOLDER / f"{self.hash}.json"
        if not path.exists():
            write_whole(path, self._text())
        return self.hash

    def send(self, command: str) -> str:
        """Leave what the shell line says where a job on another machine finds it (`sent`)."""
        if sent(self.outputs) != command:
            write_whole(_sent(self.outputs), command)
        return command

    def _text(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=False)


def read(name: str) -> Plan:
    """The plan with this hash.

    Raises:
        InputError: there is none: only a build writes plans.
    """
    path = FOLDER / f"{name}.json"
    try:
        return Plan(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such plan; a job is started by snakemake") from None


def sent(outputs: Mapping[str, str]) -> str | None:
    """What the machine that submits jobs says on the shell line of the job with these outputs."""
    try:
        return _sent(outputs).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _sent(outputs: Mapping[str, str]) -> Path:
    return FOLDER / SENT / quote(next(iter(outputs.values())), safe="")


def forget() -> None:
    """Remove the plans of earlier builds."""
    shutil.rmtree(FOLDER, ignore_errors=True)
