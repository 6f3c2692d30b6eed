# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

""" How long people wait for Vipps MobilePay. """

import time

# A person looks at a page or a till: all reads of a request together take no more than this, in
# seconds, and nobody waits longer for a lock. The rest is left to the jobs.
WAITING_SECONDS = 1.5

# Operations that a person asks for once may take longer than reads. An automatic capture, for which
# the person only happens to wait, takes the time that the reads have left.
LONGER_SECONDS = {'create': 5, 'refund': 8}
# For as long after one without an answer, pages and tills that poll leave the others to the jobs.
HANGING_SECONDS = 30
TILL_CREATE_SECONDS = 3


class Patience:
    """ How long a person waits for reads in one request, and whether there was no answer.

    It is handed on in the context, in which a browser can put nothing like it.
    """

    def __init__(self, is_polling):
        """ Begin to wait.

        :param bool is_polling: Whether the page or the till asks again automatically.
        """
        self.is_polling = is_polling
        self.is_over = False
        self.last_calls = {}  # as they were when they were first looked up in the request
        self._end = None

    def get_seconds(self):
        """ Return the seconds that are left, from when something is asked for the first time.

        :rtype: float
        """
        if self._end is None:
            self._end = time.monotonic() + WAITING_SECONDS
        return 0 if self.is_over else max(self._end - time.monotonic(), 0)
