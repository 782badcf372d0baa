"""Every exception that costmodel raises on purpose.

CostModelError                  exit status 1
├── InputError                  exit status 2: what the user gave cannot be used
│   ├── ParseError              the text is not valid MLIR, or has an op or type that MLIR rejects
│   ├── UnsupportedError        valid MLIR that cannot be tuned, with the reason
│   ├── UsageError              options that contradict each other or name nothing
│   └── StoreError              the measurement store cannot be used as it is
│       ├── StoreCorruptError   the file is not a store, or is damaged
│       ├── StoreVersionError   written by a newer version of costmodel
│       ├── StoreReadOnlyError  a write was asked of a store that cannot be written
│       └── StoreLockedError    another process held the store for longer than the wait
├── StoreFullError              the disk is full; what was measured was put elsewhere
├── BackendError                a compiler failed where it should not have
└── MeasureError                the measuring workers cannot be started or keep dying
"""

from __future__ import annotations

from costmodel.records import SourceLocation

__all__ = [
    "BackendError",
    "CostModelError",
    "InputError",
    "MeasureError",
    "ParseError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "UnsupportedError",
    "UsageError",
]


class CostModelError(Exception):
    """Base of all; ``message`` says what was wrong, ``hint`` what to do about it."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class InputError(CostModelError):
    """Bad input or usage. ``location`` is the place in the input, where one is known."""

    exit_status = 2

    def __init__(
        self, message: str, *, location: SourceLocation | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.location = location

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.location is None else f"{self.location}: {text}"


class ParseError(InputError):
    """The text is not valid MLIR, or has an op, attribute or type that MLIR rejects."""


class UnsupportedError(InputError):
    """Valid MLIR that costmodel cannot tune; the message gives the reason."""


class UsageError(InputError):
    """Options that contradict each other, or that name something that is not there."""


class StoreError(InputError):
    """The measurement store cannot be used as it is."""


class StoreCorruptError(StoreError):
    """The file is not a measurement store, or it is damaged."""


class StoreVersionError(StoreError):
    """The store was written by a newer version of costmodel."""


class StoreReadOnlyError(StoreError):
    """A write was asked of a store that cannot be written."""


class StoreLockedError(StoreError):
    """Another process held the store for longer than the wait."""


class StoreFullError(CostModelError):
    """The disk is full; the message says where the measurements were put instead."""


class BackendError(CostModelError):
    """A compiler failed where it should not have."""


class MeasureError(CostModelError):
    """The measuring workers cannot be started, or keep dying."""
