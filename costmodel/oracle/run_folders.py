"""Folders that strangers filled: what they take, and their removal, however deeply they are nested.

By descriptors, since paths may be longer than the system takes, and without recursion. No link is
followed.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import uuid
from pathlib import Path

__all__ = ["TOO_DEEP", "remove", "taken"]

_log = logging.getLogger(__name__)

#: How deep folders are looked into, with a descriptor each; no run of ours has twenty.
_DEEPEST = 64
#: What an entry takes beside what is in it: empty files use up a file system, too.
_ENTRY_BYTES = 4096
#: What a folder takes that has deeper ones.
TOO_DEEP = sys.maxsize

_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def taken(folder: Path) -> int:
    """Bytes that all in a folder takes, while it may change, some for each entry; TOO_DEEP."""
    total = 0
    ways: list[tuple[int, list[str]]] = []
    try:
        place: str | Path = folder
        while True:
            try:
                ways.append((_open(place, ways[-1][0] if ways else None), []))
                total += _look(*ways[-1])
            except OSError:  # it has just gone
                pass
            while ways and not ways[-1][1]:
                os.close(ways.pop()[0])
            if not ways:
                return total
            if len(ways) > _DEEPEST:
                return TOO_DEEP
            place = ways[-1][1].pop()
    finally:
        for descriptor, _ in ways:
            os.close(descriptor)


def _look(folder: int, below: list[str]) -> int:
    """What is in a folder itself takes; the names of those ``below`` it."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            total += found.st_blocks * 512 + _ENTRY_BYTES
            if stat.S_ISDIR(found.st_mode):
                below.append(entry.name)
    return total


def remove(place: Path) -> None:
    """Remove a file, a link or a folder with all in it; what cannot be removed is logged."""
    try:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            os.unlink(place)
            return
        top = _open(place, None)
        try:
            below = _clear(top, top)
            while below:
                folder = _open(below[-1], top)
                try:
                    found = _clear(folder, top)
                finally:
                    os.close(folder)
                os.rmdir(below.pop(), dir_fd=top)
                below += found
        finally:
            os.close(top)
        os.rmdir(place)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("%s cannot be removed: %s", place, error)


def _clear(folder: int, top: int) -> list[str]:
    """Empty a folder; the folders in it are moved to ``top``, by the names that are given back."""
    os.fchmod(folder, 0o700)
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    below = []
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
        elif folder == top:
            below.append(name)
        else:
            child = _open(name, folder)
            os.fchmod(child, 0o700)  # one that cannot be written cannot be moved
            os.close(child)
            below.append(uuid.uuid4().hex)
            os.rename(name, below[-1], src_dir_fd=folder, dst_dir_fd=top)
    return below


def _open(name: str | Path, parent: int | None) -> int:
    """A folder, also one that was made so that its owner may not read it. Raises OSError."""
    try:
        return os.open(name, os.O_RDONLY | _FLAGS, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, os.O_PATH | _FLAGS, dir_fd=parent)
    try:
        itself = f"/proc/self/fd/{handle}"  # whatever lies at its name by now
        os.chmod(itself, 0o700)
        return os.open(itself, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(handle)
