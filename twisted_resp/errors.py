"""Errors that clients see: one exception, and every shared sentence written once.

A sentence starts with its code (``ERR``, ``WRONGTYPE``, ...), as it goes over the wire.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CommandError",
    "ProtocolError",
    "RefusalError",
    "internal_error",
    "invalid_expire_time",
    "not_between",
    "unknown_command",
    "unknown_subcommand",
    "wrong_arity",
]


class CommandError(Exception):
    """An error reply: raised by a command handler, or held in a reply as a value.

    :param message: the whole line as sent, code first, without the leading ``-``.
    """

    def __init__(self, message: bytes | str) -> None:
        self.message: bytes = (
            message.encode("utf-8", "surrogateescape") if isinstance(message, str) else message
        )
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message.decode("utf-8", "backslashreplace")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CommandError) and other.message == self.message

    def __hash__(self) -> int:
        return hash(self.message)

    @property
    def code(self) -> bytes:
        """The first word, which INFO's errorstats count by."""
        return self.message.split(b" ", 1)[0]


class RefusalError(CommandError):
    """An error reply to a command that was not run: it counts as rejected, not as failed."""


class ProtocolError(Exception):
    """A request that can't be decoded. The client is told, and then disconnected.

    :param message: the error reply's text, code first.
    """

    def __init__(self, message: bytes) -> None:
        self.message = message
        super().__init__(message)


WRONG_TYPE: Final = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX: Final = b"ERR syntax error"
NOT_AN_INTEGER: Final = b"ERR value is not an integer or out of range"
OUT_OF_RANGE: Final = b"ERR value is out of range"
MUST_BE_POSITIVE: Final = b"ERR value is out of range, must be positive"
NOT_A_FLOAT: Final = b"ERR value is not a valid float"
NO_SUCH_KEY: Final = b"ERR no such key"
INDEX_OUT_OF_RANGE: Final = b"ERR index out of range"
SAME_OBJECT: Final = b"ERR source and destination objects are the same"
INCREMENT_OVERFLOW: Final = b"ERR increment or decrement would overflow"
NAN_OR_INFINITY: Final = b"ERR increment would produce NaN or Infinity"
STRING_TOO_LONG: Final = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
OFFSET_OUT_OF_RANGE: Final = b"ERR offset is out of range"
DB_INDEX_OUT_OF_RANGE: Final = b"ERR DB index is out of range"
INVALID_CURSOR: Final = b"ERR invalid cursor"
INVALID_TIMEOUT: Final = b"ERR timeout is not a float or out of range"
INVALID_INTEGER_TIMEOUT: Final = b"ERR timeout is not an integer or out of range"
TIMEOUT_OUT_OF_RANGE: Final = b"ERR timeout is out of range"
NUMKEYS_NOT_POSITIVE: Final = b"ERR numkeys should be greater than 0"
TOO_MANY_KEYS: Final = b"ERR Number of keys can't be greater than number of args"
NEGATIVE_LIMIT: Final = b"ERR LIMIT can't be negative"
COUNT_NOT_POSITIVE: Final = b"ERR count should be greater than 0"
NEGATIVE_TIMEOUT: Final = b"ERR timeout is negative"
EXEC_ABORTED: Final = b"EXECABORT Transaction discarded because of previous errors."
NOT_IN_TRANSACTION: Final = b"ERR Command not allowed inside a transaction"
NOT_AUTHENTICATED: Final = b"NOAUTH Authentication required."
WRONG_PASSWORD: Final = b"WRONGPASS invalid username-password pair or user is disabled."
LOADING: Final = b"LOADING Redis is loading the dataset in memory"
OUT_OF_MEMORY: Final = b"OOM command not allowed when used memory > 'maxmemory'."
CANNOT_SAVE: Final = (
    b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    b"may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    b"snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    b"error."
)
NO_REPLICAS: Final = b"NOREPLICAS Not enough good replicas to write."
READ_ONLY_REPLICA: Final = b"READONLY You can't write against a read only replica."
MASTER_DOWN: Final = b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
REPLICA_ONLY_FOLLOWS: Final = b"ERR Replica can't interact with the keyspace"
MAX_CLIENTS: Final = b"ERR max number of clients reached"
CANNOT_SHUT_DOWN: Final = b"ERR Errors trying to SHUTDOWN. Check logs."
PROTECTED_MODE: Final = (
    b"DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside."
)
UNBLOCKED: Final = b"UNBLOCKED client unblocked via CLIENT UNBLOCK"


