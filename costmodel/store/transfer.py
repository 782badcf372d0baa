"""Import, export and merge of stores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from costmodel.errors import InputError, UsageError
from costmodel.records import Measurement, SourceLocation
from costmodel.store import t4, t4_native
from costmodel.store.codec import DecodeError
from costmodel.store.entries import Document, Entry, FeaturesEntry, TargetEntry, WorkloadEntry
from costmodel.store.files import open_text, same_file
from costmodel.store.lines import read_lines, write_lines
from costmodel.store.location import open_store
from costmodel.store.sqlite import SQLiteStore

__all__ = ["export_lines", "import_file", "merge", "t4_documents"]


def merge(store: SQLiteStore, source: Path) -> dict[str, int]:
    """Add everything of the store at ``source``; returns the number added of each kind.

    By id, so it may be repeated, and the order of merges makes no difference.
    """
    with open_store(source, read_only=True) as other:
        return store.ingest(other.entries())


def export_lines(store: SQLiteStore, stream: IO[str]) -> int:
    """Write the whole store as JSON lines; returns the number of records."""
    return write_lines(store.entries(), stream)


def import_file(
    store: SQLiteStore, path: Path, *, kernel: str | None = None, device: str | None = None
) -> dict[str, int]:
    """Add a file of JSON lines or T4 results, plain or gzip; returns the number added of each kind.

    ``kernel`` and ``device`` name what a T4 document is about, where neither it nor its file's
    name does. The file is checked as a whole first: raises InputError, and adds nothing, for one
    that is malformed.
    """
    if same_file(path, store.path):
        raise UsageError(f"{path} is the store itself", hint="name a file that was exported")
    with open_text(path) as text:
        first = next((line for line in text if line.strip()), "")
        is_lines = _is_header(first)
        document = None if is_lines else _parse(first + text.read(), path)
    if document is not None:
        return store.ingest(_t4_entries(document, path, kernel, device))
    check = _references(store)
    with open_text(path) as text:
        for _ in read_lines(text, str(path), check):
            pass
    with open_text(path) as text:
        return store.ingest(read_lines(text, str(path)))


def _is_header(line: str) -> bool:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "results" not in fields and "type" in fields


def _parse(text: str, path: Path) -> dict[str, Any]:
    hint = "import files written by `costmodel cache export`, or T4 results"
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = SourceLocation(str(path), error.lineno, error.colno)
        raise InputError(f"not JSON: {error.msg}", location=place, hint=hint) from error
    except RecursionError as error:
        place = SourceLocation(str(path))
        raise InputError("nested too deeply", location=place, hint=hint) from error
    if not t4.is_t4(document):
        place = SourceLocation(str(path), 1, 1)
        raise InputError("neither JSON lines nor T4 results", location=place, hint=hint)
    return dict(document)


def _t4_entries(
    document: dict[str, Any], path: Path, kernel: str | None, device: str | None
) -> list[Entry]:
    if t4_native.is_native(document):
        return t4_native.native_entries(document, str(path))
    found_kernel, found_device = t4.names_of(document, str(path))
    names = (kernel or found_kernel, device or found_device)
    return t4.read_t4(document, str(path), names, time.time())


def _references(store: SQLiteStore) -> Callable[[Entry], None]:
    """A check that what an entry refers to came before it or is in the store."""
    workloads: set[str] = set()
    targets: set[str] = set()

    def known(hash: str, seen: set[str], find: Callable[[str], object], what: str) -> None:
        if hash not in seen:
            if find(hash) is None:
                raise DecodeError(f"it refers to {what} {hash}, which is not known")
            seen.add(hash)

    def check(entry: Entry) -> None:
        match entry:
            case WorkloadEntry(workload):
                workloads.add(workload.hash)
            case TargetEntry(target):
                targets.add(target.hash)
            case Measurement():
                known(entry.workload, workloads, store.workload, "workload")
                known(entry.target, targets, store.target, "target")
            case FeaturesEntry():
                known(entry.workload, workloads, store.workload, "workload")

    return check


def t4_documents(
    store: SQLiteStore, *, workload: str | None = None, target: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and T4 documents: each imported one as it was, then one a workload and target.

    ``workload`` and ``target`` are hashes; without them everything is exported.
    """
    documents: dict[str, Document] = {}
    workloads: dict[str, WorkloadEntry] = {}
    targets: dict[str, TargetEntry] = {}
    imported: dict[str, list[Measurement]] = {}
    native: dict[tuple[str, str], list[Measurement]] = {}
    for entry in store.entries():
        match entry:
            case Document():
                documents[entry.id] = entry
                if workload is None and target is None:
                    imported[entry.id] = []
            case WorkloadEntry():
                workloads[entry.workload.hash] = entry
            case TargetEntry():
                targets[entry.target.hash] = entry
            case Measurement() if workload in (None, entry.workload) and target in (
                None,
                entry.target,
            ):
                source = entry.extra.get(t4.KEY)
                if isinstance(source, dict) and source.get("document") in documents:
                    imported.setdefault(source["document"], []).append(entry)
                else:
                    native.setdefault((entry.workload, entry.target), []).append(entry)
    taken: set[str] = set()
    restored = (
        (f"{documents[id].kernel}_{documents[id].device}", t4.restore(documents[id], rows))
        for id, rows in imported.items()
    )
    own = (
        (
            f"{workloads[key[0]].workload.function}-{key[0][:12]}_{targets[key[1]].target.cpu}",
            t4_native.native_document(workloads[key[0]], targets[key[1]], rows),
        )
        for key, rows in native.items()
    )
    for name, document in chain(restored, own):
        yield _unique(name, taken), document


def _unique(name: str, taken: set[str]) -> str:
    """A file name that no other document has, ending in ``.json``."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).lstrip(".")[:120] or "t4"
    numbered = (safe if n == 0 else f"{safe}-{n}" for n in range(len(taken) + 1))
    free = next(each for each in numbered if each not in taken)
    taken.add(free)
    return f"{free}.json"
