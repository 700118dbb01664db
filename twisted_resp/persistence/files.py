"""Files that are to be on the disk, not only in its cache."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

__all__ = ["DataFile", "sync_directory", "to_disk"]

# Bytes after which what was written is brought to disk, so that there is little left to do in the end.
_SYNC_EVERY: Final = 4 * 1024 * 1024


def to_disk(descriptor: int) -> None:
    """Bring to disk what was written to a file; fdatasync is not everywhere."""
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)


def sync_directory(directory: bytes) -> None:
    """Bring to disk that a file in it was replaced."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DataFile:
    """A new file, which is on the disk when the ``with`` block ends.

    :param incrementally: whether to bring it there piece by piece (``rdb-save-incremental-fsync``).
    """

    def __init__(self, path: bytes, incrementally: bool = False) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed by __exit__
        self._incrementally = incrementally
        self._unsynced = 0

    def __enter__(self) -> DataFile:
        return self

    def write(self, data: bytes) -> None:
        """Write all of it.

        :raises OSError: it can't be written.
        """
        self._file.write(data)
        if self._incrementally:
            self._unsynced += len(data)
            if self._unsynced >= _SYNC_EVERY:
                self._unsynced = 0
                self._file.flush()
                to_disk(self._file.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