def wrong_arity(full_name: bytes) -> CommandError:
    """The arity error; ``full_name`` as INFO writes it (``get``, ``client|list``)."""
    return CommandError(b"ERR wrong number of arguments for '%b' command" % full_name)


def internal_error(full_name: bytes) -> CommandError:
    """What a client hears where a handler failed in a way that no handler should."""
    return CommandError(b"ERR internal error in '%b'; the server's log has the details" % full_name)


def invalid_expire_time(full_name: bytes) -> CommandError:
    """What SET, EXPIRE and their kin say of a time that is out of range."""
    return CommandError(b"ERR invalid expire time in '%b' command" % full_name)


def not_between(least: int, most: int) -> CommandError:
    """What an integer outside of a command's range gets."""
    return CommandError(b"ERR value is out of range, value must between %d and %d" % (least, most))


def not_while_subscribed(full_name: bytes) -> CommandError:
    """What a RESP2 client with subscriptions gets for most commands."""
    return CommandError(
        b"ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        b"in this context" % full_name
    )


def not_while_blocking_is_denied(command: bytes) -> CommandError:
    """What a subscription gets where every command has to have one reply; ``command`` in capitals."""
    return CommandError(b"ERR %b isn't allowed for a DENY BLOCKING client" % command)


def not_allowed(command: bytes, parameter: bytes) -> CommandError:
    """What a command gets that a parameter of the configuration forbids, or allows to local clients only."""
    return CommandError(
        b'ERR %b command not allowed. If the %b option is set to "local", you can run it from a local connection, '
        b"otherwise you need to set this option in the configuration file, and then restart the server."
        % (command, parameter)
    )


def exec_aborted(reason: CommandError) -> CommandError:
    """What EXEC itself gets when it is refused."""
    message = reason.message
    return CommandError(
        b"EXECABORT Transaction discarded because of: " + (message[4:] if message[:4] == b"ERR " else message)
    )


def not_permitted_any_more(reason: bytes) -> CommandError:
    """What a queued command gets that the user could run when it was queued.

    :param reason: what is not allowed: ``command``, ``key`` or ``channel``.
    """
    return CommandError(
        b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
        b"command is no longer allowed for the following reason: " + _NOT_PERMITTED[reason]
    )


_NOT_PERMITTED: Final = {
    b"command": b"no permission to execute the command or subcommand",
    b"key": b"no permission to touch the specified keys",
    b"channel": b"no permission to access one of the channels used as arguments",
}


def shown(data: bytes) -> bytes:
    """An argument as an error shows it: up to the first NUL, as C does, and on one line."""
    return data.partition(b"\0")[0].replace(b"\r", b" ").replace(b"\n", b" ")


def unknown_command(args: list[bytes], before_7: bool = False) -> CommandError:
    """What an unknown name gets: the name and the first arguments, each list cut at 128 bytes.

    :param before_7: whether to quote them as versions before 7.0 did.
    """
    quoted = b"`%b`, " if before_7 else b"'%b' "
    first = b""
    for arg in args[1:]:
        if len(first) >= 128:
            break
        first += quoted % shown(arg[: 128 - len(first)])
    sentence = b"ERR unknown command `%b`, " if before_7 else b"ERR unknown command '%b', "
    return CommandError(sentence % shown(args[0][:128]) + b"with args beginning with: " + first)


def unknown_subcommand(container: bytes, subcommand: bytes) -> CommandError:
    """What a container command (CLIENT, CONFIG, ...) says of a subcommand that it does not have."""
    return CommandError(
        b"ERR unknown subcommand '%b'. Try %b HELP." % (shown(subcommand[:128]), container.upper())
    )


def subcommand_syntax(container: bytes, subcommand: bytes) -> CommandError:
    """What a subcommand says of too many arguments where its declared arity lets them pass."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (shown(subcommand[:128]), container)
    )
