import dataclasses
import heapq
import itertools
import threading

from .clock import Clock
from .customers import Customers
from .deliveries import Deliveries
from .faults import Faults
from .journal import Journal
from .payment import Payment
from .problems import Problem
from .rate_limits import RateLimits
from .sales_units import SALES_UNIT, UNITS, SalesUnit
from .settlement import Settlement
from .tokens import Tokens
from .validation import validate


class World:
    """The whole state of the simulator. Hold `lock` to read or change it."""

    def __init__(self, clock=None, allow_loopback_http=False, record=None):
        """Start with the predefined sales units and nothing else.

        :param Clock clock: The time; a clock of its own by default.
        :param bool allow_loopback_http: Take http URLs to this machine from merchants.
        :param str record: A file, or a folder for one, that gets every exchange as a JSON line.
        """
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.allow_loopback_http = allow_loopback_http
        self.tokens = Tokens(self.clock)
        self.faults = Faults()
        self.journal = Journal(self.clock, record)
        self.rate_limits = RateLimits(self.clock)
        self.deliveries = Deliveries(self)
        self._start_over()

    def _start_over(self):
        self.units = {unit.msn: unit for unit in UNITS}
        self.payments = {}  # (MSN, reference) -> payment
        self.customers = Customers()
        self.registrations = {}  # id -> registration
        self.registrations_before = {}  # the same, before the last one was made or deleted
        self.made = {}  # what was made, and for whom -> the last answer
        self.answers = {}  # (MSN, idempotency key) -> request and its answer
        self.settlement = Settlement(self)
        self._deadlines = []
        self._tickets = itertools.count()

    def reset(self):
        """Forget everything that happened and go back to the real time.

        Access tokens stay valid, so that whoever holds one need not know.
        """
        with self.lock:
            self._start_over()
            self.clock.reset()
            self.faults.clear()
            self.journal.clear()
            self.rate_limits.reset()
            self.deliveries.clear()

    def set_unit(self, msn, **changes):
        """Change a sales unit, or add one that is described completely.

        :raise Problem: When a property is unknown, missing, or of the wrong type.
        """
        with self.lock:
            known = dataclasses.asdict(self.units[msn]) if msn in self.units else {}
            properties = {**known, 'msn': msn, **changes}
            validate(SALES_UNIT, properties)
            unit = SalesUnit(**properties)
            self.units[msn] = unit
            for payment in self.payments.values():
                if payment.unit.msn == msn:
                    payment.unit = unit
            return unit

    def create_payment(self, unit, request, idempotency_key):
        """Add a payment; its request has been checked.

        :raise Problem: When the reference has been used before, or when there is no such customer.
        """
        key = (unit.msn, request['reference'])
        if key in self.payments:
            raise Problem('4150', "Another payment has this reference.")
        phone = self.customers.identify(request.get('customer') or {})
        payment = Payment(unit, request, self.clock.now(), self._publish)
        if payment.user_flow == 'PUSH_MESSAGE':
            payment.notified_phone = phone
        self.payments[key] = payment
        payment.start(idempotency_key)
        self.watch(payment)
        return payment

    def _publish(self, payment, event):
        self.settlement.publish(payment, event)
        self.deliveries.publish(payment, event)

    def watch(self, payment):
        """Schedule the deadline of a payment."""
        if payment.deadline is not None:
            heapq.heappush(self._deadlines, (payment.deadline, next(self._tickets), payment))

    def settle(self):
        """Settle the payments whose deadline has passed."""
        while self._deadlines and self._deadlines[0][0] <= self.clock.now():
            _deadline, _ticket, payment = heapq.heappop(self._deadlines)
            payment.settle(self.clock.now())

    def next_deadline(self):
        """Return when something happens by itself next, or None."""
        return self._deadlines[0][0] if self._deadlines else None

    def find_payment(self, msn, reference):
        """Return the payment of a sales unit.

        :raise Problem: When there is none.
        """
        self.settle()
        if (msn, reference) not in self.payments:
            raise Problem('5090')
        return self.payments[msn, reference]

    def find_by_reference(self, reference):
        """Return the payment with a reference, of any sales unit.

        :raise Problem: When there is none, or when several sales units have one.
        """
        self.settle()
        found = [payment for (_msn, ref), payment in self.payments.items() if ref == reference]
        if len(found) > 1:
            raise Problem(detail="Several sales units have this reference.")
        if not found:
            raise Problem('5090')
        return found[0]

    def find_by_token(self, token):
        """Return the payment that a landing page or a QR code leads to, or None."""
        self.settle()
        return next((p for p in self.payments.values() if p.token == token), None)

    def approve(self, payment):
        """Let the customer approve.

        :raise Problem: When the payment is decided already.
        """
        payment.approve(self.clock.now())
        self.watch(payment)

    def decide(self, payment, decision):
        """Let the customer `approve` or `decline`, or the time run out (`expire`).

        :raise Problem: When the payment is decided already.
        """
        if decision == 'approve':
            self.approve(payment)
        elif decision == 'decline':
            payment.abort(self.clock.now())
        else:
            payment.expire(self.clock.now())

    def modify(self, payment, operation, amount=None, **options):
        """Let the merchant `capture`, `refund` or `cancel`.

        :param int amount: What to capture or refund, in minor units; all by default.
        :raise Problem: When the payment does not allow it.
        """
        now = self.clock.now()
        if operation == 'cancel':
            payment.cancel(now, **options)
        elif operation == 'capture':
            payment.capture(payment.remaining if amount is None else amount, now, **options)
        else:
            refundable = payment.captured - payment.refunded
            payment.refund(refundable if amount is None else amount, now, **options)

    def advance(self, seconds):
        """Jump ahead in time, and settle and deliver everything that is due then."""
        with self.lock:
            self.clock.advance(seconds)
            self.settle()
            self.deliveries.wake()
