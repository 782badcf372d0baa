"""What ``costmodel cache`` shows and writes, as plain values; imported when it is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import click

from costmodel.errors import UsageError
from costmodel.records import Target, Workload
from costmodel.store.codec import types_to_json
from costmodel.store.files import same_file, write_text
from costmodel.store.sqlite import SQLiteStore
from costmodel.store.transfer import export_lines, t4_documents

__all__ = ["describe", "export_jsonl", "export_t4", "overview"]


def overview(store: SQLiteStore) -> dict[str, Any]:
    """Each workload with its best measurement on each target it was measured on."""
    targets = list(store.targets())
    return {
        "workloads": [
            {
                "workload": workload.hash,
                "function": workload.function,
                "best": _best(store, workload, targets),
            }
            for workload in store.workloads()
        ]
    }


def describe(store: SQLiteStore, prefix: str) -> dict[str, Any]:
    """All about the workload whose hash starts with ``prefix``; raises UsageError for none."""
    found = {workload.hash: workload for workload in store.workloads()}
    workload = found[_expand(prefix, found, "workload")]
    return {
        "workload": workload.hash,
        "function": workload.function,
        "inputs": types_to_json(workload.inputs),
        "outputs": types_to_json(workload.outputs),
        "text": workload.text,
        "best": _best(store, workload, list(store.targets())),
    }


def _best(store: SQLiteStore, workload: Workload, targets: list[Target]) -> list[dict[str, Any]]:
    rows = []
    for target in targets:
        outcomes = store.outcomes(workload.hash, target.hash)
        if not outcomes:
            continue
        best = store.best(workload=workload.hash, target=target.hash)
        rows.append(
            {
                "workload": workload.hash,
                "function": workload.function,
                "target": target.hash,
                "target_name": f"{target.kind} {target.cpu}",
                "measured": sum(outcomes.values()),
                "failed": sum(count for name, count in outcomes.items() if name != "ok"),
                "outcomes": outcomes,
                "id": None if best is None else best.id,
                "latency_us": None if best is None else best.latency_us,
                "samples": 0 if best is None else len(best.samples_us),
                "backend": None if best is None else best.schedule.backend,
                "schedule": None if best is None else best.schedule.text,
            }
        )
    return rows


def _expand(prefix: str, hashes: Iterable[str], what: str) -> str:
    matching = [hash for hash in hashes if hash.startswith(prefix.lower())]
    if not matching:
        raise UsageError(
            f"the store has no {what} {prefix!r}", hint="`costmodel cache stats` lists them"
        )
    if len(matching) > 1:
        some = ", ".join(hash[:12] for hash in matching[:5])
        raise UsageError(f"{what} {prefix!r} is ambiguous: {some}", hint="give more of the hash")
    return matching[0]


def export_jsonl(store: SQLiteStore, output: Path | None) -> dict[str, Any]:
    """Write JSON lines to ``output`` or stdout; returns ``records`` and ``files``."""
    if output is None:
        return {"records": export_lines(store, sys.stdout), "files": []}
    _refuse_store(store, output)
    count = 0

    def write(stream: IO[str]) -> None:
        nonlocal count
        count = export_lines(store, stream)

    write_text(output, write)
    return {"records": count, "files": [str(output)]}


def export_t4(
    store: SQLiteStore, output: Path | None, workload: str | None, target: str | None
) -> dict[str, Any]:
    """Write T4 documents: one to ``output`` or stdout, several into the directory ``output``."""
    if workload is not None:
        workload = _expand(workload, (w.hash for w in store.workloads()), "workload")
    if target is not None:
        target = _expand(target, (t.hash for t in store.targets()), "target")
    documents = dict(t4_documents(store, workload=workload, target=target))
    if not documents:
        raise UsageError("there is nothing to export", hint="`costmodel cache stats` counts it")
    records = sum(len(document["results"]) for document in documents.values())
    if output is not None and output.is_dir():
        files = {output / name: document for name, document in documents.items()}
    elif len(documents) > 1:
        raise UsageError(
            f"T4 holds one kernel on one device, and the store has {len(documents)} documents",
            hint="name an existing directory with --output, or choose with --workload and --on",
        )
    elif output is None:
        click.echo(json.dumps(next(iter(documents.values())), indent=2))
        return {"records": records, "files": []}
    else:
        _refuse_store(store, output)
        files = {output: next(iter(documents.values()))}
    for path, document in files.items():
        _write_json(path, document)
    return {"records": records, "files": [str(path) for path in files]}


def _write_json(path: Path, document: dict[str, Any]) -> None:
    def write(stream: IO[str]) -> None:
        json.dump(document, stream, indent=2)

    write_text(path, write)


def _refuse_store(store: SQLiteStore, output: Path) -> None:
    if same_file(store.path, output):
        raise UsageError(f"{output} is the store itself", hint="name another file with --output")
