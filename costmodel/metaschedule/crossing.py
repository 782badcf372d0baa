"""Our errors, and Ctrl-C, keep their type where they cross TVM.

MetaSchedule calls the plug-ins from C++, which makes a ``RuntimeError`` of whatever is raised there
and was not made known to it. Importing this module makes ours known.
"""

from __future__ import annotations

from tvm_ffi.error import register_error

from costmodel import errors

__all__ = ["CROSSING"]

CROSSING: tuple[type[BaseException], ...] = (
    KeyboardInterrupt,
    *(getattr(errors, name) for name in errors.__all__),
)

for _error in CROSSING:
    register_error(_error.__name__, _error)
