"""The configuration of one server: what CONFIG GET and CONFIG SET, and whoever starts it, read and change.

The parameters are declared in :mod:`~twisted_resp.server.parameters`. Most of them are either an attribute of
the living server or merely kept here. The few whose change has consequences beyond an assignment are found at
the end of this file.

CONFIG SET is all or nothing: every value is read first, then all are assigned, then the consequences follow,
and where one fails the former values come back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from twisted_resp.errors import SYNTAX, CommandError
from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.keyspace import TOUCH_LFU, TOUCH_LRU
from twisted_resp.server.flavour import later_parameters
from twisted_resp.server.parameters import HIDDEN, IMMUTABLE, INERT, PARAMETERS, PROTECTED, Parameter
from twisted_resp.text.glob import compile_glob
from twisted_resp.text.template import expand

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["Configuration", "fit_open_files", "parameter_named"]

_BY_NAME: Final[dict[bytes, Parameter]] = {
    **{parameter.name: parameter for parameter in PARAMETERS},
    **{parameter.alias: parameter for parameter in PARAMETERS if parameter.alias},
}
_PATTERN: Final = frozenset(b"*?[")
_MOST_FILES_OF_OUR_OWN: Final = 32
#: What holds where there is a configuration file.
_REDIS_DEFAULTS: Final[Mapping[bytes, Any]] = {
    b"save": ((3600, 1), (300, 100), (60, 10000)),
    b"bind": (b"*", b"-::*"),
}
_LEAST_BACKLOG: Final = 16 * 1024


def parameter_named(name: bytes) -> Parameter | None:
    """A parameter by its name, or a former one of it, in lower case."""
    return _BY_NAME.get(name)


class Configuration:
    """The parameters of one server.

    ``configuration[b"maxmemory"]`` is the value of a parameter, in the form that its kind gives it (an int of
    bytes). Assigning is for whoever starts the server, to tell what is so already: there are no checks and no
    consequences.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        later = later_parameters(server.flavour)
        #: What can be asked for and set.
        self._known: Mapping[bytes, Parameter] = _BY_NAME
        if later:
            self._known = {name: parameter for name, parameter in _BY_NAME.items() if name not in later}
        self._kept: dict[bytes, Any] = {
            parameter.name: parameter.default for parameter in PARAMETERS if not parameter.bound
        }
        self._kept[b"databases"] = len(server.keyspace.databases)
        #: How often CONFIG SET has changed something: whoever keeps a copy sees by it whether that still holds.
        self.revision = 0
        self._touched: set[bytes] = set()
        #: The configuration file that the server was started with (an absolute path), or empty.
        self.path = b""
        #: Whether the process is the server's own, so that ``dir`` is its working directory, as in Redis.
        self.changes_directory = False
        #: What listens for clients, where that can be told to listen elsewhere (CONFIG SET port).
        self.relisten: Callable[[bytes], None] | None = None
        self._read_so_far: set[bytes] = set()

    def __getitem__(self, name: bytes) -> Any:
        return self._value(_BY_NAME[name])

    def __setitem__(self, name: bytes, value: Any) -> None:
        self._assign(_BY_NAME[name], value)

    def use_redis_defaults(self) -> None:
        """Start from what redis-server does with an empty file, where that is not what we do without one."""
        for name, value in _REDIS_DEFAULTS.items():
            self[name] = value

    def without_effect(self) -> list[bytes]:
        """What the configuration file asks for in vain."""
        return [
            name for name in sorted(self._read_so_far & INERT) if self[name] != self.default(_BY_NAME[name])
        ]

    def was_read(self, name: bytes) -> bool:
        """Whether the configuration file, or an option, says something of a parameter."""
        return name in self._read_so_far

    def default(self, parameter: Parameter) -> Any:
        """The value of a parameter of which the configuration file says nothing."""
        return _REDIS_DEFAULTS.get(parameter.name, parameter.default)

    def read(self, name: bytes, words: list[bytes]) -> bool:
        """Take a directive from a configuration file, for a server that is about to start.

        :returns: False where there is no such parameter.
        :raises ValueError: in the words of Redis.
        """
        parameter = self._known.get(name)
        if parameter is None:
            return False
        if not parameter.kind.many and len(words) != 1:
            raise ValueError("wrong number of arguments")
        # One word of several is split as CONFIG SET does it.
        value = self._parsed(parameter, words[0]) if len(words) == 1 else self._adjusted(parameter, words)
        if parameter.name == b"save" and b"save" in self._read_so_far and words != [b""]:
            value = self[b"save"] + value
        self._read_so_far.add(parameter.name)
        self._assign(parameter, value)
        consequence = _CONSEQUENCES.get(parameter.name)
        if consequence is not None and parameter.name not in _AT_THE_START:
            consequence(self._server, value)
        return True

    def matching(self, patterns: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Names and printed values, as CONFIG GET answers them.

        :param patterns: globs, or names. What is named exactly may be hidden, and is answered as it was
            spelled.
        """
        found: dict[bytes, tuple[bytes, bytes]] = {}
        for pattern in patterns:
            if _PATTERN.isdisjoint(pattern):
                parameter = self._known.get(pattern.lower())
                if parameter is not None:
                    found.setdefault(pattern.lower(), (pattern, self._printed(parameter)))
                continue
            matches = compile_glob(pattern, nocase=True)
            for name, parameter in self._known.items():
                if not parameter.flags & HIDDEN and name not in found and matches(name):
                    found[name] = (name, self._printed(parameter))
        return list(found.values())

    def set(self, words: Sequence[bytes], client: Client) -> None:
        """CONFIG SET: all of it, or nothing and an error.

        :param words: names and values in turn.
        :param client: who asks: some parameters are protected from clients on other machines.
        :raises CommandError: in the words of Redis.
        """
        if len(words) % 2:
            raise CommandError(SYNTAX)
        chosen: dict[bytes, bytes] = {}
        for name, text in zip(words[::2], words[1::2]):
            canonical = name.lower()
            parameter = self._known.get(canonical)
            if parameter is None:
                raise CommandError(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % name)
            if parameter.flags & IMMUTABLE:
                raise _failed(name, "can't set immutable config")
            if parameter.flags & PROTECTED and not self.allows(b"enable-protected-configs", client):
                raise _failed(name, "can't set protected config")
            if canonical in chosen:
                raise _failed(name, "duplicate parameter")
            chosen[canonical] = text
        new: dict[bytes, Any] = {}
        for name, text in chosen.items():
            try:
                new[name] = self._parsed(_BY_NAME[name], text)
            except ValueError as error:
                raise _failed(name, str(error)) from None
        self._change(new)

    def values(self) -> dict[bytes, Any]:
        """All that CONFIG SET can change, for :meth:`restore`."""
        return {
            parameter.name: self._value(parameter)
            for parameter in PARAMETERS
            if not parameter.flags & (IMMUTABLE | HIDDEN)
        }

    def restore(self, values: Mapping[bytes, Any]) -> None:
        """Take back what CONFIG SET has changed since, with all consequences.

        :param values: from :meth:`values`.
        """
        changed = {
            name: values[name] for name in self._touched if name in values and self[name] != values[name]
        }
        if changed:
            self._change(changed)

    def allows(self, parameter: bytes, client: Client) -> bool:
        """Whether a protected action is allowed to a client.

        :param parameter: one of ``enable-protected-configs``, ``enable-debug-command`` and
            ``enable-module-command``.
        """
        allowed = self[parameter]
        if allowed == b"local":
            # No TCP peer has port 0: that is what unix sockets and clients within the process show.
            address = client.address or b":0"
            return address.endswith(b":0") or address.startswith((b"127.", b"[::1]:", b"::1:"))
        return bool(allowed == b"yes")

    def title_values(self, program: bytes) -> dict[bytes, bytes]:
        """What a template of the process's title (``proc-title-template``) may name."""
        port, tls_port, path = self[b"port"], self[b"tls-port"], self[b"unixsocket"]
        address = b"unixsocket:" + path
        if port or tls_port:
            address = b"%b:%d" % ((self[b"bind"] or (b"*",))[0], port or tls_port)
        return {
            b"title": program,
            b"listen-addr": address,
            b"server-mode": b"",  # what a cluster or a sentinel shows
            b"config-file": self.path or b"-",
            b"port": b"%d" % port,
            b"tls-port": b"%d" % tls_port,
            b"unixsocket": path,
        }

    # -- within

    def _value(self, parameter: Parameter) -> Any:
        if parameter.bound:
            return attrgetter(parameter.bound)(self._server)
        return self._kept[parameter.name]

    def _printed(self, parameter: Parameter) -> bytes:
        return parameter.kind.format(self._value(parameter))

    def _assign(self, parameter: Parameter, value: Any) -> None:
        if parameter.bound:
            path, _, attribute = parameter.bound.rpartition(".")
            setattr(attrgetter(path)(self._server) if path else self._server, attribute, value)
        else:
            self._kept[parameter.name] = value

    def _parsed(self, parameter: Parameter, text: bytes) -> Any:
        return self._adjusted(parameter, _words(text) if parameter.kind.many else [text])

    def _adjusted(self, parameter: Parameter, words: list[bytes]) -> Any:
        value = parameter.kind.parse(words)
        if parameter.name in _ADJUSTMENTS:
            value = _ADJUSTMENTS[parameter.name](self._server, value)
        return value

    def _change(self, new: Mapping[bytes, Any]) -> None:
        old = {name: self[name] for name in new}
        self.revision += 1
        self._touched.update(_BY_NAME[name].name for name in new)
        for name, value in new.items():
            self._assign(_BY_NAME[name], value)
        followed: list[bytes] = []
        for name, value in new.items():
            consequence = _CONSEQUENCES.get(_BY_NAME[name].name)
            if consequence is None or value == old[name]:
                continue
            followed.append(name)
            try:
                consequence(self._server, value)
            except ValueError as error:
                for known, former in old.items():
                    self._assign(_BY_NAME[known], former)
                # Who listens has let go of the former place. Of nobody else anything has changed.
                restored = followed if self.relisten is not None and name in _LISTENING else followed[:-1]
                for known in restored:
                    with suppress(ValueError):
                        _CONSEQUENCES[_BY_NAME[known].name](self._server, old[known])
                raise _failed(name, str(error)) from None


def _words(text: bytes) -> list[bytes]:
    return text.split(b" ") if text else []


def _failed(name: bytes, reason: str) -> CommandError:
    return CommandError(
        b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (name, reason.encode())
    )


# ------------------------------------------------ values that depend on what is there: checks and completions


def _directory(server: Server, value: bytes) -> bytes:
    # Redis changes the directory of its process. We share ours with an application.
    path = os.path.join(server.directory, value)
    try:
        with os.scandir(path):
            pass
        if server.configuration.changes_directory:
            os.chdir(path)
        return os.path.abspath(path)
    except OSError as error:
        raise ValueError(error.strerror) from None


def _output_limits(server: Server, value: dict[str, tuple[int, int, int]]) -> dict[str, tuple[int, int, int]]:
    return {**server.output_limits, **value}


def _databases(server: Server, value: int) -> int:
    server.keyspace.resize(value)
    return value


def _hz(server: Server, value: int) -> int:
    return min(max(value, 1), 500)


def _backlog_size(server: Server, value: int) -> int:
    return max(value, _LEAST_BACKLOG)


def _title_template(server: Server, value: bytes) -> bytes:
    try:
        if expand(value, server.configuration.title_values(b"")):
            return value
    except ValueError:
        pass
    raise ValueError("template format is invalid or contains unknown variables")


_ADJUSTMENTS: Final[Mapping[bytes, Callable[[Server, Any], Any]]] = {
    b"databases": _databases,
    b"dir": _directory,
    b"client-output-buffer-limit": _output_limits,
    b"hz": _hz,
    b"proc-title-template": _title_template,
    b"repl-backlog-size": _backlog_size,
}


# ----------------------------------------------------------------------------------------------- consequences


def _listen_on(parameter: bytes, error: str) -> Callable[[Server, object], None]:
    def listen(server: Server, value: object) -> None:
        relisten = server.configuration.relisten
        if relisten is None:  # what listens belongs to whoever started the server
            raise ValueError(error)
        try:
            relisten(parameter)
        except OSError:
            raise ValueError(error) from None
        server.show_title("")

    return listen


def _cannot_defragment(server: Server, value: bool) -> None:
    if value:
        raise ValueError(
            "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
            "Jemalloc like the one shipped by default with the Redis source distribution"
        )


def _max_clients(server: Server, value: int) -> None:
    """Raise the limit of open files, if that takes it."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
    except ImportError:
        return
    needed = value + _MOST_FILES_OF_OUR_OWN
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY or needed <= soft:
        return
    try:
        setrlimit(RLIMIT_NOFILE, (needed, hard if hard == RLIM_INFINITY else max(needed, hard)))
    except (ValueError, OSError):
        raise ValueError(
            "The operating system is not able to handle the specified number of clients, try with "
            f"{max(1, soft - _MOST_FILES_OF_OUR_OWN)}"
        ) from None


def fit_open_files(server: Server) -> int:
    """Raise this process's limit of open files to what ``maxclients`` takes, or lower ``maxclients`` to the limit.

    For a process that is the server's own, when it starts.

    :returns: how many clients there can be.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
    except ImportError:
        return server.max_clients
    needed = server.max_clients + _MOST_FILES_OF_OUR_OWN
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft != RLIM_INFINITY and soft < needed:
        soft = needed if hard == RLIM_INFINITY else min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, hard))  # up to the hard limit anybody may
        server.max_clients = max(1, min(server.max_clients, soft - _MOST_FILES_OF_OUR_OWN))
    return server.max_clients


