"""A time limit that a stuck computation cannot outlast."""

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

EXIT_STATUS = 124  # that of timeout(1)
GRACE_SECONDS = 30


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Ends this process and its children with EXIT_STATUS if the block takes longer; says where it was.

    A computation that never gives the interpreter back is ended GRACE_SECONDS later, with status 1 and a traceback.
    """
    timer = threading.Timer(seconds, _end, [f"{what}: over its limit of {seconds / 60:g} minutes, stopped"])
    timer.daemon = True
    timer.start()
    # The timer needs the interpreter, which a computation may never give back; this watchdog does not.
    # The process's own stderr: who calls from inside another program may have put something without a file there.
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _end(message: str) -> None:
    try:
        print(message, file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True, file=sys.__stderr__ or sys.stderr)
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    finally:  # also where stderr is closed or no file
        os._exit(EXIT_STATUS)
