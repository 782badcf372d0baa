"""Names of the protocol's resources: built and parsed here, and nowhere else."""

from __future__ import annotations

import base64
import binascii
import re

from costmodel.oracle.convert import FieldError

__all__ = ["page_start", "page_token", "tune_id", "tune_name"]

_TUNE = re.compile(r"tunes/([0-9a-f]{32})")


def tune_name(id: str) -> str:
    """What clients call the run of an identifier."""
    return f"tunes/{id}"


def tune_id(name: str) -> str:
    """The identifier in a run's name. Raises FieldError for what is no such name."""
    found = _TUNE.fullmatch(name)
    if found is None:
        raise FieldError("name", f"{name[:80]!r} names no run", hint='a name is "tunes/..."')
    return found[1]


def page_token(created_ns: int, id: str) -> str:
    """Where a page begins: after the run of that time and identifier."""
    return base64.urlsafe_b64encode(f"{created_ns}:{id}".encode()).decode()


def page_start(token: str) -> tuple[int, str]:
    """Time and identifier of a token. Raises FieldError for what is no token of ours."""
    try:
        time, _, id = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        return int(time), id
    except (ValueError, binascii.Error) as error:
        raise FieldError(
            "page_token", "this is no token of a page", hint="take it from the answer before"
        ) from error
