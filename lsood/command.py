"""How a command ends: exit codes, errors in one line, Ctrl+C and SIGTERM. Imports no torch."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lsood.terminal import Terminal
from lsood.text import one_line

FAILED, BAD_USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


class Terminated(BaseException):
    """SIGTERM arrived; raised where it did, so that files that are being written are removed and processes end."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Inside the block SIGTERM raises Terminated, once. Where it or Ctrl+C arrives in a finaliser, Python drops the
    exception and goes on: then the signal is raised again. In threads other than the main one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    def dropped(found: sys.UnraisableHookArgs) -> None:
        number = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}.get(found.exc_type)
        if number is None:
            hook(found)
            return
        signal.signal(signal.SIGTERM, end)
        threading.Timer(0.1, signal.raise_signal, (number,)).start()

    before, hook = signal.signal(signal.SIGTERM, end) or signal.SIG_DFL, sys.unraisablehook
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


@contextmanager
def reporting(code: int, debug: bool) -> Iterator[None]:
    """Errors that a user can act on become one line on stderr and an exit code; ``debug``: a traceback. Ctrl+C and
    SIGTERM end what runs in the block, and then the command. So does ``sys.exit`` of code of the user.
    """
    try:
        with _terminable():
            yield
    except (KeyboardInterrupt, Terminated) as error:
        code = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
        word = "terminated" if code == TERMINATED else "interrupted"
        print(f"{word}; run the same command to resume", file=sys.stderr)
        raise SystemExit(code) from None
    except SystemExit as error:  # of a file of the user, or of a library
        if debug:
            raise
        told = f"error: code that was run ended the process (sys.exit({error.code!r})); --debug shows where"
        Terminal(stderr=True).print(told, style="red", markup=False, soft_wrap=True)
        raise SystemExit(FAILED) from None
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if debug:
            raise
        Terminal(stderr=True).print(f"error: {one_line(error)}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(code) from None
