"""The command line of the tools that look at files: ``--check-rdb`` and ``--check-aof``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from twisted_resp.persistence.check_append_only import check_append_only
from twisted_resp.persistence.check_rdb import check_rdb

__all__ = ["run_tool"]

_RDB_USAGE = "Usage: resp-server --check-rdb <rdb-file-name>"
_AOF_USAGE = (
    "Usage: resp-server --check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
)


def run_tool(argv: Sequence[str]) -> int | None:
    """Do what the command line asks for.

    :param argv: the arguments of ``resp-server``.
    :returns: the status to exit with; None where the first argument names no tool.
    """
    tools = {"--check-rdb": _check_rdb, "--check-aof": _check_aof}
    return tools[argv[0]](list(argv[1:])) if argv and argv[0] in tools else None


def _check_rdb(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("--"):
        sys.stderr.write(_RDB_USAGE + "\n")
        return 1
    return check_rdb(arguments[0])


def _check_aof(arguments: list[str]) -> int:
    fix = False
    until: int | None = None
    if arguments[:1] == ["--fix"]:
        fix = True
        del arguments[:1]
    elif arguments[:1] == ["--truncate-to-timestamp"] and len(arguments) > 1:
        if not arguments[1].isdigit() or not int(arguments[1]):
            sys.stderr.write("Invalid timestamp, aborting...\n")
            return 1
        until = int(arguments[1])
        del arguments[:2]
    if len(arguments) != 1 or arguments[0].startswith("--"):
        sys.stderr.write(_AOF_USAGE + "\n")
        return 1
    return check_append_only(arguments[0], fix, until, partial(print, flush=True))
