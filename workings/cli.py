"""The command `workings`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from pathlib import Path

from workings.messages import InputError

COMMANDS = ("new", "tex", "watch", "lint", "explain", "diff", "reproduce")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code is 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="workings",
        description="Reports in which every number is measured, every claim checked and every value traced.",
        epilog="In a report, `snakemake --cores 4` builds it. `workings COMMAND --help` says more.",
    )
    version = importlib.metadata.version("workings")
    parser.add_argument("--version", action="version", version=f"workings {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"workings.commands.{name}")
        first, _, rest = module.__doc__.partition("\n\n")
        command = commands.add_parser(
            name,
            help=first.rstrip("."),
            description=f"{first}\n\n{rest}".strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
        if command.get_default("options") is not None:
            command.usage = f"{command.format_usage().removeprefix('usage: ').strip()} [OPTION ...]"
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 where it was closed
    sys.stdout.reconfigure(errors="replace")  # of a terminal that has not all letters
    given, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(given, "options"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    given.options = rest
    try:
        status = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on: `workings lint | head -1`
        _say_no_more()
        return 0
    except KeyboardInterrupt:
        return 130
    except (InputError, OSError) as error:  # the machine's own words: a full disk, no permission
        print(f"workings: {error}", file=sys.stderr)
        if isinstance(error, OSError):
            _say_no_more()
        return 2
    return status


def _say_no_more() -> None:
    """What is left to be printed cannot be, and Python is not to try it again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
