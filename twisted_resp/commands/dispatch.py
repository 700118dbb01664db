"""The one way in: find a command, check it, run it, count it.

A client's requests go through one of a few functions, of which ``client.execute`` is always the right one:
:func:`normal`, :func:`queueing` (after MULTI), :func:`subscribed` (RESP2 with subscriptions),
:func:`unauthenticated`, and :func:`guarded`, which goes on to one of the first three where the client's user may run
the command. Each answers a reply, or a Deferred of one where the client is parked; errors are
replies as well, so nothing is raised. :func:`call` is the part that EXEC and scripts use for the commands
inside them.

The order of checks is Redis': is there such a command, has it the right number of arguments, is the client
logged in, may it run inside MULTI, may its user run it, does the state of the server forbid it, may a
subscriber send it, is it to wait for the end of a pause; only then is it queued or run. (:func:`subscribed`
looks before the state of the server does: it lets pass only what that state never forbids.) A refusal of a
command spoils the transaction that it would have been part of.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands import table
from twisted_resp.commands.documentation import keys_of
from twisted_resp.commands.flavours import commands_of
from twisted_resp.commands.permissions import categories, denial, note_denial, recheck, refusal
from twisted_resp.errors import CommandError, RefusalError
from twisted_resp.keyspace.keyspace import TOUCH_NOT
from twisted_resp.resp import NO_REPLY, QUEUED, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.eviction import make_room
from twisted_resp.server.redaction import redacted
from twisted_resp.server.server import (
    BUSY,
    EFFECTS,
    LIMITED_CLIENTS,
    LIMITED_MEMORY,
    LOADING,
    MONITORED,
    PAUSED,
    REPLICA,
    TRACKED,
    UNWRITABLE,
    WITHOUT_REPLICAS,
    Server,
    States,
)
from twisted_resp.server.statistics import MOST_SAMPLES, CommandEntry

__all__ = [
    "STATES", "call", "call_permitted", "concerned_by_pause", "delivering", "find", "guarded", "install",
    "internal_error_of", "normal", "queueing", "reject", "subscribed", "took_long", "tracking", "unauthenticated",
]  # fmt: skip

_log = Logger()

_ALLOWED_WHEN_SUBSCRIBED = frozenset(
    (b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe", b"ssubscribe", b"sunsubscribe", b"ping",
     b"quit", b"reset")
)  # fmt: skip
# What runs at once inside MULTI instead of being queued; and its mark among an entry's flags.
_NOT_QUEUED = frozenset((b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"))
_AT_ONCE = 1 << 30
# Whose own business it is to note accesses, whatever CLIENT NO-TOUCH says: the commands inside EXEC and scripts
# have their say.
_TOUCHES = frozenset(
    (b"touch", b"exec", b"eval", b"evalsha", b"eval_ro", b"evalsha_ro", b"fcall", b"fcall_ro")
)
# What a pause of writes holds back.
_PAUSED_WRITES = table.WRITE | table.MAY_REPLICATE
# What a client that replicates from us may not do here.
_ON_KEYS = table.WRITE | table.READONLY | table.MAY_REPLICATE
# The states of a server in which it refuses commands.
_REFUSING = LOADING | LIMITED_MEMORY | LIMITED_CLIENTS | UNWRITABLE | WITHOUT_REPLICAS | REPLICA | BUSY
# Who wants to know of every command that has run.
_OBSERVED = MONITORED | TRACKED
_READING_SCRIPTS = frozenset((b"eval_ro", b"evalsha_ro", b"fcall_ro"))
# What is not only about keys: it waits, runs other commands, or changes how this client or the server works.
_NOT_PLAIN = (
    table.BLOCKING | table.NOSCRIPT | table.ADMIN | table.PUBSUB | table.NO_AUTH | table.MAY_REPLICATE
    | table.NO_MULTI | table.ALLOW_BUSY
)  # fmt: skip
_PLAIN_TOO = frozenset((b"ping", b"echo", b"evalsha"))
# These ask what their request was, which is not noted for each command of a run; MIGRATE waits.
_NOT_PLAIN_EITHER = frozenset(
    (b"sort", b"sort_ro", b"georadius", b"georadius_ro", b"georadiusbymember", b"georadiusbymember_ro",
     b"migrate")
)  # fmt: skip
# What a browser sends that was tricked into talking to us.
_HTTP = frozenset((b"post", b"host:"))


def install(server: Server) -> None:
    """Give a server its commands."""
    for name, command in commands_of(server.flavour).items():
        entry = CommandEntry(command)
        if name in _NOT_QUEUED:
            entry.flags |= _AT_ONCE
        entry.plain = name in _PLAIN_TOO or bool(
            entry.flags & (table.READONLY | table.WRITE)
            and not entry.flags & _NOT_PLAIN
            and name not in _NOT_PLAIN_EITHER
        )
        if command.subcommands:
            entry.subcommands = {
                subname: CommandEntry(subcommand) for subname, subcommand in command.subcommands.items()
            }
        # The spellings that clients use are found at once, others by way of lower().
        server.commands[name] = server.commands[name.upper()] = entry
        server.commands[name.title()] = entry
    server.access.commands = partial(categories, server)
    server.access.recheck = recheck


def find(server: Server, args: list[bytes]) -> CommandEntry | CommandError:
    """The entry for a request, or the error that it deserves: unknown, or a wrong number of arguments."""
    entry = server.commands.get(args[0]) or server.commands.get(args[0].lower())
    if entry is None:
        return errors.unknown_command(args, before_7=not server.flavour.has("7.0.0"))
    if entry.subcommands is not None and len(args) > 1:
        subentry = entry.subcommands.get(args[1]) or entry.subcommands.get(args[1].lower())
        if subentry is None:
            return errors.unknown_subcommand(entry.full_name, args[1])
        entry = subentry
    if not entry.takes(len(args)):
        entry.rejected += 1
        return errors.wrong_arity(entry.full_name)
    return entry


# ---------------------------------------------------------------- the states


def normal(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a client that is in no special state: the hot path."""
    server = client.server
    entry = server.commands.get(args[0])
    count = len(args)
    if entry is None or entry.subcommands is not None or not entry.least <= count <= entry.most:
        found = find(server, args)
        if isinstance(found, CommandError):
            return reject(client, args, found)
        client.current = args
        return _run_attentively(client, found, args)
    client.current = args
    if server.attention or client.no_touch:
        return _run_attentively(client, entry, args)
    start = perf_counter()
    try:
        # Plain calls for the usual numbers of arguments: to unpack a list costs as much as many a command.
        if count == 2:
            reply = entry.handler(client, args[1])
        elif count == 3:
            reply = entry.handler(client, args[1], args[2])
        else:
            reply = entry.handler(client, *args[1:])
    except CommandError as error:
        entry.failed += 1
        # Its traceback leads to this frame, which has it as the reply: a cycle, and so work for the garbage collector.
        reply = error.with_traceback(None)
        server.count_error(error.code)
    except Exception:
        reply = internal_error_of(client, entry, args)
    seconds = perf_counter() - start
    if type(reply) is Deferred:
        return _when_served(client, entry, args, reply, seconds)
    samples = entry.samples  # entry.record(seconds), without the call
    samples.append(seconds)
    if len(samples) == MOST_SAMPLES:
        entry.fold()
    if seconds >= server.slow_threshold:
        took_long(client, entry, args, seconds)
    client.last_command = entry.full_name
    if server.pending:
        server.settle()
    return reply


