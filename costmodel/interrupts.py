"""Ctrl-C at a moment when something has to be finished first."""

from __future__ import annotations

import signal
import threading
from types import FrameType

__all__ = ["Interrupts"]


class Interrupts:
    """While ``defer`` is in force the first Ctrl-C only sets ``seen``; the second acts at once.

    A context manager. It takes the place of Python's own handler alone: in another thread than
    the main one, or where the program handles SIGINT itself, it changes nothing.
    """

    def __init__(self) -> None:
        self.seen = False
        self._deferring = False
        self._installed = False

    def __enter__(self) -> Interrupts:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def defer(self) -> None:
        """From now on the first Ctrl-C waits."""
        self._deferring = True

    def resume(self) -> None:
        """End ``defer``; raises KeyboardInterrupt if one came meanwhile."""
        self._deferring = False
        if self.seen:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferring and not self.seen:
            self.seen = True
        else:
            signal.default_int_handler(number, frame)
