"""The options of ``twistd resp`` and ``resp-server``, and the service that they describe."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.internet.endpoints import (
    serverFromString,
)
from twisted.python import usage

from twisted_resp.protocol import RespFactory
from twisted_resp.server.configuration import fit_open_files
from twisted_resp.server.parameter_kinds import SavePoints
from twisted_resp.service import RespService

__all__ = ["Options", "makeService", "make_service"]

# Connections that may wait to be accepted, as Redis has it. With Twisted's 50 a burst of connections overflows the
# queue, and who falls out tries again a second later.
_BACKLOG = 511


def _whole_number(option: str, least: int, most: int) -> Any:
    def convert(text: str) -> int:
        if not text.strip().isdigit() or not least <= int(text) <= most:
            raise ValueError(f"--{option} must be a whole number from {least} to {most}")
        return int(text)

    return convert


def _octal(text: str) -> str:
    if not re.fullmatch("[0-7]{1,4}", text):
        raise ValueError("--unix-mode must be octal, such as 700")
    return text


def _save_points(text: str) -> tuple[tuple[int, int], ...]:
    try:
        return SavePoints().parse(text.encode().split() or [b""])
    except ValueError:
        raise ValueError("--save must be pairs of whole numbers, seconds and changes") from None


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError("--appendonly must be yes or no")
    return text.lower() == "yes"


def _fsync_policy(text: str) -> str:
    if text.lower() not in ("always", "everysec", "no"):
        raise ValueError("--appendfsync must be always, everysec or no")
    return text.lower()


class Options(usage.Options):
    """What an operator may say."""

    synopsis = "[options]"
    longdesc = "A Redis-compatible server. Without options it listens on 127.0.0.1:6379."

    optParameters: ClassVar[list[list[Any]]] = [
        ["port", "p", 6379, "TCP port; 0 for any free one.", _whole_number("port", 0, 65535)],
        ["unix", None, None, "Also listen on a unix socket of this path."],
        ["unix-mode", None, "700", "Permissions of the unix socket, in octal.", _octal],
        ["tls-port", None, None, "Also listen on this port for TLS.", _whole_number("tls-port", 0, 65535)],
        ["tls-cert", None, None, "The certificate (PEM) for --tls-port."],
        ["tls-key", None, None, "Its private key (PEM)."],
        ["databases", None, 16, "How many databases there are.", _whole_number("databases", 1, 2**31 - 1)],
        ["password", None, "", "What clients must AUTH with."],
        ["dir", None, ".", "The directory of files."],
        ["dbfilename", None, "dump.rdb", "The name of the snapshot in it, which is loaded at the start."],
        [
            "save",
            None,
            "",
            "Save points: seconds and changes, such as '3600 1 60 10000'. With any, it also saves when it is stopped.",
            _save_points,
        ],
        [
            "appendonly",
            None,
            "no",
            "Write all changes to a file, and load that at the start: yes or no.",
            _yes_or_no,
        ],
        [
            "export",
            None,
            None,
            "When stopped, write the data to this file; its name ends in the kind.",
        ],
        ["appendfsync", None, "everysec", "When to bring it to disk: always, everysec or no.", _fsync_policy],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-tcp", None, "Do not listen on --port (with --unix, --tls-port or --listen)."],
    ]
    compData = usage.Completions(
        optActions={
            "unix": usage.CompleteFiles(),
            "tls-cert": usage.CompleteFiles(),
            "dir": usage.CompleteDirs(),
        }
    )

    # Twisted left it untyped.
    parseOptions: Callable[..., None]

    def __init__(self) -> None:
        usage.Options.__init__(self)
        self["interfaces"] = []
        self["listen"] = []
        self["seeds"] = []

    def opt_interface(self, address: str) -> None:
        """Address to listen on, IPv4 or IPv6; may be given several times. Default 127.0.0.1; 0.0.0.0 for all."""
        self["interfaces"].append(address)

    opt_i = opt_interface

    def opt_listen(self, description: str) -> None:
        """Listen on an endpoint as Twisted describes them (tcp:6380, systemd:domain=INET:index=0, ...) instead of
        --port; may be given several times."""
        self["listen"].append(description)

    def opt_seed(self, path: str) -> None:
        """A file of data to start with: .json, .yaml, .rdb, .aof, or commands, a line each; may be given several
        times."""
        self["seeds"].append(path)

    def opt_version(self) -> None:
        """Print the version and exit."""
        from twisted_resp import __version__

        print(f"twisted-resp {__version__}")
        raise SystemExit(0)

    def parseArgs(self, *args: str) -> None:
        """There are none."""
        if args:
            raise usage.UsageError(f"Unexpected argument: {args[0]}")

    def postOptions(self) -> None:
        """Check what one option alone can't tell.

        :raises UsageError: with one clear line.
        """
        if self["tls-port"] is not None and not (self["tls-cert"] and self["tls-key"]):
            raise usage.UsageError("--tls-port needs --tls-cert and --tls-key")
        if self["tls-port"] is None and (self["tls-cert"] or self["tls-key"]):
            raise usage.UsageError("--tls-cert and --tls-key need --tls-port")
        if not os.path.isdir(self["dir"]):
            raise usage.UsageError(f"Can't chdir to '{self['dir']}': No such file or directory")
        if os.path.basename(self["dbfilename"]) != self["dbfilename"] or not self["dbfilename"]:
            raise usage.UsageError("dbfilename can't be a path, just a filename")
        self.endpoints()

    def endpoints(self) -> list[tuple[Any, str]]:
        """Where to listen, each with its name in error messages.

        :raises UsageError: an endpoint that makes no sense.
        """
        described: list[tuple[str, str]] = [(text, text) for text in self["listen"]]
        if not described and not self["no-tcp"]:
            for interface in self["interfaces"] or ["127.0.0.1"]:
                kind = "tcp6" if ":" in interface else "tcp"
                where = f"{interface}:{self['port']}" if self["interfaces"] else str(self["port"])
                described.append(
                    (
                        f"{kind}:{self['port']}:interface={_quoted(interface)}:backlog={_BACKLOG}",
                        f"port {where} (tcp)",
                    )
                )
        if self["unix"]:
            described.append(
                (
                    f"unix:{_quoted(self['unix'])}:mode={self['unix-mode']}:backlog={_BACKLOG}",
                    f"socket {self['unix']}",
                )
            )
        if self["tls-port"] is not None:
            for interface in self["interfaces"] or ["127.0.0.1"]:
                described.append(
                    (
                        f"ssl:{self['tls-port']}:privateKey={_quoted(self['tls-key'])}"
                        f":certKey={_quoted(self['tls-cert'])}:interface={_quoted(interface)}:backlog={_BACKLOG}",
                        f"port {self['tls-port']} (tls)",
                    )
                )
        if not described:
            raise usage.UsageError(
                "--no-tcp leaves nothing to listen on: give --unix, --tls-port or --listen"
            )
        return [(_endpoint(text), name) for text, name in described]


def _quoted(text: str) -> str:
    """Escape what means something in an endpoint's description."""
    return re.sub(r"([\\:=])", r"\\\1", text)


