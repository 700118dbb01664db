"""The table of Redis' configuration parameters: names, kinds, defaults, and what each is bound to.

A parameter that is *bound* is an attribute of the living server, named by its path from ``Server``: CONFIG
SET assigns to it, and whoever looks at the attribute acts accordingly at once. A parameter that is not bound
is kept by :class:`~twisted_resp.server.configuration.Configuration` and answered; where it has consequences
all the same, ``configuration.py`` sees to them. Defaults are those of Redis 7.4, but for
``enable-debug-command`` and ``enable-protected-configs``: both are allowed to local clients here.
https://redis.io/docs/latest/operate/oss_and_stack/management/config/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted_resp.server.parameter_kinds import (
    Choice,
    Events,
    FileName,
    Flag,
    Hostname,
    Kind,
    Memory,
    Number,
    Octal,
    OomScores,
    OutputLimits,
    Percentiles,
    SavePoints,
    Several,
    Text,
    Words,
)
from twisted_resp.text.integers import INT32_MAX, INT32_MIN, INT64_MAX, UINT32_MAX, UINT64_MAX

__all__ = ["HIDDEN", "IMMUTABLE", "INERT", "PARAMETERS", "PROTECTED", "SENSITIVE", "Parameter"]

#: Can't be changed while the server runs.
IMMUTABLE: Final = 1
#: Not matched by patterns of CONFIG GET.
HIDDEN: Final = 2
#: Changed only by those whom ``enable-protected-configs`` allows it.
PROTECTED: Final = 4
#: Not to be logged.
SENSITIVE: Final = 8


class Parameter:
    """One parameter.

    :ivar alias: its former name, which goes on working.
    :ivar bound: the path of the attribute that it is, from ``Server``; else empty.
    """

    __slots__ = ("alias", "bound", "default", "flags", "kind", "name")

    def __init__(
        self, name: str, kind: Kind, default: Any, flags: int = 0, alias: str = "", bound: str = ""
    ) -> None:
        self.name = name.encode()
        self.kind = kind
        self.default = default
        self.flags = flags
        self.alias = alias.encode()
        self.bound = bound

    def __repr__(self) -> str:
        return f"<Parameter {self.name.decode()}>"


_MB: Final = 1 << 20
_GB: Final = 1 << 30
_FLAG: Final = Flag()
_TEXT: Final = Text()
_PROTECTED_ACTION: Final = Choice((b"no", b"yes", b"local"))
_SHUTDOWN: Final = Several(
    (b"default", b"save", b"nosave", b"now", b"force"),
    (b"save", b"nosave"),
    "shutdown options SAVE and NOSAVE can't be used simultaneously",
)


def _flag(name: str, default: bool, flags: int = 0, alias: str = "", bound: str = "") -> Parameter:
    return Parameter(name, _FLAG, default, flags, alias, bound)


def _text(name: str, default: bytes = b"", flags: int = 0, alias: str = "", bound: str = "") -> Parameter:
    return Parameter(name, _TEXT, default, flags, alias, bound)


def _choice(name: str, default: bytes, words: Sequence[bytes], flags: int = 0) -> Parameter:
    return Parameter(name, Choice(words), default, flags)


def _number(
    name: str,
    default: int,
    low: int = 0,
    high: int = INT32_MAX,
    flags: int = 0,
    alias: str = "",
    bound: str = "",
) -> Parameter:
    return Parameter(name, Number(low, high), default, flags, alias, bound)


def _memory(
    name: str,
    default: int,
    low: int = 0,
    high: int = INT64_MAX,
    flags: int = 0,
    alias: str = "",
    bound: str = "",
) -> Parameter:
    return Parameter(name, Memory(low, high), default, flags, alias, bound)


def _limit(name: str, default: int, alias: str = "") -> Parameter:
    """How many elements, or how many bytes, a compact encoding may have."""
    make = _memory if name.endswith(("-value", "-bytes")) else _number
    return make(name, default, 0, INT64_MAX, 0, alias, "keyspace.limits." + name.replace("-", "_"))


PARAMETERS: Final[tuple[Parameter, ...]] = (
    # -- network and clients
    Parameter("bind", Words(16, "Too many bind addresses specified."), (b"*", b"-::*")),
    _text("bind-source-addr"),
    _number("port", 6379, 0, 65535, bound="port"),
    _number("tcp-backlog", 511, flags=IMMUTABLE),
    _number("tcp-keepalive", 300),
    _number("timeout", 0),
    _text("unixsocket", flags=IMMUTABLE),
    Parameter("unixsocketperm", Octal(0, 0o777), 0, IMMUTABLE),
    _number("socket-mark-id", 0, 0, UINT32_MAX, IMMUTABLE),
    _flag("protected-mode", True),
    _number("maxclients", 10000, 1, UINT32_MAX, bound="max_clients"),
    _number("max-new-connections-per-cycle", 10, 1, 1000),
    _number("max-new-tls-connections-per-cycle", 1, 1, 1000),
    Parameter("maxmemory-clients", Memory(-100, INT64_MAX, percent=True), 0),
    _memory("client-query-buffer-limit", _GB, _MB, bound="query_buffer_limit"),
    _memory("proto-max-bulk-len", 512 * _MB, _MB, bound="max_bulk"),
    Parameter(
        "client-output-buffer-limit",
        OutputLimits(),
        {"normal": (0, 0, 0), "replica": (256 * _MB, 64 * _MB, 60), "pubsub": (32 * _MB, 8 * _MB, 60)},
        bound="output_limits",
    ),
    _number("tracking-table-max-keys", 1000000, 0, INT64_MAX),
    _number("io-threads", 1, 1, 128, IMMUTABLE),
    _flag("io-threads-do-reads", False, IMMUTABLE),
    # -- TLS
    _number("tls-port", 0, 0, 65535),
    _choice("tls-auth-clients", b"yes", (b"no", b"yes", b"optional")),
    _text("tls-cert-file"),
    _text("tls-key-file"),
    _text("tls-key-file-pass", flags=SENSITIVE),
    _text("tls-client-cert-file"),
    _text("tls-client-key-file"),
    _text("tls-client-key-file-pass", flags=SENSITIVE),
    _text("tls-dh-params-file"),
    _text("tls-ca-cert-file"),
    _text("tls-ca-cert-dir"),
    _text("tls-protocols"),
    _text("tls-ciphers"),
    _text("tls-ciphersuites"),
    _flag("tls-prefer-server-ciphers", False),
    _flag("tls-session-caching", True),
    _number("tls-session-cache-size", 20 * 1024),
    _number("tls-session-cache-timeout", 300),
    _flag("tls-replication", False),
    _flag("tls-cluster", False),
    # -- the process and its files
    Parameter("dir", _TEXT, b"", PROTECTED, bound="directory"),
    Parameter("dbfilename", FileName("dbfilename", empty=True), b"dump.rdb", PROTECTED, bound="dbfilename"),
    _text("pidfile", flags=IMMUTABLE),
    _text("logfile", flags=IMMUTABLE),
    _choice("loglevel", b"notice", (b"debug", b"verbose", b"notice", b"warning", b"nothing")),
    _flag("syslog-enabled", False, IMMUTABLE),
    _text("syslog-ident", b"redis", IMMUTABLE),
    _choice(
        "syslog-facility",
        b"local0",
        (b"user", b"local0", b"local1", b"local2", b"local3", b"local4", b"local5", b"local6", b"local7"),
        IMMUTABLE,
    ),
    _flag("hide-user-data-from-log", False),
    _flag("crash-log-enabled", True),
    _flag("crash-memcheck-enabled", True),
    _flag("use-exit-on-panic", False, HIDDEN),
    _number("watchdog-period", 0, flags=HIDDEN),
    _flag("daemonize", False, IMMUTABLE),
    _choice("supervised", b"no", (b"upstart", b"systemd", b"auto", b"no"), IMMUTABLE),
    _flag("always-show-logo", False, IMMUTABLE),
    _flag("set-proc-title", True, IMMUTABLE),
    Parameter("proc-title-template", Text(), b"{title} {listen-addr} {server-mode}"),
    _text("locale-collate"),
    _text("ignore-warnings"),
    _flag("disable-thp", True, IMMUTABLE),
    Parameter("oom-score-adj", Choice((b"no", b"yes", b"relative", b"absolute"), {b"relative": b"yes"}), b"no"),
    Parameter("oom-score-adj-values", OomScores(), (0, 200, 800)),
    _text("server-cpulist", flags=IMMUTABLE, alias="server_cpulist"),
    _text("bio-cpulist", flags=IMMUTABLE, alias="bio_cpulist"),
    _text("aof-rewrite-cpulist", flags=IMMUTABLE, alias="aof_rewrite_cpulist"),
    _text("bgsave-cpulist", flags=IMMUTABLE, alias="bgsave_cpulist"),
    _number("shutdown-timeout", 10),
    Parameter("shutdown-on-sigint", _SHUTDOWN, b"default"),
    Parameter("shutdown-on-sigterm", _SHUTDOWN, b"default"),
    Parameter("enable-protected-configs", _PROTECTED_ACTION, b"local", IMMUTABLE),
    Parameter("enable-debug-command", _PROTECTED_ACTION, b"local", IMMUTABLE),
    Parameter("enable-module-command", _PROTECTED_ACTION, b"no", IMMUTABLE),
    # -- databases, time and memory
    _number("databases", 16, 1, flags=IMMUTABLE),
    _number("hz", 10),
    _flag("dynamic-hz", True),
    _number("active-expire-effort", 1, 1, 10),
    _memory("maxmemory", 0, 0, UINT64_MAX),
    _choice(
        "maxmemory-policy",
        b"noeviction",
        (b"volatile-lru", b"volatile-lfu", b"volatile-random", b"volatile-ttl",
         b"allkeys-lru", b"allkeys-lfu", b"allkeys-random", b"noeviction"),
    ),
    _number("maxmemory-samples", 5, 1, 64),
    _number("maxmemory-eviction-tenacity", 10, 0, 100),
    _number("lfu-log-factor", 10, bound="keyspace.lfu_log_factor"),
    _number("lfu-decay-time", 1, bound="keyspace.lfu_decay_time"),
    _flag("lazyfree-lazy-eviction", False, bound="keyspace.lazy_free.on_eviction"),
    _flag("lazyfree-lazy-expire", False, bound="keyspace.lazy_free.on_expire"),
    _flag("lazyfree-lazy-server-del", False, bound="keyspace.lazy_free.on_overwrite"),
    _flag("lazyfree-lazy-user-del", False, bound="keyspace.lazy_free.on_delete"),
    _flag("lazyfree-lazy-user-flush", False, bound="keyspace.lazy_free.on_flush"),
    _flag("activerehashing", True),
    _flag("jemalloc-bg-thread", True),
    _flag("activedefrag", False),
    _number("active-defrag-cycle-min", 1, 1, 99),
    _number("active-defrag-cycle-max", 25, 1, 99),
    _number("active-defrag-threshold-lower", 10, 0, 1000),
    _number("active-defrag-threshold-upper", 100, 0, 1000),
    _memory("active-defrag-ignore-bytes", 100 * _MB, 1),
    _number("active-defrag-max-scan-fields", 1000, 1, INT64_MAX),
    # -- encodings
    _limit("hash-max-listpack-entries", 512, "hash-max-ziplist-entries"),
    _limit("hash-max-listpack-value", 64, "hash-max-ziplist-value"),
    _limit("set-max-intset-entries", 512),
    _limit("set-max-listpack-entries", 128),
    _limit("set-max-listpack-value", 64),
    _limit("zset-max-listpack-entries", 128, "zset-max-ziplist-entries"),
    _limit("zset-max-listpack-value", 64, "zset-max-ziplist-value"),
    _limit("hll-sparse-max-bytes", 3000),
    _limit("stream-node-max-bytes", 4096),
    _limit("stream-node-max-entries", 100),
    _number(
        "list-max-listpack-size", -2, INT32_MIN, INT32_MAX, 0, "list-max-ziplist-size",
        "keyspace.limits.list_max_listpack_size",
    ),
    _number("list-compress-depth", 0, bound="keyspace.limits.list_compress_depth"),
    # -- what is watched, logged and told
    Parameter("notify-keyspace-events", Events(), 0),
    _number("slowlog-log-slower-than", 10000, -1, INT64_MAX),
    _number("slowlog-max-len", 128, 0, INT64_MAX),
    _number("latency-monitor-threshold", 0, 0, INT64_MAX),
    _flag("latency-tracking", True),
    Parameter("latency-tracking-info-percentiles", Percentiles(), (50.0, 99.0, 99.9)),
    _number("busy-reply-threshold", 5000, 0, INT64_MAX, alias="lua-time-limit"),
    # -- access
    _text("requirepass", flags=SENSITIVE, bound="password"),
    _text("aclfile", flags=IMMUTABLE),
    _number("acllog-max-len", 128, 0, INT64_MAX),
    _choice("acl-pubsub-default", b"resetchannels", (b"allchannels", b"resetchannels")),
    # -- snapshots and the append-only file
    # Other than Redis: a server writes no files unless it is told to.
    Parameter("save", SavePoints(), ()),
    _flag("stop-writes-on-bgsave-error", True),
    _flag("rdbcompression", True),
    _flag("rdbchecksum", True, IMMUTABLE),
    _flag("rdb-del-sync-files", False),
    _flag("rdb-save-incremental-fsync", True),
    _number("rdb-key-save-delay", 0, INT32_MIN, INT32_MAX, HIDDEN),
    _number("key-load-delay", 0, INT32_MIN, INT32_MAX, HIDDEN),
    _number("loading-process-events-interval-bytes", 2 * _MB, 1024, INT32_MAX, HIDDEN),
    _choice("sanitize-dump-payload", b"no", (b"no", b"yes", b"clients")),
    _flag("appendonly", False),
    Parameter("appendfilename", FileName("appendfilename"), b"appendonly.aof", IMMUTABLE),
    Parameter("appenddirname", FileName("appenddirname", "dirname"), b"appendonlydir", IMMUTABLE),
    _choice("appendfsync", b"everysec", (b"everysec", b"always", b"no")),
    _flag("no-appendfsync-on-rewrite", False),
    _number("auto-aof-rewrite-percentage", 100),
    _memory("auto-aof-rewrite-min-size", 64 * _MB),
    _flag("aof-load-truncated", True),
    _flag("aof-use-rdb-preamble", True),
    _flag("aof-timestamp-enabled", False),
    _flag("aof-rewrite-incremental-fsync", True),
    _flag("aof-disable-auto-gc", False, HIDDEN),
    # -- replication
    Parameter("replicaof", _TEXT, b"", IMMUTABLE, "slaveof"),
    _text("masteruser", flags=SENSITIVE),
    _text("masterauth", flags=SENSITIVE),
    _flag("replica-serve-stale-data", True, alias="slave-serve-stale-data"),
    _flag("replica-read-only", True, alias="slave-read-only"),
    _flag("replica-lazy-flush", False, alias="slave-lazy-flush"),
    _flag("replica-ignore-maxmemory", True, alias="slave-ignore-maxmemory"),
    _flag("replica-ignore-disk-write-errors", False),
    _flag("replica-announced", True),
    _text("replica-announce-ip", alias="slave-announce-ip"),
    _number("replica-announce-port", 0, 0, 65535, alias="slave-announce-port"),
    _number("replica-priority", 100, alias="slave-priority"),
    _flag("repl-diskless-sync", True),
    _number("repl-diskless-sync-delay", 5),
    _number("repl-diskless-sync-max-replicas", 0),
    _choice("repl-diskless-load", b"disabled", (b"disabled", b"on-empty-db", b"swapdb")),
    _number("repl-ping-replica-period", 10, 1, alias="repl-ping-slave-period"),
    _number("repl-timeout", 60, 1),
    _flag("repl-disable-tcp-nodelay", False),
    _memory("repl-backlog-size", _MB, 1),
    _number("repl-backlog-ttl", 3600, 0, INT64_MAX),
    _number("min-replicas-to-write", 0, alias="min-slaves-to-write"),
    _number("min-replicas-max-lag", 10, alias="min-slaves-max-lag"),
    _choice("propagation-error-behavior", b"ignore", (b"ignore", b"panic", b"panic-on-replicas")),
    # -- cluster
    _flag("cluster-enabled", False, IMMUTABLE),
    _text("cluster-config-file", b"nodes.conf", IMMUTABLE),
    _number("cluster-port", 0, 0, 65535, IMMUTABLE),
    _number("cluster-node-timeout", 15000, 0, INT64_MAX),
    _number("cluster-ping-interval", 0, 0, INT64_MAX, HIDDEN),
    _memory("cluster-link-sendbuf-limit", 0, 0, UINT64_MAX),
    _number("cluster-migration-barrier", 1),
    _number("cluster-replica-validity-factor", 10, alias="cluster-slave-validity-factor"),
    _flag("cluster-replica-no-failover", False, alias="cluster-slave-no-failover"),
    _flag("cluster-require-full-coverage", True),
    _flag("cluster-allow-replica-migration", True),
    _flag("cluster-allow-reads-when-down", False),
    _flag("cluster-allow-pubsubshard-when-down", True),
    _choice("cluster-preferred-endpoint-type", b"ip", (b"ip", b"hostname", b"unknown-endpoint")),
    _text("cluster-announce-ip"),
    _number("cluster-announce-port", 0, 0, 65535),
    _number("cluster-announce-tls-port", 0, 0, 65535),
    _number("cluster-announce-bus-port", 0, 0, 65535),
    Parameter("cluster-announce-hostname", Hostname(), b""),
    _text("cluster-announce-human-nodename"),
)  # fmt: skip

#: What is accepted and answered, and changes nothing. Whoever sets it in a configuration file is told so in the log.
INERT: Final = frozenset(
    (
        # There are no other threads, of I/O or in the background, and no C heap to look after.
        b"io-threads io-threads-do-reads bio-cpulist jemalloc-bg-thread disable-thp activedefrag "
        b"active-defrag-cycle-min active-defrag-cycle-max active-defrag-threshold-lower active-defrag-threshold-upper "
        b"active-defrag-ignore-bytes active-defrag-max-scan-fields activerehashing "
        # Nor a periodic task: each timer is set for its moment, and keys expire exactly, not when they are found.
        # (hz is kept since INFO shows it.)
        b"dynamic-hz active-expire-effort "
        # What fails is a traceback in the log; there is no C heap to look at after a crash.
        b"crash-memcheck-enabled propagation-error-behavior "
        b"replica-ignore-disk-write-errors "
        # The reactor decides how many connections it accepts in a turn; pyOpenSSL can't say how many sessions to keep.
        b"max-new-connections-per-cycle max-new-tls-connections-per-cycle tls-session-cache-size "
        # What a replica gets leaves in one write for a batch of commands: there are no small packets to collect.
        b"repl-disable-tcp-nodelay "
        # Payloads are always looked at to the last byte; loading lets others in by time, not by bytes.
        b"sanitize-dump-payload loading-process-events-interval-bytes "
        # Values are in the log at no level; there is no logo, and no warning that could be silenced.
        b"hide-user-data-from-log always-show-logo ignore-warnings "
        # This server is never part of a cluster.
        b"cluster-enabled cluster-config-file cluster-port cluster-node-timeout cluster-ping-interval "
        b"cluster-link-sendbuf-limit cluster-migration-barrier cluster-replica-validity-factor "
        b"cluster-replica-no-failover cluster-require-full-coverage cluster-allow-replica-migration "
        b"cluster-allow-reads-when-down cluster-allow-pubsubshard-when-down cluster-preferred-endpoint-type "
        b"cluster-announce-ip cluster-announce-port cluster-announce-tls-port cluster-announce-bus-port "
        b"cluster-announce-hostname cluster-announce-human-nodename tls-cluster"
    ).split()
)
