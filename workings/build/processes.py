"""Programs that end with the job that started them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from workings.build.lock import job_locks


def run(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run a program and all that it starts; they end with this process, even if that is killed.

    They share a process group with a guard, a shell that waits for the pipe from this process to
    break and then ends the group.
    """
    guard = subprocess.Popen(
        ["sh", "-c", "read _; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
    )
    try:
        return subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace",
            process_group=guard.pid, pass_fds=job_locks(),
        )  # fmt: skip
    finally:
        os.killpg(guard.pid, signal.SIGKILL)
        guard.communicate()