def queueing(client: Client, args: list[bytes]) -> Reply:
    """Queue a request of a client that has said MULTI."""
    transaction = client.transaction
    assert transaction is not None
    server = client.server
    entry = server.commands.get(args[0])
    if entry is None or entry.subcommands is not None or not entry.least <= len(args) <= entry.most:
        found = find(server, args)
        if isinstance(found, CommandError):
            return reject(client, args, found)
        entry = found
    flags = entry.flags if entry.refine is None else entry.refine(args)
    if flags & _AT_ONCE:
        return normal(client, args)
    client.last_command = entry.full_name
    if flags & table.NO_MULTI:
        return reject(client, args, CommandError(errors.NOT_IN_TRANSACTION), entry)
    if server.attention:
        refusal = _refusal(client, entry, args)
        if refusal is not None:
            return reject(client, args, refusal, entry)
        if server.attention & PAUSED and (postponed := _postponed(client, entry, args)) is not None:
            return postponed
    # A transaction that can't succeed is not worth the memory.
    if not transaction.failed and not client.dirty_watch:
        transaction.queue.append((entry, args))
        transaction.flags |= flags
        transaction.missing |= ~flags
    return QUEUED


def subscribed(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a RESP2 client with subscriptions: it may do little else."""
    found = find(client.server, args)
    if isinstance(found, CommandError):
        return reject(client, args, found)
    if found.full_name not in _ALLOWED_WHEN_SUBSCRIBED:
        return reject(client, args, errors.not_while_subscribed(found.full_name), found)
    return normal(client, args)


def unauthenticated(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a client that has not logged in yet."""
    if not client.server.access.password_required:
        # It is not asked for any more.
        client.log_in(client.user)
        return client.execute(client, args)
    found = find(client.server, args)
    if isinstance(found, CommandError):
        return reject(client, args, found)
    if not found.flags & table.NO_AUTH:
        return reject(client, args, CommandError(errors.NOT_AUTHENTICATED), found)
    return normal(client, args)


def guarded(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a client whose user may not do everything."""
    entry = client.server.commands.get(args[0])
    if entry is None or entry.subcommands is not None or not entry.least <= len(args) <= entry.most:
        found = find(client.server, args)
        if isinstance(found, CommandError):
            return reject(client, args, found)
        entry = found
    # What can't be queued is refused as that.
    if client.transaction is None or not entry.flags & table.NO_MULTI:
        denied = denial(client.user, entry, args)
        if denied is not None:
            client.last_command = entry.full_name  # as the log shows the client
            return reject(client, args, refusal(client, denied, entry, args), entry)
    return client.unguarded(client, args)


def delivering(client: Client, args: list[bytes]) -> Reply:
    """Run a request, but first send the messages that followed the reply to the last one."""
    client.deliver_kept()
    return client.execute(client, args)


def tracking(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a client that caches what it reads: what that is, is remembered (:mod:`server.tracking`)."""
    server = client.server
    table, mine = server.tracking, client.tracking
    assert mine is not None
    before, table.current = table.current, client
    attention = server.attention & TRACKED
    server.attention |= TRACKED
    try:
        return mine.execute(client, args)
    finally:
        table.current = before
        if not attention:
            server.attention &= ~TRACKED
        # CLIENT CACHING is said for the next command, or for all of the next transaction.
        if mine.caching and client.transaction is None and args[0].lower() != b"client":
            mine.caching = False


STATES = States(normal, queueing, subscribed, unauthenticated, guarded, delivering, tracking)


# ------------------------------------------------------------ inside others


def call(client: Client, entry: CommandEntry, args: list[bytes]) -> Reply:
    """Run a command inside EXEC or a script: counted and recorded as its own, but with nothing around it.

    Blocking is up to the caller (``client.can_block``).
    """
    server = client.server
    keyspace = server.keyspace
    before = keyspace.dirty
    touching = keyspace.touching
    if client.no_touch:
        keyspace.touching = touching if entry.full_name == b"touch" else TOUCH_NOT
    current, client.current = client.current, args
    start = perf_counter()
    try:
        reply = entry.handler(client, *args[entry.skip :])
    except CommandError as error:
        entry.failed += 1
        server.count_error(error.code)
        reply = error.with_traceback(None)
    except Exception:
        reply = internal_error_of(client, entry, args)
    finally:
        client.current = current
        if keyspace.touching == TOUCH_NOT:  # else CONFIG SET has just chosen another policy
            keyspace.touching = touching
    seconds = perf_counter() - start
    if server.attention & _OBSERVED:
        _observe(client, entry, args)
    samples = entry.samples  # entry.record(seconds), without the call
    samples.append(seconds)
    if len(samples) >= MOST_SAMPLES:
        entry.fold()
    if seconds >= server.slow_threshold:
        took_long(client, entry, args, seconds)
    if server.effects.active:
        if keyspace.dirty != before or server.effects.forced:
            server.effects.record(client.db.index, args)
        else:
            server.effects.abandon()
    return reply


def call_permitted(client: Client, entry: CommandEntry, args: list[bytes]) -> Reply:
    """Run a command inside EXEC, if the client's user may still run it."""
    denied = denial(client.user, entry, args) if client.user.restricted else None
    if denied is None:
        return call(client, entry, args)
    note_denial(client, denied, entry, args, b"multi")
    error = errors.not_permitted_any_more(denied.reason)
    client.server.count_error(error.code)
    return error


# ------------------------------------------------------------- the slow way


def _run_attentively(client: Client, entry: CommandEntry, args: list[bytes]) -> Reply:
    """Run a command while something wants to know of every one, or may hold it back."""
    server = client.server
    keyspace = server.keyspace
    attention = server.attention
    refusal = _refusal(client, entry, args)
    if refusal is not None:
        return reject(client, args, refusal, entry)
    if attention & PAUSED and (postponed := _postponed(client, entry, args)) is not None:
        return postponed
    before = keyspace.dirty
    touching = keyspace.touching
    if client.no_touch and entry.full_name not in _TOUCHES:
        keyspace.touching = TOUCH_NOT
    database = client.db.index
    start = perf_counter()
    try:
        reply = entry.handler(client, *args[entry.skip :])
    except CommandError as error:
        entry.failed += 1
        reply = error.with_traceback(None)
        server.count_error(error.code)
    except Exception:
        reply = internal_error_of(client, entry, args)
    finally:
        if keyspace.touching == TOUCH_NOT:  # else CONFIG SET has just chosen another policy
            keyspace.touching = touching
    seconds = perf_counter() - start
    if attention & _OBSERVED:
        _observe(client, entry, args)
    if type(reply) is Deferred:
        if attention & EFFECTS:
            # XREADGROUP may have made a consumer before it found that it has to wait.
            if keyspace.dirty != before:
                server.effects.record(database, args)
                server.pending = True
            else:
                server.effects.abandon()
        return _when_served(client, entry, args, reply, seconds)
    entry.record(seconds)
    if seconds >= server.slow_threshold:
        took_long(client, entry, args, seconds)
    client.last_command = entry.full_name
    if attention & EFFECTS:
        # EXEC and scripts have recorded what ran inside them.
        if (
            keyspace.dirty != before and entry.flags & (table.WRITE | table.MAY_REPLICATE)
        ) or server.effects.forced:
            server.effects.record(database, args)
        else:
            server.effects.abandon()
        server.pending = True
    if server.pending:
        server.settle()
    if keyspace.dirty != before:
        client.write_offset = server.replication.offset
    return reply


def took_long(client: Client, entry: CommandEntry, args: list[bytes], seconds: float) -> None:
    """Note a slow command: in the slow log, and as an event of the latency monitor."""
    server = client.server
    if seconds >= server.slow_log.threshold and not entry.flags & table.SKIP_SLOWLOG:
        server.slow_log.note(client, args, seconds)
    server.latency.note(b"fast-command" if entry.flags & table.FAST else b"command", seconds)


def _observe(client: Client, entry: CommandEntry, args: list[bytes]) -> None:
    """Show a command that has run to those who monitor, and remember what a tracking client has read."""
    server = client.server
    # After the command, as Redis: EXEC ends what is inside it, and SELECT is shown where it led.
    if (
        server.attention & MONITORED
        and not entry.flags & (table.SKIP_MONITOR | table.ADMIN)
        and not server.attention & LOADING
    ):
        server.on_monitor(client, args)
    if server.tracking.current is not None:
        _remember(server.tracking.current, entry, args)


def _remember(client: Client, entry: CommandEntry, args: list[bytes]) -> None:
    """A client has run a command, which may be one inside a script: remember what it has read, if it tracks that."""
    if client.tracking is None or client.tracking.skips or not entry.flags & table.READONLY:
        return
    # A script's keys are those that it reads, not those that it may read.
    if not entry.flags & table.PUBSUB and entry.full_name not in _READING_SCRIPTS:
        client.server.tracking.remember(client, [found.key for found in keys_of(entry.command, args)])


def _refusal(client: Client, entry: CommandEntry, args: list[bytes]) -> CommandError | None:
    """Why the state of the server forbids this command now, in Redis' order of checks; or None."""
    attention = client.server.attention
    if not attention & _REFUSING and client.replica is None:
        return None
    flags = entry.flags if entry.refine is None else entry.refine(args)
    missing = ~flags
    if entry.full_name == b"exec" and client.transaction is not None:
        flags |= client.transaction.flags
        missing |= client.transaction.missing
    if client.is_master:
        # What it has done is done.
        return None
    server = client.server
    if attention & LIMITED_CLIENTS:
        server.client_memory.changed(client)
    master = server.replication.master
    ignored = master is not None and server.configuration[b"replica-ignore-maxmemory"]
    if attention & LIMITED_MEMORY and not ignored:
        # The command has not begun: a client hears of what is evicted before it gets the reply.
        server.tracking.executing = False
        fits = make_room(server)
        server.tracking.executing = True
        if not fits and flags & table.DENYOOM:
            return CommandError(errors.OUT_OF_MEMORY)
    if attention & UNWRITABLE and master is None and (flags & table.WRITE or entry.full_name == b"ping"):
        return CommandError(server.disk_error)
    if attention & WITHOUT_REPLICAS and flags & table.WRITE and server.replication.refuses_to_write():
        return CommandError(errors.NO_REPLICAS)
    if master is not None:
        if flags & table.WRITE and server.configuration[b"replica-read-only"]:
            return CommandError(errors.READ_ONLY_REPLICA)
        stale = not master.connected and not server.configuration[b"replica-serve-stale-data"]
        if stale and missing & table.STALE:
            return CommandError(errors.MASTER_DOWN)
    if attention & LOADING:
        refused = flags & table.NO_ASYNC_LOADING if server.loading.asynchronous else missing & table.LOADING
        if refused:
            return CommandError(errors.LOADING)
    if attention & BUSY and missing & table.ALLOW_BUSY and server.scripting.running is not None:
        return server.scripting.running.busy()
    if client.replica is not None and client.replica.attached and flags & _ON_KEYS:
        return CommandError(errors.REPLICA_ONLY_FOLLOWS)
    return None


def concerned_by_pause(client: Client, entry: CommandEntry, args: list[bytes]) -> bool:
    """Whether the pause that is on holds this command back."""
    if client.server.pause_all:
        return True
    flags = entry.flags if entry.refine is None else entry.refine(args)
    if entry.full_name == b"exec" and client.transaction is not None:
        flags |= client.transaction.flags
    return bool(flags & _PAUSED_WRITES)


def _postponed(client: Client, entry: CommandEntry, args: list[bytes]) -> Deferred[Reply] | None:
    """Hold a command back while clients are paused; None where the pause does not concern it.

    (While all commands are held back that goes for CLIENT UNPAUSE as well, as in Redis.)
    """
    server = client.server
    if client.is_master or (client.replica is not None and client.replica.attached):
        return None
    if not concerned_by_pause(client, entry, args):
        return None
    client.last_command = entry.full_name
    gate: Deferred[None] = Deferred()
    server.postponed[gate] = client

    def go_on(_: None) -> Reply:
        # One that was let go before it may have disconnected it.
        return NO_REPLY if client.closing else client.run_apart(lambda: client.execute(client, args))

    return gate.addCallback(go_on)


def _when_served(
    client: Client, entry: CommandEntry, args: list[bytes], reply: Deferred[Reply], seconds: float
) -> Deferred[Reply]:
    """A command has parked its client: count it when its reply is there."""
    client.last_command = entry.full_name
    server, parked = client.server, client.parked
    if server.pending:
        server.settle()

    def count(value: Reply) -> Reply:
        if isinstance(value, RefusalError):
            entry.rejected += 1
            server.count_error(value.code)
            return value
        spent = seconds if parked is None else seconds + parked.seconds
        entry.record(spent)
        _remember(client, entry, args)
        if spent >= server.slow_threshold:
            took_long(client, entry, args, spent)
        if isinstance(value, CommandError):
            entry.failed += 1
            server.count_error(value.code)
        return value

    return reply.addCallback(count)


def reject(
    client: Client, args: list[bytes], error: CommandError, entry: CommandEntry | None = None
) -> Reply:
    """Refuse a request before it ran, which spoils or (EXEC) ends a transaction.

    :param entry: the command that is refused and counts it; None where it was not found, or is counted
        already.
    """
    name = args[0].lower()
    if entry is not None:
        entry.rejected += 1
        client.last_command = entry.full_name
    elif name in _HTTP:
        _log.warn(
            "Possible SECURITY ATTACK detected: {client} speaks HTTP. Connection aborted.", client=client
        )
        client.close(False)
        return NO_REPLY
    else:
        client.last_command = b"NULL"
    if name == b"exec":
        client.discard_transaction()
        error = errors.exec_aborted(error)
        if client.server.attention & MONITORED:
            # MULTI was shown, and who looks on is to see that it is over.
            client.server.on_monitor(client, args)
    elif client.transaction is not None:
        client.transaction.failed = True
    client.current = []
    client.server.count_error(error.code)
    return error


def internal_error_of(client: Client, entry: CommandEntry, args: list[bytes]) -> CommandError:
    """A handler failed in a way that no handler should: say so in the log, and go on serving."""
    _log.failure(
        "{command} failed for {client}: {args}",
        command=entry.full_name.decode(),
        client=client,
        args=[arg[:64] for arg in redacted(args)[:8]],
    )
    entry.failed += 1
    error = errors.internal_error(entry.full_name)
    client.server.count_error(error.code)
    return error
