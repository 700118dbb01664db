"""The server as a Twisted service: the factory, and the ports that it listens on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_resp.listening import ListenError, Listeners
from twisted_resp.persistence.loading import LoadInSlices, load_now
from twisted_resp.protocol import RespFactory
from twisted_resp.rdb.format import RdbError
from twisted_resp.replication.feed import Feed
from twisted_resp.replication.link import follow
from twisted_resp.seeds import SeedError, export, seed
from twisted_resp.server.loading import Steps
from twisted_resp.transports import address_text

__all__ = ["ListenError", "LoadError", "RespService"]


class LoadError(Exception):
    """A snapshot or append-only file that can't be loaded; the message is one line for the operator."""


class RespService(Service):
    """Listens on endpoints while it runs; stopping it disconnects clients and releases the ports.

    :param factory: the server.
    :param endpoints: where to listen, each with the words that an error names it by (``port 6379``).
    :param load: whether to load the data, if there are any, when it starts for the first time: the append-only file
        if ``appendonly`` is on, else the snapshot.
    :param exit_on_error: end the process with a clear line when an address can't be listened on, as an operator
        expects of a server; else :meth:`startService` raises :class:`ListenError`.
    :param listeners: what listens where the server's configuration says, beside the endpoints.
    """

    log = Logger()

    def __init__(
        self,
        factory: RespFactory,
        endpoints: Sequence[tuple[IStreamServerEndpoint, str]],
        exit_on_error: bool = False,
        load: bool = False,
        listeners: Listeners | None = None,
    ) -> None:
        self.factory = factory
        self._listeners = listeners
        self._endpoints = list(endpoints)
        self._exit_on_error = exit_on_error
        self._load = load
        self._listening = False
        self._endpoint_ports: list[IListeningPort] = []
        self._loading: LoadInSlices | None = None
        #: Whether others are served while it loads; :meth:`startService` is over before the data are there then.
        self.in_slices = False
        #: Called when it listens, before the data are loaded; and when all is there.
        self.on_listening: Callable[[], None] = lambda: None
        self.on_ready: Callable[[], None] = lambda: None
        #: Why it stopped of its own accord.
        self.failure: BaseException | None = None
        #: Files to load, after what there is on disk; and where the data go in the end.
        self.seeds: Sequence[str] = ()
        self.export: str | None = None

    @property
    def ports(self) -> list[IListeningPort]:
        """What is listened on."""
        return (self._listeners.ports if self._listeners is not None else []) + self._endpoint_ports

    @property
    def addresses(self) -> list[str]:
        """Where it listens: ``127.0.0.1:6379`` or the path of a unix socket."""
        return [address_text(port.getHost()).decode("utf-8", "replace") for port in self.ports]

    def privilegedStartService(self) -> None:
        """Listen before privileges are shed, so that low ports work."""
        Service.privilegedStartService(self)
        self._listen()

    def startService(self) -> None:
        """Listen, if that was not done already, load the data, and follow a master if there is one to follow.

        :raises ListenError: an address is in use, or not ours.
        :raises LoadError: the snapshot can't be read.
        """
        Service.startService(self)
        self._listen()
        self.on_listening()
        self.log.info("Server initialized")
        self._make_users()
        steps = self._data_steps()
        try:
            if self.in_slices:
                self._loading = LoadInSlices(steps, self.factory.server.clock)
            else:
                load_now(steps)
        except LoadError as error:
            self._give_up(error)
        if self._loading is not None:
            self._loading.finished.addCallbacks(self._loaded, self._not_loaded)
        else:
            self._loaded(None)

    def stopService(self) -> Deferred[Any]:
        """Release the ports and disconnect every client."""
        Service.stopService(self)
        stopped = self._stop_listening()
        if self._loading is not None:
            # What is there is not all of the data, and nothing that may take their place on disk.
            self._loading.stop()
            self._loading = None
        elif self.failure is None and not self.factory.server.loading.active:
            self._save()
        self.factory.server.close()
        return gatherResults(stopped)

    def _save(self) -> None:
        server = self.factory.server
        try:
            server.saving.save_at_end()
        except OSError as error:
            self.log.error("The data could not be saved: {error}", error=error)
        if self.export is not None:
            try:
                export(server, self.export)
            except SeedError as error:
                self.log.error("The data could not be exported: {error}", error=error)

    def _make_users(self) -> None:
        if not self._load:
            return  # they are there since the first start
        try:
            self.factory.server.access.start()
        except ValueError as error:
            self.log.error("{error}", error=error)
            self._give_up(LoadError("Critical error while loading ACLs. Exiting."))

    def _follow_master(self) -> None:
        server = self.factory.server
        place = server.configuration[b"replicaof"]
        if place and server.replication.master is None and isinstance(server.replication, Feed):
            host, port = place.split()
            follow(server.replication, host, int(port))

    def _data_steps(self) -> Steps:
        """Load the data: what there is on disk."""
        load, self._load = self._load, False
        server = self.factory.server
        if server.configuration[b"appendonly"]:
            try:
                if load:
                    yield from server.append_only.start()
                else:  # the data are here: it ran before, perhaps
                    server.append_only.enable()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise LoadError(f"Fatal error loading the append only file: {reason}. Exiting.") from None
            return
        if not load:
            return
        try:
            yield from server.saving.start()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, RdbError):
                self.log.critical("{error}", error=error)
                self.log.critical("Terminating server after rdb file reading failure.")
            path = os.fsdecode(os.path.join(server.directory, server.dbfilename))
            raise LoadError(f"Fatal error loading the DB from {path}: {reason}. Exiting.") from None

    def _loaded(self, _: None) -> None:
        self._loading = None
        server = self.factory.server
        if server.configuration[b"appendonly"] and not server.append_only.enabled:
            server.append_only.enable()  # it was turned on meanwhile
        self._load_seeds()
        self._follow_master()
        for kind in dict.fromkeys(
            "unix" if isinstance(port.getHost(), UNIXAddress) else "tcp" for port in self.ports
        ):
            self.log.info("Ready to accept connections {kind}", kind=kind)
        self.on_ready()

    def _not_loaded(self, failure: Failure) -> None:
        """Loading failed while the reactor runs: it is stopped, and what is there stays as it is."""
        self._loading = None
        self.failure = failure.value
        self.log.critical("{error}", error=failure.value)
        server = self.factory.server
        # What is there is not all of the data: nobody may see it, or save it.
        server.loading.begin(0)
        server.saving.set_points(())
        if server.on_shutdown is not None:
            server.on_shutdown()

    def _load_seeds(self) -> None:
        seeds, self.seeds = self.seeds, ()
        try:
            seed(self.factory.server, seeds)
        except SeedError as error:
            self._give_up(LoadError(str(error)))

    def _listen(self) -> None:
        if self._listening:
            return
        self._listening = True
        if self._listeners is not None:
            try:
                self._listeners.open()
            except ListenError as error:
                self._listening = False
                self._give_up(error)
        for endpoint, name in self._endpoints:
            failure: list[Failure] = []
            # Every endpoint of Twisted's own listens at once; of others we hear later.
            outcome = endpoint.listen(self.factory)
            at_once = outcome.called
            outcome.addCallback(self._opened)
            outcome.addErrback(failure.append if at_once else partial(self._failed_later, name))
            if failure:
                self._failed(name, failure[0])
        if self._listeners is not None and not self._endpoints and not self.ports:
            self._give_up(ListenError("Configured to not listen anywhere, exiting."))
        self.log.info("Listening on {addresses}", addresses=", ".join(self.addresses) or "nothing")

    def _stop_listening(self) -> list[Deferred[Any]]:
        if not self._listening:
            return []
        self._listening = False
        if self._listeners is not None:
            self._listeners.close()
        ports, self._endpoint_ports = self._endpoint_ports, []
        results = [port.stopListening() for port in ports]
        return [result for result in results if result is not None]

    def _opened(self, port: IListeningPort) -> None:
        if self._listening:
            self._endpoint_ports.append(port)
        else:
            port.stopListening()

    def _failed_later(self, name: str, failure: Failure) -> None:
        self.log.failure("Failed listening on {name}", failure, name=name)

    def _failed(self, name: str, failure: Failure) -> None:
        error: Any = failure.value
        reason = error.socketError if isinstance(error, CannotListenError) else error
        reason = getattr(reason, "strerror", None) or str(reason)
        self._stop_listening()
        self._give_up(ListenError(f"Failed listening on {name}, aborting: {reason}"))

    def _give_up(self, error: Exception) -> NoReturn:
        self._stop_listening()
        if self._exit_on_error:
            self.log.critical("{error}", error=error)
            sys.stderr.write(f"{error}\n")
            sys.exit(1)
        raise error
