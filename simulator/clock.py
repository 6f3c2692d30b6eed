import math
import time
from datetime import datetime, timezone


class Clock:
    """The simulator's time, in seconds since the epoch.

    It starts at the real time and then goes `factor` times as fast; with a factor of 0 it stands
    still and only moves by :meth:`advance`.
    """

    def __init__(self, factor=1):
        if factor < 0:
            raise ValueError("Time does not go backwards: the factor must be 0 or more.")
        self.factor = factor
        self.reset()

    def reset(self):
        """Go back to the real time."""
        self._start = time.clock_gettime(time.CLOCK_REALTIME)
        self._started_at = self._real()
        self._advanced = 0

    def now(self):
        """Return the simulated time."""
        return self._start + (self._real() - self._started_at) * self.factor + self._advanced

    def advance(self, seconds):
        """Jump ahead by that many seconds."""
        self._advanced += seconds

    def real_seconds(self, simulated):
        """Return the real seconds that simulated ones take; infinite when time stands still."""
        if simulated <= 0:
            return 0
        return simulated / self.factor if self.factor else math.inf

    @staticmethod
    def _real():
        # Not time.monotonic(): a test that freezes the time of its own process must not freeze the
        # other party of its payments as well.
        return time.clock_gettime(time.CLOCK_MONOTONIC)


def parse_timestamp(text):
    """Return the moment of an RFC 3339 text, as the API takes it."""
    return datetime.fromisoformat(text.upper().replace('Z', '+00:00')).timestamp()


def timestamp(moment):
    """Return a moment as the API writes it, RFC 3339 in UTC with milliseconds."""
    text = datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec='milliseconds')
    return text.replace('+00:00', 'Z')