def _policy(server: Server, value: bytes) -> None:
    """Choose what an access leaves behind: a time, or a count of how frequent accesses are."""
    keyspace = server.keyspace
    touching = TOUCH_LFU if value.endswith(b"-lfu") else TOUCH_LRU
    if keyspace.touching == touching:
        return
    keyspace.touching = touching
    # The one record can't be made of the other: everything starts as if it were new.
    record = lfu.fresh(keyspace) if touching == TOUCH_LFU else keyspace.now
    for database in keyspace.databases:
        database.accessed = dict.fromkeys(database.accessed, record)


def _watch_limits(server: Server, value: object) -> None:
    for client in server.clients.values():
        client.watch_limits()


def _events(server: Server, value: int) -> None:
    server.notifications.configure(value)


def _password(server: Server, value: bytes) -> None:
    server.set_password(value)


def _memory_limit(server: Server, value: int) -> None:
    server.limit_memory(value)
    if value:
        server.resume(server.evict)  # when the command, and the transaction that it may be in, is over


def _slow_threshold(server: Server, value: int) -> None:
    server.slow_log.threshold = value / 1_000_000 if value >= 0 else float("inf")
    server.watch_latency()


def _client_limit(server: Server, value: int) -> None:
    server.limit_clients(value)


def _tracking_limit(server: Server, value: int) -> None:
    server.tracking.limit()


