"""Where the parts of an append-only file are, and which there are: its manifest, temporary files, and what is past."""

from __future__ import annotations

import os
from contextlib import suppress

from twisted.logger import Logger

from twisted_resp.persistence.manifest import Manifest, Part
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyFiles"]

_log = Logger()


class AppendOnlyFiles:
    """The files of one server.

    :ivar without_base: whether there is no base yet, so that the increment is not in the manifest and has a temporary
        name: without the base it is worth nothing, and what the manifest names is what was there before.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._manifest: Manifest | None = None
        self.without_base = False

    @property
    def directory(self) -> bytes:
        """Where they are."""
        server = self._server
        return os.path.join(server.directory, server.configuration[b"appenddirname"])

    @property
    def manifest(self) -> Manifest:
        """What is there, as it was :meth:`opened` last."""
        assert self._manifest is not None
        return self._manifest

    def read(self) -> Manifest | None:
        """The manifest on disk; None if there is none.

        :raises OSError, ManifestError: as :meth:`Manifest.load`.
        """
        return Manifest.load(self.directory, self._server.configuration[b"appendfilename"])

    def open(self) -> Manifest:
        """Read the manifest, or begin one; there is a directory for the files afterwards.

        :raises OSError, ManifestError: as :meth:`read`.
        """
        os.makedirs(self.directory, exist_ok=True)
        name = self._server.configuration[b"appendfilename"]
        self._manifest = self.read() or Manifest(self.directory, name)
        return self._manifest

    def change(self, manifest: Manifest) -> None:
        """Put a changed manifest in the place of the one that is there.

        :raises OSError: it can't be written, and all is as before.
        """
        manifest.save()
        self._manifest = manifest

    @property
    def temporary_increment(self) -> bytes:
        """The path of an increment that has no base yet."""
        return os.path.join(self.manifest.directory, b"temp-" + self.manifest.name + b".incr")

    def temporary_base(self, pid: int) -> bytes:
        """The path of a base while a process writes it."""
        return os.path.join(self._server.directory, b"temp-rewriteaof-bg-%d.aof" % pid)

    def put_in_place(self, base: bytes, as_rdb: bool, since: int) -> None:
        """A base is complete: let it take the place of all that was there before the increment ``since``.

        :param base: its temporary path.
        :raises OSError: it can't; all is as before, but for the base, which is no more.
        """
        manifest = self.manifest.copy()
        part = manifest.next_base(as_rdb)
        path = manifest.path_of(part)
        moved: tuple[bytes, bytes] | None = None
        try:
            os.replace(base, path)
            if self.without_base:
                increment = manifest.next_increment()
                os.replace(self.temporary_increment, manifest.path_of(increment))
                moved = manifest.path_of(increment), self.temporary_increment
                manifest.add_increment(increment)
            manifest.replace_base(part, since)
            self.change(manifest)
        except OSError:
            for leftover in (base, path):
                with suppress(OSError):
                    os.unlink(leftover)
            if moved is not None:
                os.replace(*moved)
            raise
        self.without_base = False

    def first_base(self, base: bytes, as_rdb: bool) -> None:
        """A base is complete, and the first of all: let :attr:`manifest` have it, which is not saved yet.

        :raises OSError: it can't be put in its place.
        """
        part = self.manifest.next_base(as_rdb)
        os.replace(base, self.manifest.path_of(part))
        self.manifest.replace_base(part, 0)

    def adopt(self) -> None:
        """Take over a file of a server before Redis 7, which had one and no manifest.

        :raises OSError: it can't be moved.
        """
        manifest = self.manifest
        name = manifest.name
        old, new = os.path.join(self._server.directory, name), os.path.join(manifest.directory, name)
        if manifest.parts and (manifest.increments or manifest.base is None or manifest.base.name != name):
            return
        if not os.path.isfile(old) or os.path.exists(new):
            return
        manifest.use_as_base(name)
        manifest.save()
        os.replace(old, new)
        _log.info("Successfully migrated an old-style AOF into the AOF directory")

    def delete_history(self) -> None:
        """Delete what is not needed any more, unless ``aof-disable-auto-gc`` keeps it."""
        if self._manifest is not None and not self._server.configuration[b"aof-disable-auto-gc"]:
            with suppress(OSError):
                self._manifest.delete_history()

    def size(self, *parts: Part) -> int:
        """The bytes of these parts, or of all that are to be loaded; what can't be found counts as nothing."""
        if self._manifest is None:
            return 0
        return sum(map(self._manifest.size_of, parts or self._manifest.parts))