def _endpoint(description: str) -> Any:
    from twisted.internet import reactor

    try:
        return serverFromString(reactor, description)
    except ImportError:
        raise usage.UsageError(
            "TLS needs pyOpenSSL and service_identity: pip install 'twisted-resp[tls]'"
        ) from None
    except Exception as error:
        raise usage.UsageError(f"{description}: {str(error) or type(error).__name__}") from None


def make_service(options: Options, exit_on_error: bool = True) -> RespService:
    """The service that the options describe; see :class:`RespService` for ``exit_on_error``."""
    factory = RespFactory(databases=options["databases"], password=options["password"].encode())
    server = factory.server
    server.directory = os.path.abspath(options["dir"]).encode()
    server.dbfilename = options["dbfilename"].encode()
    server.saving.may_fork = True
    points = options["save"] or ()
    server.configuration[b"save"] = points
    server.saving.set_points(points)
    # usage.Options converts what it is given, not the defaults.
    server.configuration[b"appendonly"] = options["appendonly"] is True
    server.configuration[b"appendfsync"] = options["appendfsync"].encode()
    service = RespService(factory, options.endpoints(), exit_on_error, load=True)
    service.seeds = options["seeds"]
    service.export = options["export"]

    def stop() -> None:
        from twisted.internet import reactor

        if reactor.running:
            reactor.stop()

    server.on_shutdown = stop
    fit_open_files(server)
    _spare_the_collector()
    return service


def _spare_the_collector() -> None:
    """Let the garbage collector look less often: this process is ours, and what grows in it are data, not cycles.

    With CPython's defaults it walks the young containers every 700 allocations, which a server that is being filled
    feels (a microsecond and more for each XADD to a new stream).
    """
    if hasattr(gc, "freeze"):  # PyPy's collector is another one
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)


#: The name that the plugin machinery of twistd looks for.
def makeService(options: Options) -> IService:
    """The service for ``twistd resp``."""
    # A daemon's parent learns from an exception why its child could not start; in the foreground we say it ourselves.
    twistd: Any = options.parent
    return make_service(options, exit_on_error=twistd is None or bool(twistd.get("nodaemon")))
