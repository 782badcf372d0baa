"""The two tables of a data set, as Parquet: workloads, and what was measured of them.

``workloads.parquet`` has a row a workload, ``measurements-*.parquet`` a row a measurement, failures
included; ``manifest.json`` says how they came about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from costmodel.errors import UsageError

__all__ = [
    "MEASUREMENTS",
    "WORKLOADS",
    "read_table",
    "sha256",
    "write_table",
]

WORKLOADS = pa.schema([
    pa.field("workload", pa.string(), nullable=False),  # SHA-256 of the text
    pa.field("text", pa.string(), nullable=False),  # canonical MLIR
    pa.field("name", pa.string(), nullable=False),
    pa.field("family", pa.string(), nullable=False),  # what splits hold out
    pa.field("source", pa.string(), nullable=False),  # "generated", "exported", "loops", "kernels"
    pa.field("origin", pa.string(), nullable=False),  # the model, or the seed
    pa.field("flops", pa.float64(), nullable=False),
    pa.field("bytes", pa.int64(), nullable=False),
])  # fmt: skip

MEASUREMENTS = pa.schema([
    pa.field("id", pa.string(), nullable=False),
    pa.field("workload", pa.string(), nullable=False),
    pa.field("backend", pa.string(), nullable=False),
    pa.field("schedule", pa.string(), nullable=False),  # JSON that the backend replays
    pa.field("is_default", pa.bool_(), nullable=False),  # the backend's untuned default
    pa.field("target", pa.string(), nullable=False),  # hashes, resolved by the manifest
    pa.field("environment", pa.string(), nullable=False),
    pa.field("policy", pa.string(), nullable=False),
    pa.field("outcome", pa.string(), nullable=False),
    pa.field("samples_us", pa.list_(pa.float32()), nullable=False),
    pa.field("code_bytes", pa.int32()),  # of the machine code; null where it was not read
    pa.field("instructions", pa.int32()),
    pa.field("vector_instructions", pa.int32()),
    pa.field("vector_registers", pa.int32()),
    pa.field("spills", pa.int32()),
    pa.field("reloads", pa.int32()),
    pa.field("max_error", pa.float32()),
    pa.field("build_seconds", pa.float32(), nullable=False),
    pa.field("timestamp", pa.float64(), nullable=False),
])  # fmt: skip

_COMPRESSION = {"compression": "zstd", "compression_level": 19}


def write_table(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows; the file appears only when it is complete."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    new = path.with_name(path.name + ".new")
    pq.write_table(table, new, **_COMPRESSION)
    new.replace(path)


def read_table(
    paths: Path | Iterable[Path], schema: pa.Schema, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read files of one schema together, or some of their columns.

    Raises UsageError for a file that is absent, no Parquet, or lacks a column or has it in another
    type; further columns are ignored.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    tables = [_read(path, wanted) for path in ([paths] if isinstance(paths, Path) else paths)]
    return pa.concat_tables(tables) if tables else wanted.empty_table()


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in wanted.names if name not in file.schema_arrow.names]
            if missing:
                raise UsageError(
                    f"{path} has no column {missing[0]!r}: it is no table of this kind"
                )
            return file.read(columns=wanted.names).select(wanted.names).cast(wanted)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (pa.ArrowException, ValueError, OSError) as error:  # ValueError: a null too many
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} cannot be read as such a table: {reason}") from error


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
