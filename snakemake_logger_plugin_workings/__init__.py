"""Lets Snakemake find the engine's terminal output, as `logger: [workings]` in a profile."""

from workings.terminal import LogHandler

__all__ = ["LogHandler"]
