"""SAVE, BGSAVE and LASTSAVE, of the server group, and DEBUG RELOAD."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, cast

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.debug import add_subcommand
from twisted_resp.commands.table import (
    ADMIN,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    command,
)
from twisted_resp.errors import CommandError
from twisted_resp.persistence.snapshots import Snapshots
from twisted_resp.rdb.format import NEWEST, RdbError
from twisted_resp.resp import OK, Reply, Status
from twisted_resp.server.client import Client

__all__: list[str] = []

GROUP = "server"

_log = Logger()

# All that Redis says of a save that failed; the log has the reason.
_FAILED: Final = b"ERR"
_IN_PROGRESS: Final = b"ERR Background save already in progress"
_STARTED: Final = Status(b"Background saving started")
_SCHEDULED: Final = Status(b"Background saving scheduled")
_RELOAD_OPTIONS: Final = frozenset((b"merge", b"noflush", b"nosave"))


def _snapshots(client: Client) -> Snapshots:
    return cast(Snapshots, client.server.saving)


@command(
    "SAVE",
    NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI,
    since="1.0.0",
    complexity="O(N) where N is the total number of keys in all databases",
)
def save(client: Client) -> Reply:
    """Synchronously saves the database(s) to disk."""
    snapshots = _snapshots(client)
    if snapshots.in_progress:
        raise CommandError(_IN_PROGRESS)
    try:
        snapshots.save()
    except OSError:
        raise CommandError(_FAILED) from None
    return OK


@command(
    "BGSAVE [SCHEDULE]",
    NO_ASYNC_LOADING | ADMIN | NOSCRIPT,
    since="1.0.0",
    complexity="O(1)",
    argument_since={"schedule": "3.2.2"},
    history=[("3.2.2", "Added the `SCHEDULE` option.")],
)
def bgsave(client: Client, *options: bytes) -> Reply:
    """Asynchronously saves the database(s) to disk."""
    if options and (len(options) > 1 or options[0].lower() != b"schedule"):
        raise CommandError(errors.SYNTAX)
    snapshots = _snapshots(client)
    if snapshots.in_progress:
        raise CommandError(_IN_PROGRESS)
    if client.in_exec:
        # Not in the middle of a transaction.
        client.server.clock.callLater(0, _save_later, snapshots)
        return _SCHEDULED
    try:
        snapshots.save_in_background()
    except OSError:
        raise CommandError(_FAILED) from None
    return _STARTED


def _save_later(snapshots: Snapshots) -> None:
    if not (snapshots.in_progress or snapshots.is_loading):
        with suppress(OSError):  # it was logged
            snapshots.save_in_background()


@command(
    "LASTSAVE",
    LOADING | STALE | FAST,
    since="1.0.0",
    complexity="O(1)",
    acl=["admin", "dangerous"],
    tips=["nondeterministic_output"],
)
def lastsave(client: Client) -> Reply:
    """Returns the Unix timestamp of the last successful save to disk."""
    return client.server.saving.last_save


def _reload(client: Client, *options: bytes) -> Reply:
    """Save, empty the databases, and load the file; the options leave out parts of that."""
    words = {option.lower() for option in options}
    if not words <= _RELOAD_OPTIONS:
        raise CommandError(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    snapshots = _snapshots(client)
    keyspace = client.server.keyspace
    dirty = keyspace.dirty
    if b"nosave" not in words:
        try:
            # What comes back is to be what went: in the newest version, which has room for all of it.
            snapshots.save(NEWEST)
        except OSError:
            raise CommandError(_FAILED) from None
    if b"noflush" not in words:
        keyspace.flush()
        client.server.scripting.flush_libraries()
    try:
        snapshots.load(b"merge" in words)
    except (OSError, RdbError) as error:
        _log.error("DEBUG RELOAD: {path}: {error}", path=snapshots.path, error=error)
        raise CommandError(b"ERR Error trying to load the RDB dump, check server logs.") from None
    finally:
        # The data are what they were: nobody needs to be told.
        keyspace.dirty = dirty
    return OK


def _skip_checks(client: Client, value: bytes) -> Reply:
    client.server.saving.checks = value == b"0"
    return OK


add_subcommand(
    b"SET-SKIP-CHECKSUM-VALIDATION",
    1,
    1,
    _skip_checks,
    b"""SET-SKIP-CHECKSUM-VALIDATION <0|1>
    Enables or disables checksum checks for RDB files and RESTORE's payload.
""",
)

add_subcommand(
    b"RELOAD",
    0,
    3,
    _reload,
    b"""RELOAD [option ...]
    Save the RDB on disk and reload it back to memory. Valid <option> values:
    * MERGE: conflicting keys will be loaded from RDB.
    * NOFLUSH: the existing database will not be removed before load, but
      conflicting keys are an error.
    * NOSAVE: the database will be loaded from an existing RDB file.
""",
)
