"""The options of ``twistd resp`` and ``resp-server``, and the service that they describe.

Whatever Redis reads from a configuration file may be said here as well, in Redis's way (``--maxmemory 100mb``); it is
handed on, line by line, to :mod:`twisted_resp.server.configuration_file`. What is declared below are options of our
own, and some of Redis's for the sake of ``--help``.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from twisted.application.service import IService
from twisted.internet.endpoints import (
    serverFromString,
)
from twisted.logger import Logger
from twisted.python import usage

from twisted_resp.listening import Listeners
from twisted_resp.process import may_give_up, take_signals
from twisted_resp.protocol import RespFactory
from twisted_resp.server.affinity import run_on
from twisted_resp.server.configuration import fit_open_files
from twisted_resp.server.configuration_file import (
    ConfigurationError,
    load_configuration,
    options_as_lines,
)
from twisted_resp.server.flavour import FLAVOURS, flavour_named
from twisted_resp.service import RespService
from twisted_resp.supervision import accept_supervision, announce, show_title
from twisted_resp.text.command_line import quote

__all__ = ["Options", "makeService", "make_service"]

_log = Logger()

#: Redis's own options that --help shows.
_REDIS: Final = ("port", "tls-port", "databases", "dir", "dbfilename", "save", "appendonly", "appendfsync")


def _octal(text: str) -> str:
    if not re.fullmatch("[0-7]{1,4}", text):
        raise ValueError("--unix-mode must be octal, such as 700")
    return text


def _flavour(name: str) -> str:
    return flavour_named(name).name


class Options(usage.Options):
    """What an operator may say."""

    synopsis = "[CONFIG-FILE] [options] [--DIRECTIVE VALUE ...]"
    longdesc = (
        "A Redis-compatible server. Without a configuration file it listens on 127.0.0.1:6379. Any directive of a "
        "redis.conf may be given as an option: --maxmemory 100mb."
    )

    optParameters: ClassVar[list[list[Any]]] = [
        ["config", "c", None, "A redis.conf; - for standard input."],
        ["port", "p", None, "TCP port, 6379 unless told; without a configuration file 0 is any free one."],
        ["unix", None, None, "Also listen on a unix socket of this path."],
        ["unix-mode", None, "700", "Permissions of the unix socket, in octal.", _octal],
        ["tls-port", None, None, "Also listen on this port for TLS."],
        ["tls-cert", None, None, "The certificate (PEM) for --tls-port."],
        ["tls-key", None, None, "Its private key (PEM)."],
        [
            "emulate",
            None,
            "",
            f"Pass for another server, and refuse what it lacks: {', '.join(FLAVOURS)}.",
            _flavour,
        ],
        ["databases", None, None, "How many databases there are; 16 unless told."],
        ["password", None, None, "What clients must AUTH with."],
        ["dir", None, None, "The directory of files; the current one unless told."],
        ["dbfilename", None, None, "The name of the snapshot in it, dump.rdb, which is loaded at the start."],
        [
            "save",
            None,
            None,
            "Save points: seconds and changes, such as '3600 1 60 10000'. With any, it also saves when it is stopped.",
        ],
        [
            "appendonly",
            None,
            None,
            "Write all changes to a file, and load that at the start: yes or no.",
        ],
        [
            "export",
            None,
            None,
            "When stopped, write the data to this file; its name ends in the kind.",
        ],
        ["appendfsync", None, None, "When to bring it to disk: always, everysec or no."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-tcp", None, "Do not listen on --port (with --unix, --tls-port or --listen)."],
    ]
    compData = usage.Completions(
        optActions={
            "config": usage.CompleteFiles(),
            "unix": usage.CompleteFiles(),
            "tls-cert": usage.CompleteFiles(),
            "dir": usage.CompleteDirs(),
        }
    )

    def __init__(self) -> None:
        usage.Options.__init__(self)
        self["interfaces"] = []
        self["listen"] = []
        self["seeds"] = []
        #: What was said in Redis's way, as words of a command line.
        self.directives: list[str] = []
        self.from_stdin = False

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

    opt_v = opt_version

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take out what is said in Redis's way; the rest is for Twisted.

        :raises UsageError: with one clear line.
        """
        words = list(options or ())
        path = words.pop(0) if words and not words[0].startswith("-") else None
        ours: list[str] = []
        while words:
            word = words.pop(0)
            if word == "-":
                self.from_stdin = True
            elif self._is_ours(word) or (path is None and not word.startswith("--")):
                ours.append(word)
                if words and self._takes_value(word):
                    ours.append(words.pop(0))
            else:
                self.directives.append(word)
                # Its first value may look like anything, as in Redis; those after it may not.
                inline = len(word.split()) > 1 or "=" in word or not word.startswith("--")
                bare_save = word.lower() == "--save" and (not words or words[0].startswith("--"))
                if words and not inline and not bare_save:
                    self.directives.append(words.pop(0))
                while words and not inline and not words[0].startswith("-"):
                    self.directives.append(words.pop(0))
        parse: Callable[[list[str]], None] = super().parseOptions  # Twisted left it untyped
        parse(ours)
        if path is not None:
            if self["config"] is not None:
                raise usage.UsageError(f"Unexpected argument: {path}")
            self["config"] = path

    def parseArgs(self, *args: str) -> None:
        """There are none but the configuration file, which comes first."""
        if args:
            raise usage.UsageError(f"Unexpected argument: {args[0]}")

    def postOptions(self) -> None:
        """Check what one option alone can't tell.

        :raises UsageError: with one clear line.
        """
        if self["config"] == "-":
            self["config"], self.from_stdin = None, True
        # By a short form.
        for name in _REDIS:
            if self[name] is not None:
                self.directives += [f"--{name}", self[name]]
        self.endpoints()
        elsewhere = any(
            word.partition("=")[0].split()[0] in ("--unixsocket", "--tls-port", "--port")
            for word in self.directives
            if word.startswith("--") and word.strip("-")
        )
        if self["no-tcp"] and not (self["unix"] or self["listen"] or self["config"] or elsewhere):
            raise usage.UsageError(
                "--no-tcp leaves nothing to listen on: give --unix, --tls-port or --listen"
            )

    @property
    def any_port(self) -> frozenset[bytes]:
        """Which of ``port`` and ``tls-port`` take a free port where they are 0.

        None with a configuration file, and with ``--unixsocket``: who asks in Redis's way for a socket and port 0
        wants no TCP, as there.
        """
        if self["config"] is not None:
            return frozenset()
        given = {word.partition("=")[0].split()[0] for word in self.directives if word.startswith("--")}
        if "--unixsocket" in given:
            return frozenset()
        return frozenset(name.encode() for name in ("port", "tls-port") if f"--{name}" in given)

    def lines(self) -> bytes:
        """All that was said, as lines of a configuration file."""
        first: list[bytes] = []
        last: list[bytes] = []
        if self["interfaces"]:
            first.append(b"bind " + b" ".join(_quoted(address) for address in self["interfaces"]))
        elif self["config"] is None and not self.from_stdin:
            first.append(b"bind 127.0.0.1")
        if self["unix"] is not None:
            first += [b"unixsocket " + _quoted(self["unix"]), b"unixsocketperm " + self["unix-mode"].encode()]
        if self["tls-cert"] is not None or self["tls-key"] is not None:
            first += [
                b"tls-cert-file " + _quoted(self["tls-cert"] or ""),
                b"tls-key-file " + _quoted(self["tls-key"] or ""),
                b"tls-auth-clients no",
            ]
        if self["password"] is not None:
            first.append(b"requirepass " + _quoted(self["password"]))
        if self["no-tcp"] or self["listen"]:
            last.append(b"port 0")
        said = options_as_lines(self.directives)
        return b"".join(line + b"\n" for line in first) + said + b"".join(line + b"\n" for line in last)

    def endpoints(self) -> list[tuple[Any, str]]:
        """What ``--listen`` describes, each with its name in error messages.

        :raises UsageError: an endpoint that makes no sense.
        """
        return [(_endpoint(text), text) for text in self["listen"]]

    def _is_ours(self, word: str) -> bool:
        """Whether Twisted is to look at it: a short option, or one of our own. All other names are for Redis."""
        if not word.startswith("--"):
            return word.startswith("-")
        name = word[2:].partition("=")[0]
        return name not in _REDIS and (name in self.longOpt or f"{name}=" in self.longOpt)

    def _takes_value(self, word: str) -> bool:
        if word.startswith("--"):
            return "=" not in word and f"{word[2:]}=" in self.longOpt
        # -p 7000, but not -p7000
        return len(word) == 2 and f"{word[1:]}:" in self.shortOpt


