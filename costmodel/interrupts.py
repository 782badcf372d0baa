"""Ctrl-C, and what else asks a run to end, at a moment when something has to be finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts", "interrupt_on_endings", "uninterrupted"]

_Handler = Callable[[int, FrameType | None], object]

#: How ``kill``, ``timeout``, a batch system and a terminal that is closed ask a process to end.
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def interrupt_on_endings() -> None:
    """From now on the first SIGTERM or SIGHUP is a Ctrl-C, and more of them change nothing.

    ``timeout`` sends SIGTERM to a process and to its group, and a shell that ends sends SIGHUP
    beside the terminal's own: taken for a second Ctrl-C they would end what the first one lets
    finish. What is ignored (``nohup``) or handled by the program stays so.
    """
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _disregard_endings()
    raise KeyboardInterrupt


def _disregard_endings() -> None:
    """By a handler of our own, since processes that are started inherit what is ignored."""
    for number in _ENDINGS:
        if callable(signal.getsignal(number)):
            signal.signal(number, _disregard)


def _disregard(number: int, frame: FrameType | None) -> None: ...


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within it Ctrl-C, and what else asks to end, waits for the end of it.

    For imports: a package whose import was broken off neither works nor can be imported again in
    the same process, which may still have a result to write with it.
    """
    held: list[tuple[int, FrameType | None]] = []
    before: dict[signal.Signals, _Handler] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_ENDINGS):
                handler = signal.getsignal(number)
                if callable(handler):
                    before[number] = handler
                    signal.signal(number, lambda *given: held.append(given))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for given in held:
            current = signal.getsignal(given[0])
            if callable(current):
                current(*given)


class Interrupts:
    """While ``defer`` is in force the first Ctrl-C only sets ``seen``; the second acts at once.

    A context manager. It takes the place of Python's own handler and of those that
    ``interrupt_on_endings`` installs: in another thread than the main one, or where the program
    handles a signal itself, it changes nothing.
    """

    def __init__(self) -> None:
        self.seen = False
        self._pressed = False
        self._deferring = False
        self._replaced: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_ENDINGS):
                before = signal.getsignal(number)
                if before is signal.default_int_handler or before is _interrupt:
                    self._replaced[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._replaced.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before)
        self._replaced.clear()

    def check(self) -> None:
        """Raises KeyboardInterrupt if one was raised before, and got lost.

        Python drops what is raised in the callbacks of libraries and in destructors.
        """
        if self._pressed:
            raise KeyboardInterrupt

    def defer(self) -> None:
        """From now on the first Ctrl-C waits."""
        self._deferring = True

    def resume(self) -> None:
        """End ``defer``; raises KeyboardInterrupt if one came meanwhile."""
        self._deferring = False
        if self.seen:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number in _ENDINGS:
            _disregard_endings()
        if self._deferring and not self.seen:
            self.seen = True
        else:
            self._pressed = True
            raise KeyboardInterrupt
