"""Certificates of every sort, made on the spot, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

__all__ = ["DAY", "Pair", "issue", "write_authority"]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


def write_authority(folder: Path, authority: trustme.CA, name: str = "ca.pem") -> Path:
    path = folder / name
    authority.cert_pem.write_to_path(path)
    return path


def issue(
    folder: Path,
    authority: trustme.CA,
    *names: str,
    common: str | None = None,
    begins: timedelta = -DAY,
    ends: timedelta = 90 * DAY,
    file: str = "server",
    kind: trustme.KeyType = trustme.KeyType.ECDSA,
) -> Pair:
    """A certificate of ``authority`` that is good from ``begins`` to ``ends``, from now."""
    now = datetime.now(UTC)
    made = authority.issue_cert(
        *names, common_name=common, not_before=now + begins, not_after=now + ends, key_type=kind
    )
    pair = Pair(folder / f"{file}.pem", folder / f"{file}.key")
    pair.key.touch(mode=0o600)
    made.private_key_pem.write_to_path(pair.key)
    pair.cert.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    return pair
