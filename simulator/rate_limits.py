from collections import deque

from .problems import Refusal

MINUTE = 60
# Calls per minute and payment.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/#rate-limiting
LIMITS = {
    **dict.fromkeys(('create', 'capture', 'refund', 'cancel'), 5),
    **dict.fromkeys(('get', 'events'), 120),
}


class RateLimits:
    """Counts calls; off until `enabled` is set."""

    def __init__(self, clock):
        self._clock = clock
        self.reset()

    def reset(self):
        """Forget all calls and stop counting."""
        self.enabled = False
        self._calls = {}

    def count(self, operation, reference, caller):
        """Count a call.

        :param str caller: What the limit is counted by beside the reference.
        :raise Refusal: 429 with `Retry-After`, when there are too many.
        """
        if not self.enabled or operation not in LIMITS:
            return
        now = self._clock.now()
        calls = self._calls.setdefault((operation, reference, caller), deque())
        while calls and calls[0] <= now - MINUTE:
            calls.popleft()
        if len(calls) >= LIMITS[operation]:
            wait = int(calls[0] + MINUTE - now) + 1
            raise Refusal(
                429, f"Rate limit is exceeded. Try again in {wait} seconds.",
                {'Retry-After': str(wait)},
            )
        calls.append(now)
