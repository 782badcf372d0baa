"""The system's C compiler: one answer for all who link a kernel, measure rates or examine."""

from __future__ import annotations

import os
import shutil

__all__ = ["COMPILERS", "INSTALL_HINT", "find_compiler"]

#: Tried in this order, after the one that the variable CC names.
COMPILERS = ("cc", "gcc", "clang")

INSTALL_HINT = (
    "install one (Debian, Ubuntu: apt-get install gcc libc6-dev), or name it in the variable CC"
)


def find_compiler() -> str | None:
    """Path of the C compiler to use; None where there is none on the PATH."""
    found = (shutil.which(name) for name in (os.environ.get("CC"), *COMPILERS) if name)
    return next(filter(None, found), None)