def _latency_threshold(server: Server, value: int) -> None:
    server.latency.threshold = value
    server.watch_latency()


def _latency_tracking(server: Server, value: bool) -> None:
    for entry in server.entries():
        entry.fold()
        entry.tracked = value


def _slow_log_length(server: Server, value: int) -> None:
    server.slow_log.resize(value)


def _stop_writes(server: Server, value: bool) -> None:
    server.saving.consider_errors()


def _save_points(server: Server, value: tuple[tuple[int, int], ...]) -> None:
    server.saving.set_points(value)


def _history(server: Server, value: object) -> None:
    server.append_only.delete_history()


def _append_only(server: Server, value: bool) -> None:
    if value:
        server.append_only.enable()
    else:
        server.append_only.disable()


def _timeout(server: Server, value: int) -> None:
    server.idle_clients.limit(value)


def _oom_score(server: Server, value: object) -> None:
    server.oom_score.adjust()


def _title(server: Server, value: bytes) -> None:
    server.show_title("")


def _watchdog(server: Server, value: int) -> None:
    server.on_watchdog(value)


def _collation(server: Server, value: bytes) -> None:
    import locale

    try:
        locale.setlocale(locale.LC_COLLATE, os.fsdecode(value))
    except (locale.Error, ValueError):
        raise ValueError("Invalid locale name") from None


