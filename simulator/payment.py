import secrets
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace

from .clock import parse_timestamp, timestamp
from .customers import EXAMPLE_PHONE
from .problems import Problem
from .sales_units import DAY, SalesUnit

STATES = ('CREATED', 'AUTHORIZED', 'ABORTED', 'EXPIRED', 'TERMINATED')
LIFETIME = 10 * 60
REFUND_PERIOD = 365 * DAY
# How long a capture is guaranteed depends on the card; this is that of a debit card.
GUARANTEE_PERIOD = 7 * DAY
# https://developer.vippsmobilepay.com/docs/APIs/userinfo-api/userinfo-api-guide/
PROFILE_PERIOD = 168 * 3600

EXAMPLE_EMAIL = 'kari.nordmann@example.com'
EXAMPLE_STREET, EXAMPLE_CITY, EXAMPLE_ZIP = "Robert Levins gate 5", "Oslo", '0154'
EXAMPLE_BIRTHDAY = '1988-12-31'


@dataclass
class Payment:
    """One payment with its operations. Amounts are integers in minor units.

    Every method that changes something appends an event and hands it to `publish`; it raises
    :class:`Problem` with the documented code when the payment does not allow it.
    """

    unit: SalesUnit
    request: dict
    created_at: float
    publish: callable
    state: str = 'CREATED'
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    cancelled: int = 0
    authorized_at: float = None
    decided_at: float = None
    notified_phone: str = None  # the number typed on the landing page, or of a push message
    category: dict = None  # the link that the app shows
    # Express: where to deliver, the options offered for that, or why there are none; the id of the
    # chosen one, and in the end the choice as it is told, in the payment and in the event.
    address: dict = None
    groups: list = None
    refusal: str = ''
    option_id: str = None
    shipping: dict = None
    told_in: tuple = ('get', 'event')
    is_edited: bool = False
    questions: list = field(default_factory=list)  # to the merchant, with the answers
    events: list = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def reference(self):
        """The reference that the merchant chose."""
        return self.request['reference']

    @property
    def amount(self):
        """The amount asked for."""
        return self.request['amount']['value']

    @property
    def currency(self):
        """The currency of all amounts of the payment."""
        return self.request['amount']['currency']

    @property
    def user_flow(self):
        """How the customer gets to the payment."""
        return self.request['userFlow']

    @property
    def phone(self):
        """The phone number of the customer, as far as it is known."""
        return self.notified_phone or (self.request.get('customer') or {}).get('phoneNumber')

    @property
    def scopes(self):
        """The profile data that the customer is asked to share."""
        return (self.request.get('profile') or {}).get('scope', '').split()

    @property
    def wants_delivery(self):
        """Whether the customer chooses a delivery."""
        return 'shipping' in self.request

    @property
    def callback_token(self):
        """The secret of the merchant that comes with each question to it, or None."""
        dynamic = self.request.get('shipping', {}).get('dynamicOptions', {})
        return dynamic.get('callbackAuthorizationToken')

    @property
    def option(self):
        """The option of delivery that is chosen, or the default; None if there is none."""
        options = [
            (option['id'] == self.option_id, option.get('isDefault', False),
             group.get('isDefault', False), option)
            for group in self.groups or () for option in group['options']
        ]
        return max(options, key=lambda each: each[:3])[3] if options else None

    @property
    def total(self):
        """The amount with the delivery, as far as it is chosen."""
        cost = self.option['amount']['value'] if self.option else 0
        return self.amount + (self.shipping or {}).get('shippingCost', cost)

    @property
    def shared_sub(self):
        """The customer's id for the sales unit, as soon as the customer shares anything."""
        if not self.scopes or self.authorized_at is None:
            return None
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f'{self.unit.msn}/{self.phone or EXAMPLE_PHONE}'))

    @property
    def remaining(self):
        """The amount that can still be captured."""
        if self.state != 'AUTHORIZED':
            return 0
        return self.authorized - self.captured - self.cancelled

    @property
    def deadline(self):
        """When something happens to the payment by itself; None when nothing does any more."""
        if self.state == 'CREATED':
            expires_at = self.request.get('expiresAt')
            return parse_timestamp(expires_at) if expires_at else self.created_at + LIFETIME
        return self.authorized_at + self.unit.capture_period if self.remaining else None

    def start(self, idempotency_key):
        """Tell the world that the payment exists."""
        self._happen('CREATED', self.amount, self.created_at, idempotency_key)

    def settle(self, now):
        """Expire or release the payment when its deadline has passed."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        if self.state == 'CREATED':
            self._decide('EXPIRED', deadline)
        else:
            self._release(deadline)

    def demand_delivery(self):
        """Raise unless the customer can choose a delivery now."""
        self._demand_open('10020')
        if not self.wants_delivery:
            raise Problem('10060', "There is nothing to deliver.")

    def offer(self, address, groups, refusal):
        """Show the customer how the merchant delivers to an address, or why not."""
        self.address, self.groups, self.refusal = address, groups, refusal

    def choose(self, option_id):
        """Choose a delivery, as the customer does in the app."""
        self.demand_delivery()
        self.option_id = option_id
        if not self.option or self.option['id'] != option_id:
            raise Problem(detail="The shop does not offer this delivery.")

    def approve(self, now, fault=None):
        """Reserve the amount, as the customer does in the app."""
        if self.state == 'AUTHORIZED':
            raise Problem('6230')
        self._demand_open('10020')
        kind = fault and fault.kind
        if self.wants_delivery:
            if not self.option:
                raise Problem('10020', self.refusal or "No delivery is chosen.")
            self.is_edited = kind == 'edited'
            changed = {
                'address': self.address,
                'shippingCost': self.option['amount']['value'],
                'shippingOptionId': self.option['id'],
                'shippingOptionName': self.option['name'],
                **(fault.changes if self.is_edited else {}),
            }
            self.shipping = {name: value for name, value in changed.items() if value is not None}
        if kind in ('only_get', 'only_event'):
            self.told_in = (kind.removeprefix('only_'),)
        self.authorized = self.total
        self.authorized_at = now
        self._decide('AUTHORIZED', now)

    def abort(self, now):
        """Decline, as the customer does in the app or on the landing page."""
        self._demand_open('6190')
        self._decide('ABORTED', now)

    def expire(self, now):
        """Let the time be over before it is."""
        self._demand_open('6190')
        self._decide('EXPIRED', now)

    def capture(self, amount, now, idempotency_key=None):
        """Capture all or a part of the reserved amount."""
        if self.state == 'CREATED':
            raise Problem('6080')
        if self.state != 'AUTHORIZED':
            raise Problem('6200')
        if self.captured == self.authorized:
            raise Problem('6170')
        if now >= self.authorized_at + self.unit.capture_period:
            raise Problem('6100')
        if not self.remaining:
            raise Problem('6070')
        self._demand_amount(amount)
        if amount > self.remaining:
            raise Problem('6090', f"{self.remaining} can still be captured.")
        if amount != self.authorized and not self.unit.may_capture_partially:
            raise Problem('6140')
        self.captured += amount
        self._happen('CAPTURED', amount, now, idempotency_key)

    def refund(self, amount, now, idempotency_key=None):
        """Refund all or a part of the captured amount."""
        if self.state == 'CREATED':
            raise Problem('6020')
        if self.state != 'AUTHORIZED':
            raise Problem('6210')
        if now >= self.authorized_at + REFUND_PERIOD:
            raise Problem('6220')
        if self.captured and self.refunded == self.captured:
            raise Problem('6180')
        self._demand_amount(amount)
        if amount > self.captured - self.refunded:
            raise Problem('6150', f"{self.captured - self.refunded} can be refunded.")
        self.refunded += amount
        self._happen('REFUNDED', amount, now, idempotency_key)

    def cancel(self, now, only_unapproved=False, idempotency_key=None):
        """End an open payment, or release all that is reserved and not captured."""
        if self.state == 'CREATED':
            self.cancelled = self.amount
            self._decide('TERMINATED', now, idempotency_key)
            return
        if self.state in ('ABORTED', 'EXPIRED'):
            raise Problem('6050')
        if self.state == 'TERMINATED':
            raise Problem('6190')
        if only_unapproved:
            raise Problem('6060')
        if self.captured == self.authorized:
            raise Problem('6040')
        if now >= self.authorized_at + self.unit.capture_period:
            raise Problem('6030')
        if not self.remaining:
            raise Problem('6190')
        self._release(now, idempotency_key)

    def fail(self, name, amount, now, idempotency_key=None):
        """Tell of an operation that did not take effect."""
        self._happen(name, amount, now, idempotency_key, success=False)

    def before_last_event(self):
        """Return a copy as the payment was before the last thing that happened to it."""
        events = self.events[:-1] or self.events
        sums = Counter()
        for event in events:
            sums[event['name']] += event['amount']['value'] * event['success']
        return replace(
            self,
            state=[event['name'] for event in events if event['name'] in STATES][-1],
            authorized=sums['AUTHORIZED'],
            captured=sums['CAPTURED'],
            refunded=sums['REFUNDED'],
            cancelled=sums['CANCELLED'] + sums['TERMINATED'],
            authorized_at=self.authorized_at if sums['AUTHORIZED'] else None,
            events=events,
        )

    def details(self, redirect_url):
        """Return the answer to reading the payment."""
        return {
            'aggregate': self.aggregate(),
            'amount': self._money(self.amount),
            'state': self.state,
            'paymentMethod': {'type': self.request['paymentMethod']['type']},
            'profile': {'sub': self.shared_sub} if self.shared_sub else {},
            'pspReference': self.events[0]['pspReference'],
            'reference': self.reference,
            **({'redirectUrl': redirect_url} if redirect_url and self.state == 'CREATED' else {}),
            **({'metadata': self.request['metadata']} if self.request.get('metadata') else {}),
            **self._known_after_approval('get'),
        }

    def is_profile_available(self, now):
        """Return whether the shared profile can still be read."""
        return bool(self.shared_sub) and now < self.authorized_at + PROFILE_PERIOD

    def userinfo(self):
        """Return the shared profile, as the Userinfo API writes it."""
        shared = {
            'name': {'name': "Kari Nordmann", 'given_name': "Kari", 'family_name': "Nordmann"},
            'email': {'email': EXAMPLE_EMAIL, 'email_verified': True},
            'phoneNumber': {'phone_number': self.phone or EXAMPLE_PHONE},
            'birthDate': {'birthdate': EXAMPLE_BIRTHDAY},
            'address': {
                'address': {
                    'address_type': 'home', 'country': 'NO', 'postal_code': EXAMPLE_ZIP,
                    'region': EXAMPLE_CITY, 'street_address': EXAMPLE_STREET,
                    'formatted': f'{EXAMPLE_STREET}\n{EXAMPLE_ZIP} {EXAMPLE_CITY}',
                },
                'other_addresses': [],
            },
        }
        answer = {'sub': self.shared_sub}
        for scope in self.scopes:
            answer.update(shared[scope])
        return answer

    def modification(self):
        """Return the answer to a capture, a refund or a cancellation."""
        return {
            'amount': self._money(self.amount),
            'state': self.state,
            'aggregate': self.aggregate(),
            'pspReference': self.events[0]['pspReference'],
            'reference': self.reference,
        }

    def aggregate(self):
        """Return the sums, as the API writes them."""
        return {
            'authorizedAmount': self._money(self.authorized),
            'cancelledAmount': self._money(self.cancelled),
            'capturedAmount': self._money(self.captured),
            'refundedAmount': self._money(self.refunded),
        }

    def webhook_event(self, event):
        """Return the body of the webhook for one of our events."""
        body = {'msn': self.unit.msn, **event}
        if event['name'] == 'AUTHORIZED':
            body.update(self._known_after_approval('event'))
            if self.shared_sub:
                body['sub'] = self.shared_sub
        return body

    def summary(self):
        """Return everything as the control endpoints show it."""
        return {
            'msn': self.unit.msn,
            'reference': self.reference,
            'state': self.state,
            'amount': self._money(self.amount),
            'aggregate': self.aggregate(),
            'userFlow': self.user_flow,
            'request': self.request,
            'category': self.category,
            'shippingDetails': self.shipping,
            'questions': self.questions,
            'events': self.events,
        }

    def _demand_open(self, code):
        if self.state != 'CREATED':
            raise Problem(code, f"The payment is {self.state}.")

    @staticmethod
    def _demand_amount(amount):
        if amount < 1:
            raise Problem('4040', fields=[('modificationAmount.value', "Must be at least 1.")])

    def _decide(self, state, now, idempotency_key=None):
        self.state = state
        self.decided_at = now
        self._happen(state, self.authorized or self.amount, now, idempotency_key)

    def _release(self, now, idempotency_key=None):
        amount = self.remaining
        self.cancelled += amount
        self._happen('CANCELLED', amount, now, idempotency_key)

    def _happen(self, name, amount, now, idempotency_key, success=True):
        event = {
            'reference': self.reference,
            'pspReference': str(10 ** 9 + secrets.randbelow(9 * 10 ** 9)),
            'name': name,
            'amount': self._money(amount),
            'timestamp': timestamp(now),
            **({'idempotencyKey': idempotency_key} if idempotency_key else {}),
            'success': success,
        }
        self.events.append(event)
        self.publish(self, event)

    def _known_after_approval(self, place):
        if self.authorized_at is None:
            return {}
        known = {'captureGuaranteedUntil': timestamp(self.authorized_at + GUARANTEE_PERIOD)}
        if self.shipping and place in self.told_in:
            known['shippingDetails'] = self.shipping
        if self.shared_sub and place in self.told_in:
            # The first four are there whatever was asked for: the specification demands them.
            known['userDetails'] = {
                'email': EXAMPLE_EMAIL,
                'firstName': "Kari",
                'lastName': "Nordmann",
                'mobileNumber': self.phone or EXAMPLE_PHONE,
                **({'dateOfBirth': EXAMPLE_BIRTHDAY} if 'birthDate' in self.scopes else {}),
                **({'addresses': [{
                    'addressLine1': EXAMPLE_STREET, 'city': EXAMPLE_CITY, 'country': 'NO',
                    'postCode': EXAMPLE_ZIP,
                }]} if 'address' in self.scopes else {}),
            }
        return known

    def _money(self, value):
        return {'currency': self.currency, 'value': value}
