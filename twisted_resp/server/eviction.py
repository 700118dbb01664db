"""Eviction: which keys go when the data take more than ``maxmemory``.

As in Redis the choice is approximate: of a few keys of each database, taken at random (``maxmemory-samples``), the
best goes. (Redis remembers good candidates from one time to the next; this does not.)
https://redis.io/docs/latest/develop/reference/eviction/
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import EVICTED

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["make_room"]

# How many times we look for a key with a TTL before we give up on chance.
_TRIES: Final = 50
# After how many keys the time is looked at; seconds for each unit of tenacity, of which this many are for ever.
_BATCH: Final = 16
_TENACITY_UNIT: Final = 50e-6
_MOST_TENACITY: Final = 100


def make_room(server: Server) -> bool:
    """Evict until the data fit their limit; answers whether they do."""
    excess = server.statistics.excess
    if not server.memory.is_full():
        if excess.since is not None:
            excess.end(server.now_ms)
        return True
    start = perf_counter()
    fits = _evict(server, start + _time_limit(server))
    server.latency.note_since(b"eviction-cycle", start)
    if server.evicting or not fits:
        excess.begin(server.now_ms)
    elif excess.since is not None:
        excess.end(server.now_ms)
    return fits


def _time_limit(server: Server) -> float:
    """For how long (seconds) clients may wait while keys are evicted; as ``maxmemory-eviction-tenacity`` has it.

    Only where the process is the server's own. Elsewhere all goes at once: what a test looks at is to be repeatable.
    """
    tenacity: int = server.configuration[b"maxmemory-eviction-tenacity"]
    if tenacity >= _MOST_TENACITY or not server.saving.may_fork:
        return float("inf")
    return _TENACITY_UNIT * (tenacity if tenacity <= 10 else 10 * 1.15 ** (tenacity - 10))


def _evict(server: Server, until: float) -> bool:
    memory = server.memory
    policy: bytes = server.configuration[b"maxmemory-policy"]
    count = 0
    while memory.is_full():
        if policy == b"noeviction":
            return False
        victim = _victim(server, policy)
        if victim is None:
            return False
        database, key = victim
        start = perf_counter()
        database.evict(key, b"evicted", EVICTED)
        server.latency.note_since(b"eviction-del", start)
        count += 1
        if not count % _BATCH and perf_counter() > until:
            # The rest has time; who writes meanwhile may.
            if not server.evicting:
                server.evicting = True
                server.clock.callLater(0, server.run_timer, server.go_on_evicting)
            break
    return True


def _victim(server: Server, policy: bytes) -> tuple[Database, bytes] | None:
    keyspace = server.keyspace
    random = policy.endswith(b"random")
    volatile = policy.startswith(b"volatile")
    best: tuple[float, Database, bytes] | None = None
    for database in keyspace.databases:
        for _ in range(1 if random else server.configuration[b"maxmemory-samples"]):
            key = _random_key(database, volatile)
            if key is None:
                break
            if random:
                rank = keyspace.random.random()
            elif policy == b"volatile-ttl":
                rank = database.expires[key]
            elif policy.endswith(b"lfu"):
                rank = lfu.counter(database.accessed[key], keyspace)
            else:
                rank = database.accessed[key]
            if best is None or rank < best[0]:
                best = (rank, database, key)
    return None if best is None else best[1:]


def _random_key(database: Database, volatile: bool) -> bytes | None:
    random = database.keyspace.random
    if not volatile:
        return database.dense().random(random) if database.values else None
    if not database.expires:
        return None
    # Reminders are at hand in a list. Some are stale: those of keys whose expiry has changed.
    for _ in range(_TRIES):
        _, key = random.choice(database.reminders)
        if key in database.expires:
            return key
    return next(iter(database.expires))
