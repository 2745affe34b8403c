"""A job writes only for the build that is going on in its folder.

On one machine a job ends with its build (`lock`). A job on another machine, or one that waits in a queue,
cannot see that its build was killed. So every build writes a word of its own into `build/.build` and hands it
to its jobs, and a job that finds another word there ends and puts nothing in place. All that is asked of a
shared file system is that a file which was replaced is soon read anew, and that a rename is whole.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

from workings.build.files import write_whole
from workings.messages import InputError

PLACE = Path("build/.build")
PAUSE = 1.0  # seconds between two looks of a job


def begin_build() -> None:
    """This build is now the one in this folder; jobs of any other are refused."""
    word = f"{socket.gethostname()} {os.getpid()} {time.time_ns()}"
    write_whole(PLACE, word)
    os.environ["WORKINGS_WORD"] = word


def begin_submitted() -> None:
    """This process is the Snakemake that a cluster started for one job.

    Raises:
        InputError: the build that sent it is over.
    """
    hold()
    os.environ["WORKINGS_BUILD"] = str(os.getpid())  # with which the job here ends
    os.environ["WORKINGS_BEGAN"] = "0"  # clocks of machines differ, so all code is compared
    os.environ["WORKINGS_SUBMITTED"] = "1"


def is_submitted() -> bool:
    """Whether this job runs where its build cannot see it."""
    return "WORKINGS_SUBMITTED" in os.environ


def begin_job() -> None:
    """End with the Snakemake that started this job, and with its build.

    Raises:
        InputError: the build is over.
    """
    hold()
    above = int(os.environ["WORKINGS_BUILD"])
    threading.Thread(target=_end_with, args=(above,), daemon=True).start()


def hold() -> None:
    """Go on only for the build that is going on.

    Raises:
        InputError: it is another one.
    """
    if is_over():
        host, process, _ = PLACE.read_text(encoding="utf-8").split()
        raise InputError(
            f"another build has begun in this folder since ({host}, process {process}); "
            "this job was for an earlier one, and wrote nothing"
        )


def is_over() -> bool:
    """Whether another build has begun since; where nobody says so, none has."""
    try:
        now = PLACE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return os.environ.get("WORKINGS_WORD", now) != now


def _end_with(above: int) -> None:
    while not is_over():
        try:
            os.kill(above, 0)
        except ProcessLookupError:
            break
        time.sleep(PAUSE)
    os._exit(1)
