"""The faults of one server: how a test makes them, and where they meet commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from twisted.internet.interfaces import IListeningPort

from twisted_resp.protocol import RespFactory
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.testing.calls import Call, Pattern, matcher
from twisted_resp.testing.entry import InjectedError
from twisted_resp.testing.faults.commands import (
    Cut,
    Delay,
    Dribble,
    Drop,
    ErrorReply,
    Hang,
    SlowAccept,
)
from twisted_resp.testing.faults.conditions import ClientConditions, Conditions, Frequency, Selection
from twisted_resp.testing.faults.connections import Down, FailedDisk, LostMessages, Refusal
from twisted_resp.testing.faults.fault import CommandFault, Fault
from twisted_resp.testing.faults.hooks import ConnectionHook, MessageHook

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from twisted_resp.server.interception import Execute
    from twisted_resp.server.statistics import CommandEntry

__all__ = ["Faults"]

F = TypeVar("F", bound=Fault)
_FREQUENCY = ("times", "skip", "every", "probability")


class Faults:
    """What goes wrong in a server, at a test's command.

    >>> with server.faults.error("GET", keys="user:*", times=2, reply="LOADING") as fault:
    ...     assert fetch_user(client, 7) is not None  # it tried again
    >>> assert fault.hits == 2

    Each method adds a fault and answers it; the end of a ``with`` statement, its ``remove()`` or :meth:`clear` end it.
    Faults strike connections only: what a test does by ``server.call`` goes through. ``commands`` are names (``GET``,
    ``CONFIG SET``), globs (``H*``) or categories (``@write``); none means any. The other conditions are those of
    :class:`~twisted_resp.testing.faults.conditions.Conditions`. As long as there are no faults they cost nothing.

    Faults of the same command act together: it is delayed first, then refused or dropped, and what comes back is cut
    or dribbled. Among errors, the one that was added first wins.

    :param factory: the server.
    :ivar run: calls a function in the server's thread, and waits for what it answers; by default this is the thread.
    :ivar ports: answers the ports that it listens on, for :meth:`down`; None where nobody knows.
    """

    def __init__(self, factory: RespFactory) -> None:
        self.factory = factory
        self.server = factory.server
        self.run: Callable[..., Any] = _call
        self.ports: Callable[[], Sequence[IListeningPort]] | None = None
        self._random = Random(0)
        self._random_is_new = True  # to seed it takes longer than most resets
        self._all: list[Fault] = []
        #: Those of commands, in the order in which they act.
        self._of_commands: tuple[CommandFault, ...] = ()
        self._errors: tuple[ErrorReply, ...] = ()
        self._guarded: list[tuple[CommandEntry, Any]] = []
        self._connections = ConnectionHook(factory)
        self._messages = MessageHook(self.server.channels)
        #: The call that runs now, while commands inside it may fail too.
        self._outer: Call | None = None

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Faults {self._all!r}>"

    @property
    def hits(self) -> int:
        """How often those that are in force have struck, together."""
        return sum(fault.hits for fault in self._all)

    def seed(self, seed: int) -> None:
        """Begin the random choices of faults with a ``probability`` anew. They begin with 0."""
        self._random_is_new = False
        self._random.seed(seed)

    # -- commands

    def error(
        self,
        *commands: str | bytes,
        reply: str | bytes | Callable[[Call], str | bytes] = "ERR fault injected by a test",
        to: str | bytes | None = None,
        **conditions: Unpack[Conditions],
    ) -> ErrorReply:
        """Answer commands with an error instead of running them.

        :param reply: any text, code first; or the code alone of ``LOADING BUSY READONLY OOM NOAUTH MISCONF MASTERDOWN
            NOREPLICAS CLUSTERDOWN CROSSSLOT TRYAGAIN MOVED ASK NOSCRIPT WRONGTYPE`` for Redis's own sentence. Where no
            ``commands`` are given these concern the commands that a Redis in that state refuses: ``READONLY`` those
            that write. Or a function that is called with each call and answers the text.
        :param to: the ``host:port`` that MOVED and ASK name.

        As in Redis a command after MULTI that would be refused is not queued, and EXEC fails; other errors come when
        EXEC runs it. Commands in scripts fail too.
        """
        selection, frequency = self._conditions(commands, conditions)
        return self._add(ErrorReply(self, selection, frequency, reply, to))

    def delay(
        self,
        seconds: float,
        *commands: str | bytes,
        when: str = "before",
        **conditions: Unpack[Conditions],
    ) -> Delay:
        """Let commands take their time.

        The replies of a connection keep their order; other connections are not held up.

        :param seconds: by the server's clock, so that a test that has stopped it decides when they are over.
        :param when: ``"before"`` a command is run, or ``"after"`` that: then only its reply is late.
        """
        selection, frequency = self._conditions(commands, conditions)
        return self._add(Delay(self, selection, frequency, seconds, when))

    def hang(self, *commands: str | bytes, **conditions: Unpack[Conditions]) -> Hang:
        """Accept connections, read commands, and never answer. When the fault ends they are run, in their order."""
        selection, frequency = self._conditions(commands, conditions)
        return self._add(Hang(self, selection, frequency))

    def drop(
        self,
        *commands: str | bytes,
        when: str = "before",
        reset: bool = False,
        **conditions: Unpack[Conditions],
    ) -> Drop:
        """Close the connection of who sends a command.

        :param when: ``"before"`` it is run; ``"after"`` it was run, but before its reply; or when that is
            ``"replied"``. The replies to what was sent before it arrive.
        :param reset: with a reset (RST) instead: what is not sent yet is lost.
        """
        selection, frequency = self._conditions(commands, conditions)
        return self._add(Drop(self, selection, frequency, when, reset))

    def cut(self, *commands: str | bytes, at: int | None = None, **conditions: Unpack[Conditions]) -> Cut:
        """Close the connection in the middle of a reply.

        :param at: after so many of its bytes; negative to count from its end, None for the half.
        """
        selection, frequency = self._conditions(commands, conditions)
        return self._add(Cut(self, selection, frequency, at))

    def dribble(
        self,
        *commands: str | bytes,
        pause: float = 0.0,
        size: int = 1,
        **conditions: Unpack[Conditions],
    ) -> Dribble:
        """Send replies in small pieces.

        :param pause: seconds between two of them, by the server's clock.
        :param size: bytes of a piece.
        """
        selection, frequency = self._conditions(commands, conditions)
        return self._add(Dribble(self, selection, frequency, pause, size))

    # -- states of the server

    def loading(self, **conditions: Unpack[Conditions]) -> ErrorReply:
        """The server is loading its data: most commands get a LOADING error."""
        return self.error(reply="LOADING", **conditions)

    def out_of_memory(self, **conditions: Unpack[Conditions]) -> ErrorReply:
        """There is no memory: what may need some gets an OOM error."""
        return self.error(reply="OOM", **conditions)

    def read_only(self, **conditions: Unpack[Conditions]) -> ErrorReply:
        """The server has become a replica: writes get a READONLY error."""
        return self.error(reply="READONLY", **conditions)

    def failed_disk(self, **conditions: Unpack[Conditions]) -> FailedDisk:
        """The disk is full: SAVE and BGSAVE fail, INFO says so, and writes get a MISCONF error.

        With an append-only file each attempt to use the disk counts, and writes are refused once one has failed.
        """
        selection, frequency = self._conditions((), conditions)
        return self._add(FailedDisk(self, selection, frequency))

    # -- connections

    def refuse(
        self,
        *,
        reply: str | bytes | None = None,
        times: int | None = None,
        skip: int = 0,
        every: int = 1,
        probability: float = 1.0,
    ) -> Refusal:
        """Accept new connections and close them at once; those that are there stay.

        :param reply: an error that they are told first, such as ``ERR max number of clients reached``.
        """
        text = reply.encode() if isinstance(reply, str) else reply
        return self._add(Refusal(self, Frequency(self._random, times, skip, every, probability), text))

    def slow_accept(self, seconds: float, **conditions: Unpack[Conditions]) -> SlowAccept:
        """Serve new connections only when they are so old (seconds by the server's clock)."""
        selection, frequency = self._conditions((), conditions)
        return self._add(SlowAccept(self, selection, frequency, seconds))

    def down(self, ports: Sequence[IListeningPort] | None = None) -> Down:
        """Stop listening and drop everybody, as if the server had died. It comes back, on the same port, with its data.

        :param ports: what ``listenTCP`` answered; not needed for a ``ServerThread``.
        :raises ValueError: nobody knows the ports.
        """
        if ports is None:
            if self.ports is None:
                raise ValueError("which ports? Say down([port])")
            ports = self.ports()
        return self._add(Down(self, Frequency(self._random), ports))

    def disconnect(
        self,
        client: str | bytes | int | None = None,
        address: Pattern | None = None,
        subscribers: bool = False,
    ) -> int:
        """Close the connections that are there now; answers how many.

        :param client: only those with a name that matches this glob, or with this id.
        :param address: only those whose ``ip:port`` matches.
        :param subscribers: only those with subscriptions.
        """
        selection = Selection(client=client, address=address)

        def disconnect() -> int:
            chosen = [
                each
                for each in self.server.clients.values()
                if selection.includes_client(each) and (not subscribers or each.subscriptions)
            ]
            for each in chosen:
                each.kill()
            return len(chosen)

        answer: int = self.run(disconnect)
        return answer

    # -- messages

    def lose_messages(
        self,
        channels: Pattern | None = None,
        *,
        disconnect: bool = False,
        **conditions: Unpack[ClientConditions],
    ) -> LostMessages:
        """Lose messages of pub/sub on their way to subscribers; who publishes them does not notice.

        :param channels: a glob, or several; None for all.
        :param disconnect: drop the subscriber's connection with it.
        :param conditions: ``client``, ``address`` and so on are the subscriber's; each loss counts.
        :raises TypeError: conditions of commands, ``keys`` and ``where``: a message has neither.
        """
        for name in ("keys", "where"):
            if name in conditions:
                raise TypeError(f"lose_messages() takes no {name}=: a message is no command")
        selection, frequency = self._conditions((), conditions)
        return self._add(LostMessages(self, frequency, selection, matcher(channels), disconnect))

    # -- coming and going

    def remove(self, fault: Fault) -> None:
        """End a fault. One that has ended already stays so."""
        if fault.active:
            self.run(self._remove, fault)

    def clear(self) -> None:
        """End all faults, and begin the random choices anew."""
        self.run(self.reset)

    def _add(self, fault: F) -> F:
        def add() -> Any:
            fault.active = True
            self._random_is_new = False
            self._all.append(fault)
            self._arrange()
            return fault.begin()

        self.run(add)
        return fault

    def _remove(self, fault: Fault) -> None:
        if fault.active:
            fault.active = False
            self._all.remove(fault)
            self._arrange()
            fault.end()

    def reset(self) -> None:
        """:meth:`clear`, in the server's thread."""
        if self._random_is_new and not self._all:
            return
        for fault in self._all[:]:
            self._remove(fault)
        self._random.seed(0)
        self._random_is_new = True

    def _conditions(
        self, commands: Sequence[str | bytes], conditions: ClientConditions
    ) -> tuple[Selection, Frequency]:
        given: dict[str, Any] = dict(conditions)
        frequency = {name: given.pop(name) for name in _FREQUENCY if name in given}
        return Selection(commands, **given), Frequency(self._random, **frequency)

    # -- in the server's thread

    def _arrange(self) -> None:
        """Be in the way of commands where there are faults for them, and only then."""
        present = bool(self._of_commands)
        found = [fault for fault in self._all if isinstance(fault, CommandFault)]
        self._of_commands = tuple(sorted(found, key=lambda fault: fault.stage))
        if bool(found) != present:
            if found:
                self.server.interception.add(self._meet)
                self.server.on_gone.append(self._gone)
            else:
                self.server.interception.remove(self._meet)
                self.server.on_gone.remove(self._gone)
        self._connections.arrange([fault for fault in self._all if isinstance(fault, Refusal)])
        self._messages.arrange([fault for fault in self._all if isinstance(fault, LostMessages)])
        errors = tuple(fault for fault in self._of_commands if isinstance(fault, ErrorReply))
        if bool(errors) != bool(self._errors):
            self._guard(bool(errors))
        self._errors = errors

    def _guard(self, guarded: bool) -> None:
        """Look at commands inside transactions and scripts as well, or let them be."""
        for entry, handler in self._guarded:
            entry.handler = handler
        self._guarded = []
        if guarded:
            for entry in self.server.entries():
                if entry.handler is not None:
                    self._guarded.append((entry, entry.handler))
                    entry.handler = partial(self._inside, entry, entry.handler)

    def _gone(self, client: Client) -> None:
        for fault in self._all:
            fault.gone(client)

    def _meet(self, client: Client, args: list[bytes], go_on: Execute) -> Reply:
        call = Call(client, args)
        return self._next(self._of_commands, 0, call, partial(self._execute, call, go_on))

    def _next(
        self, faults: tuple[CommandFault, ...], place: int, call: Call, execute: Callable[[], Reply]
    ) -> Reply:
        """Hand a call to the next fault that strikes it, or to the server."""
        while place < len(faults):
            fault = faults[place]
            place += 1
            if fault.active and fault.strikes(call):
                return fault.act(call, partial(self._next, faults, place, call, execute))
        return execute()

    def _execute(self, call: Call, go_on: Execute) -> Reply:
        outer, self._outer = self._outer, call
        try:
            return go_on(call.client, call.args)
        finally:
            self._outer = outer

    def _inside(
        self, entry: CommandEntry, handler: Callable[..., Reply], client: Client, *args: bytes
    ) -> Reply:
        """Run a command, unless it is inside a transaction or a script and a fault strikes it there."""
        outer = self._outer
        if outer is not None and (client.in_exec or client is not outer.client):
            call = Call(outer.client, client.current, entry)
            for fault in self._errors:
                if fault.active and fault.strikes_inside(client, call):
                    raise InjectedError(fault.message_for(call))
        return handler(client, *args)


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