def _quoted(text: str) -> bytes:
    return quote(text.encode("utf-8", "surrogateescape"))


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


def make_service(options: Options, exit_on_error: bool = True, own_process: bool = False) -> RespService:
    """The service that the options describe.

    :param exit_on_error: see :class:`RespService`.
    :param own_process: whether the working directory is ours to change.
    :raises ConfigurationError: a directive that will not do.
    """
    from twisted.internet import reactor

    factory = RespFactory(emulate=options["emulate"])
    server = factory.server
    configuration = server.configuration
    configuration.changes_directory = own_process
    server.saving.may_fork = True
    may_give_up(server)
    load_configuration(server, options["config"] or "", options.lines(), options.from_stdin)
    listeners = Listeners(factory, reactor, options.any_port)
    service = RespService(factory, options.endpoints(), exit_on_error, load=True, listeners=listeners)
    service.seeds = options["seeds"]
    service.export = options["export"]

    def stop() -> None:
        if reactor.running:
            reactor.stop()

    server.on_shutdown = stop
    fit_open_files(server)
    for name in configuration.without_effect():
        _log.warn("The setting {name} is accepted, but has no effect here.", name=name.decode())
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
    try:
        service = make_service(options, exit_on_error=twistd is None or bool(twistd.get("nodaemon")))
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    from twisted.internet import reactor

    server = service.factory.server

    def listening() -> None:
        server.pid = os.getpid()  # twistd may have gone into the background since
        accept_supervision(server)
        if twistd is not None:  # else the process is that of an application, of which this is a part
            show_title(server)
            take_signals(server, reactor)

    service.on_listening = listening

    def ready() -> None:
        announce(server)
        if twistd is not None:
            run_on(server.configuration[b"server-cpulist"])

    service.on_ready = ready
    return service
