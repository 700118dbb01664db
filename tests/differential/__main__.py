"""Compare a server with a redis-server on random commands.

    python -m tests.differential --commands 200000 --seed 1

starts a server of this checkout and a redis-server, both on free ports, asks both the same and prints what is answered
differently. The same seed asks the same. Ends with status 1 where anything differed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.conftest import free_port
from tests.differential.judge import equal
from tests.differential.runner import Runner
from tests.differential.scripts import script
from tests.differential.wire import Connection, Item


@contextmanager
def _process(command: list[str], port: int) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--dir", directory], stdout=subprocess.DEVNULL
        )
        try:
            connection = _connected(process, port)
            yield connection
            connection.close()
        finally:
            process.kill()
            process.wait()


def _connected(process: subprocess.Popen[bytes], port: int) -> Connection:
    """Wait until a server listens."""
    for _ in range(200):
        time.sleep(0.1)
        try:
            return Connection("127.0.0.1", port)
        except OSError:
            if process.poll() is not None:
                break
    raise SystemExit(f"{process.args!r} does not listen: {process.poll()}")


def shortened(reply: Item, other: Item) -> str:
    """A reply without what is the same in the other one."""
    if isinstance(reply.value, list) and isinstance(other.value, list):
        if len(reply.value) != len(other.value):
            return f"{len(reply.value)} items: {[item.value for item in reply.value]}"[:1000]
        places = [place for place, item in enumerate(reply.value) if not equal(item, other.value[place], 0)]
        if not places:  # but for the order, or what was measured
            return f"{reply.value}"[:1000]
        return f"... [{places[0]}] {shortened(reply.value[places[0]], other.value[places[0]])}"
    return f"{reply.mark.decode()} {reply.value!r}"[:1000]


# Where objects are in memory; and a word that has changed since.
_CHANGED = re.compile(rb"0x[0-9a-f]+|\(nil\)|(log|debug)(?= level)|(one|two) arguments?|-(?=nan)")


def alike(mine: Item, other: Item) -> bool:
    """Whether two replies say the same: a double may have another number of digits."""
    if mine.mark != other.mark or mine.value == other.value:
        return mine == other
    if isinstance(mine.value, list) and isinstance(other.value, list):
        return len(mine.value) == len(other.value) and all(map(alike, mine.value, other.value))
    try:
        if float(mine.value) == float(other.value):
            return b"." in mine.value or b"e" in other.value
    except (TypeError, ValueError):
        pass
    return isinstance(mine.value, bytes) and _CHANGED.sub(b"", mine.value) == _CHANGED.sub(b"", other.value)


def told(reply: Item) -> str:
    """A reply for people."""
    try:
        return str(reply)[:2000]
    except RecursionError:
        return f"{len(reply.value)} items, and very deep ones"


def compare_scripts(ours: Connection, theirs: Connection, options: argparse.Namespace) -> int:
    """Run random scripts on both servers.

    What differs by design: since 7.2 doubles have the fewest digits.
    """
    sys.setrecursionlimit(20_000)  # for replies as deep as that
    for server in (ours, theirs):
        server.ask(b"HELLO", b"%d" % options.protocol)
    random, found = Random(options.seed), 0
    for number in range(options.commands):
        if number % 50 == 0:
            for server in (ours, theirs):
                server.ask(b"FLUSHALL")
                # Settings of cjson stay, too.
                server.ask(b"SCRIPT", b"FLUSH", b"SYNC")
        text, arguments = script(random)
        try:
            mine, other = (server.ask(b"EVAL", text, *arguments) for server in (ours, theirs))
        except (OSError, EOFError) as error:
            raise RuntimeError(f"no reply to {text!r} {arguments}") from error
        if not alike(mine, other):
            found += 1
            print(text, arguments, f"  ours:   {told(mine)}", f"  theirs: {told(other)}", sep="\n")
            if found >= options.most:
                break
    print(f"{number + 1} scripts, {found} differences")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--commands", type=int, default=100_000, help="how many to ask (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="where chance begins (default: %(default)s)")
    parser.add_argument(
        "--protocol", type=int, choices=(2, 3), default=2, help="RESP version (default: %(default)s)"
    )
    parser.add_argument(
        "--groups", nargs="*", default=[], help="groups of commands, as COMMAND DOCS names them"
    )
    parser.add_argument(
        "--check",
        type=int,
        default=2000,
        help="compare all keys after so many commands (default: %(default)s)",
    )
    parser.add_argument(
        "--most", type=int, default=20, help="stop after so many differences (default: %(default)s)"
    )
    parser.add_argument("--scripts", action="store_true", help="ask random Lua instead of commands")
    options = parser.parse_args()
    program = shutil.which("redis-server")
    if program is None:
        parser.error("redis-server is not installed")
    redis = [program, "--save", "", "--enable-debug-command", "local"]
    with (
        _process([sys.executable, "-m", "twisted_resp"], free_port()) as ours,
        _process(redis, free_port()) as theirs,
    ):
        if options.scripts:
            return compare_scripts(ours, theirs, options)
        runner = Runner(ours, theirs, options.seed, options.protocol, tuple(options.groups))
        runner.check_every = options.check
        found = 0
        for difference in runner.run(
            options.commands, lambda done: print(f"\r{done}", end="", file=sys.stderr)
        ):
            found += 1
            print("\n", *difference.words[:40], sep=" ")
            print("  ours:  ", shortened(difference.ours, difference.theirs))
            print("  theirs:", shortened(difference.theirs, difference.ours))
            named = set(difference.words[1:])
            for words in difference.before:
                if named & set(words[1:]) and len(words) < 30:
                    print("    after:", words)
            if found >= options.most:
                break
    print(f"\n{sum(runner.asked.values())} commands, {runner.errors} of them errors, {found} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
