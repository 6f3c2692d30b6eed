import dataclasses
import heapq
import itertools
import threading

from .clock import Clock, timestamp
from .codes import Codes
from .customers import EXAMPLE_PHONE, Customers
from .deliveries import Deliveries
from .express import Express
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
        self.express = Express(self)
        self._closing = threading.Event()
        self._start_over()

    def _start_over(self):
        self.units = {unit.msn: unit for unit in UNITS}
        self.payments = {}  # (MSN, reference) -> payment
        self.customers = Customers()
        self.codes = Codes(self.clock)
        self.registrations = {}  # id -> registration
        self.registrations_before = {}  # the same, before the last one was made or deleted
        self.made = {}  # what was made, and for whom -> the last answer
        self.answers = {}  # (MSN, idempotency key) -> request and its answer
        self.settlement = Settlement(self)
        self._deadlines = []
        self._tickets = itertools.count()

    def wait(self, seconds):
        """Wait so many real seconds, or until the simulator is closed."""
        self._closing.wait(seconds)

    def close(self):
        """Let nothing wait any longer, and deliver nothing more."""
        self._closing.set()
        self.deliveries.close()

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
        customer = request.get('customer') or {}
        text = customer.get('customerToken')
        token = text and self.codes.check_token(text, unit)
        phone = self.customers.identify(customer, token)
        payment = Payment(unit, request, self.clock.now(), self._publish)
        if payment.user_flow == 'PUSH_MESSAGE' or token:
            payment.notified_phone = phone
        self.payments[key] = payment
        payment.start(idempotency_key)
        self.watch(payment)
        return payment

    def check_in(self, msn, qr_id, phone=EXAMPLE_PHONE, age=0, old_name=False, forged=False):
        """Let a customer scan a sticker; the merchant gets an event if it has asked for them.

        :param str qr_id: The id of the sticker, which need not exist.
        :param float age: So many seconds ago.
        :param bool old_name: Name the sales unit as events did before.
        :param bool forged: Sign with another secret than the merchant's.
        :return: The token of the customer.
        """
        moment = self.clock.now() - age
        token = self.codes.make_token(msn, phone, moment)
        self.deliveries.publish_check_in(msn, qr_id, {
            'customerToken': token,
            'merchantQrId': qr_id,
            'merchantSerialNumber' if old_name else 'msn': msn,
            'initiatedAt': timestamp(moment).replace('Z', '0000Z'),
        }, forged)
        return token

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

    def approve(self, payment, fault=None):
        """Let the customer approve what is chosen; :meth:`Express.approve` chooses, too.

        :param Fault fault: What goes wrong with the choice, if anything does.
        :raise Problem: When the payment is decided already, or nothing is chosen.
        """
        payment.approve(self.clock.now(), fault)
        self.watch(payment)

    def decide(self, payment, decision):
        """Let the customer `decline`, or the time run out (`expire`).

        :raise Problem: When the payment is decided already.
        """
        if decision == 'decline':
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
