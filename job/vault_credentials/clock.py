"""The time, by clocks that nobody sets."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Optional


def _counting_clock() -> Optional[int]:
    """The clock that also counts while the machine sleeps, as a lease does.

    That is CLOCK_BOOTTIME on Linux, and CLOCK_MONOTONIC on macOS. time.monotonic() stands still
    there. On Windows it counts.
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        number = getattr(time, name, None)
        if number is not None:
            return int(number)
    return None


_CLOCK = _counting_clock()


def now() -> float:
    """Seconds since some moment. Nobody sets this clock, and every process here has the same."""
    if _CLOCK is None:
        return time.monotonic()
    return time.clock_gettime(_CLOCK)


def utc() -> datetime:
    """The calendar's time, to show and never to decide by: it may be set at any moment."""
    return datetime.now(timezone.utc)


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


class Budget:
    """The seconds that a call has left, and the tries that each of its requests has."""

    def __init__(self, seconds: float, attempts: int) -> None:
        self._end = now() + seconds
        self.attempts = attempts

    def left(self) -> float:
        """Seconds that are left, 0 when the time is over."""
        return max(0.0, self._end - now())

    def due(self) -> float:
        """Seconds that are left, for a socket. Raises TimeoutError when the time is over."""
        left = self.left()
        if left == 0:
            raise TimeoutError
        return max(0.001, left)
