"""The append-only file of one server: every change is written to it, so that loading it gives the data again.

It listens to the effects, and has three parts: the files on disk (:mod:`append_only_files`), the one that is written to
(:mod:`append_only_writing`), and the rewrites (:mod:`append_only_rewriting`). Here it is turned on and off, started,
and looked after once a second.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.logger import Logger

from twisted_resp.persistence.append_only_files import AppendOnlyFiles
from twisted_resp.persistence.append_only_loading import AppendOnlyError, load_parts
from twisted_resp.persistence.append_only_rewriting import AppendOnlyRewriting
from twisted_resp.persistence.append_only_writing import AppendOnlyWriting
from twisted_resp.persistence.loading import load_now
from twisted_resp.server.append_only import AppendOnly
from twisted_resp.server.effects import APPEND_ONLY_FILE
from twisted_resp.server.loading import Steps
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyFile"]

_log = Logger()

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class AppendOnlyFile(AppendOnly):
    """What :class:`~twisted_resp.server.append_only.AppendOnly` knows, and how it is done."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._files = AppendOnlyFiles(server)
        #: The file that is written to.
        self.writing = AppendOnlyWriting(server, self)
        self._rewriting = AppendOnlyRewriting(server, self, self._files, self.writing)
        self._beat_call: Any = None

    @property
    def incomplete(self) -> bool:
        """See :attr:`AppendOnly.incomplete`."""
        return self._files.without_base

    # -- on and off

    def enable(self) -> None:
        """See :meth:`AppendOnly.enable`."""
        if self.enabled or self._server.loading.active:
            return  # what is loaded is written afterwards
        self._rewriting.kill()
        files = self._files
        try:
            files.open()
            self.writing.use(os.open(files.temporary_increment, _FLAGS | os.O_TRUNC, 0o644))
            files.without_base = True
            self._listen()
            if self._server.saving.started is not None:
                self.rewrite_scheduled = True
                _log.info(
                    "AOF was enabled but there is already another background operation. An AOF background was "
                    "scheduled to start when possible."
                )
            elif self._server.in_exec:
                self.schedule()
                _log.info(
                    "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
                )
            else:
                self.rewrite()
        except (OSError, ValueError) as error:
            _log.error("Unable to turn on AOF: {error}", error=error)
            self.disable()
            raise ValueError("Unable to turn on AOF. Check server logs.") from None

    def disable(self) -> None:
        """See :meth:`AppendOnly.disable`."""
        self._stop_listening()
        self._rewriting.kill()
        self.writing.flush()
        self.writing.close()
        self.writing.forget()
        self._files.without_base = False
        self.rewrite_scheduled = False

    def _listen(self) -> None:
        self.enabled = True
        replication = self._server.replication
        self.writing.durable = replication.offset
        replication.synced(0 if self.incomplete else replication.offset, anew=True)
        self._server.effects.add_listener(self.writing.tell, APPEND_ONLY_FILE)
        self._look_regularly()

    def _stop_listening(self) -> None:
        if self.enabled:
            self.enabled = False
            self._server.effects.remove_listener(self.writing.tell)
            self._server.replication.synced(-1, anew=True)

    def data_replaced(self) -> None:
        """See :meth:`AppendOnly.data_replaced`."""
        self.disable()
        if not self._server.configuration[b"appendonly"]:
            return
        try:
            self.enable()
        except ValueError:  # it was logged
            self._server.configuration[b"appendonly"] = False

    def flush(self) -> None:
        """See :meth:`AppendOnly.flush`."""
        self.writing.flush()

    def join(self) -> None:
        """See :meth:`AppendOnly.join`."""
        self.writing.join()

    def close(self) -> None:
        """See :meth:`AppendOnly.close`."""
        self.disable()
        if self._beat_call is not None:
            self._beat_call.cancel()
            self._beat_call = None

    # -- once a second

    def _look_regularly(self) -> None:
        if self._beat_call is None:
            self._beat_call = self._server.clock.callLater(1, self._beat)

    def _beat(self) -> None:
        self._beat_call = None
        if self.enabled or self.rewrite_scheduled:
            self._look_regularly()
        server = self._server
        server.keyspace.tick()
        self.writing.look()
        self._rewriting.rewrite_if_due()
        server.end_batch()

    # -- rewriting

    @property
    def in_progress(self) -> bool:
        """Whether a rewrite is under way."""
        return self._rewriting.in_progress

    def schedule(self) -> None:
        """Begin a rewrite as soon as that can be, but not within this command."""
        self.rewrite_scheduled = True
        self._look_regularly()
        if self._server.saving.started is None:
            self._server.clock.callLater(0, self._rewrite_scheduled)

    def _rewrite_scheduled(self) -> None:
        if self.rewrite_scheduled:
            self._server.keyspace.tick()
            self._rewriting.rewrite_if_due()

    def rewrite(self) -> None:
        """Begin a rewrite; where there is neither forking nor a reactor it is finished when this returns.

        :raises OSError: it could not be begun, or not done.
        """
        self._rewriting.rewrite()

    def delete_history(self) -> None:
        """See :meth:`AppendOnly.delete_history`."""
        self._files.delete_history()

    # -- loading

    def start(self) -> Steps:
        """See :meth:`AppendOnly.start`.

        :raises AppendOnlyError: something is wrong with what is there.
        """
        files = self._files
        manifest = files.open()
        files.adopt()
        self._server.keyspace.tick()
        if manifest.parts:
            yield from load_parts(self._server, manifest)
        if not self._server.configuration[b"appendonly"]:
            return  # somebody has changed his mind meanwhile
        if not manifest.parts:
            self._rewriting.write_first_base()
        if manifest.increments:
            self.writing.use(os.open(manifest.path_of(manifest.increments[-1]), _FLAGS, 0o644))
        else:
            part = manifest.next_increment()
            self.writing.use(os.open(manifest.path_of(part), _FLAGS | os.O_TRUNC, 0o644))
            manifest.add_increment(part)
            manifest.save()
        files.delete_history()
        self.size = files.size()
        self.base_size = 0 if manifest.base is None else files.size(manifest.base)
        self._listen()

    def load_again(self) -> None:
        """DEBUG LOADAOF: empty the databases, and load what the files hold.

        :raises OSError, ValueError: something is wrong with the files. What came before that is loaded.
        """
        if self.enabled:
            self.writing.flush()
            if self.incomplete:
                self._rewriting.wait()
        manifest = self._files.read()
        if manifest is None:
            raise AppendOnlyError("there is no append only file")
        server = self._server
        dirty = server.keyspace.dirty
        server.keyspace.flush()
        server.keyspace.dirty = dirty
        server.scripting.flush_libraries()
        load_now(load_parts(server, manifest))
        server.saving.forget_changes()
        if self.enabled:
            # A repaired tail is shorter now.
            self.writing.measure()
            self.size = self._files.size()
