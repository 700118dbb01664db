"""Which server a server passes for.

A flavour has the commands and options that the server of that version has and no others, so that a test fails on what
production would not know. https://redis.io/docs/latest/operate/oss_and_stack/stack-with-enterprise/release-notes/
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ALL", "FLAVOURS", "Flavour", "flavour_named", "later_parameters"]

Version = tuple[int, ...]


class Flavour(NamedTuple):
    """One of them.

    :ivar name: as users choose it.
    :ivar product: the software: ``redis`` or ``valkey``.
    :ivar version: the release.
    :ivar redis_version: the release of Redis that clients are told: for Valkey the one that it is compatible with.
    :ivar limit: the version of Redis whose commands and options are there; those that came later are refused.
    """

    name: str
    product: bytes
    version: bytes
    redis_version: bytes
    limit: Version

    @property
    def has_valkey_names(self) -> bool:
        """Whether scripts know ``redis`` by the name that Valkey gives it: ``server``."""
        return self.product == b"valkey" or not self.name

    def has(self, since: str) -> bool:
        """Whether something that came with a version of Redis is there."""
        return tuple(map(int, since.split("."))) <= self.limit


def _redis(name: str, release: str) -> Flavour:
    return Flavour(name, b"redis", release.encode(), release.encode(), tuple(map(int, release.split("."))))


#: The one that a server has unless told: as good as the version that it names, with everything that came later too.
ALL: Final = Flavour("", b"redis", b"7.4.1", b"7.4.1", (999,))

#: The others by their names.
FLAVOURS: Final = {
    flavour.name: flavour
    for flavour in (
        _redis("redis-6.2", "6.2.16"),
        _redis("redis-7.0", "7.0.15"),
        _redis("redis-7.2", "7.2.6"),
        _redis("redis-7.4", "7.4.1"),
        _redis("redis-8.0", "8.0.3"),
        _redis("redis-8.2", "8.2.1"),
        _redis("redis-8.4", "8.4.0"),
        Flavour("valkey-8", b"valkey", b"8.0.2", b"7.2.4", (7, 2, 4)),
    )
}


# The parameters of the configuration that came with a version, by name: what was renamed keeps its former name.
_PARAMETERS: Final = {
    "7.0.0": """
        aof-timestamp-enabled appenddirname bind-source-addr busy-reply-threshold cluster-allow-pubsubshard-when-down
        cluster-announce-hostname cluster-link-sendbuf-limit cluster-port cluster-preferred-endpoint-type
        enable-debug-command enable-module-command enable-protected-configs hash-max-listpack-entries
        hash-max-listpack-value latency-tracking latency-tracking-info-percentiles list-max-listpack-size
        maxmemory-clients propagation-error-behavior repl-diskless-sync-max-replicas replica-ignore-disk-write-errors
        shutdown-on-sigint shutdown-on-sigterm shutdown-timeout socket-mark-id zset-max-listpack-entries
        zset-max-listpack-value
        """,
    "7.2.0": """
        cluster-announce-human-nodename locale-collate set-max-listpack-entries set-max-listpack-value
        """,
    "7.4.0": """
        aof-rewrite-cpulist bgsave-cpulist bio-cpulist hide-user-data-from-log max-new-connections-per-cycle
        max-new-tls-connections-per-cycle server-cpulist
        """,
}


def later_parameters(flavour: Flavour) -> frozenset[bytes]:
    """The names of parameters that a flavour does not know."""
    return frozenset(
        name.encode()
        for since, names in _PARAMETERS.items()
        if not flavour.has(since)
        for name in names.split()
    )


def flavour_named(name: str) -> Flavour:
    """The flavour of a name; an empty one is :data:`ALL`.

    :raises ValueError: there is none of that name; the message says which there are.
    """
    if not name:
        return ALL
    try:
        return FLAVOURS[name]
    except KeyError:
        raise ValueError(f"there is no flavour {name!r}; there are {', '.join(FLAVOURS)}") from None