def _replicas(server: Server, value: int) -> None:
    configuration = server.configuration
    needed = configuration[b"min-replicas-to-write"] if configuration[b"min-replicas-max-lag"] else 0
    server.need_replicas(needed)


def _certificates(server: Server, value: object) -> None:
    relisten = server.configuration.relisten
    if relisten is not None:
        try:
            relisten(b"tls-cert-file")
        except OSError:
            raise ValueError("Unable to update TLS configuration. Check server logs.") from None


_CONSEQUENCES: Final[dict[bytes, Callable[[Server, Any], None]]] = {
    b"port": _listen_on(b"port", "Unable to listen on this port. Check server logs."),
    b"tls-port": _listen_on(b"tls-port", "Unable to listen on this port. Check server logs."),
    b"bind": _listen_on(b"bind", "Failed to bind to specified addresses."),
    b"appendonly": _append_only,
    b"aof-disable-auto-gc": _history,
    b"activedefrag": _cannot_defragment,
    b"client-output-buffer-limit": _watch_limits,
    b"maxmemory-clients": _client_limit,
    b"tracking-table-max-keys": _tracking_limit,
    b"latency-monitor-threshold": _latency_threshold,
    b"latency-tracking": _latency_tracking,
    b"maxclients": _max_clients,
    b"maxmemory": _memory_limit,
    b"maxmemory-policy": _policy,
    b"locale-collate": _collation,
    b"proc-title-template": _title,
    b"watchdog-period": _watchdog,
    b"save": _save_points,
    b"stop-writes-on-bgsave-error": _stop_writes,
    b"min-replicas-max-lag": _replicas,
    b"min-replicas-to-write": _replicas,
    b"notify-keyspace-events": _events,
    b"oom-score-adj": _oom_score,
    b"oom-score-adj-values": _oom_score,
    b"timeout": _timeout,
    b"requirepass": _password,
    b"slowlog-log-slower-than": _slow_threshold,
    b"slowlog-max-len": _slow_log_length,
}

# What a TLS context is made of.
_TLS: Final = tuple(
    parameter.name
    for parameter in PARAMETERS
    if parameter.name.startswith(b"tls-") and parameter.name != b"tls-port"
)
_CONSEQUENCES.update(dict.fromkeys(_TLS, _certificates))
_LISTENING: Final = frozenset((b"port", b"tls-port", b"bind"))
# What follows from these is done when the server starts, not while its configuration is read.
_AT_THE_START: Final = frozenset(
    (b"port", b"tls-port", b"bind", b"appendonly", b"maxclients", b"activedefrag")
)
