"""Sends events to the registered webhooks: signed, in order, and again until they are taken."""

import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from .clock import timestamp
from .sales_units import DAY
from .signature import signed_headers
from .urls import is_loopback

WORKERS = 8
TIMEOUT = 10  # real seconds
GIVE_UP_AFTER = 7 * DAY
REORDER_PATIENCE = 5


def retry_delay(attempts):
    """Return how long to wait after so many attempts that failed, in seconds.

    The first four attempts come about every 2 s, the fifth after a minute, the sixth after two,
    those up to the 29th hourly and then daily.
    https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/
    """
    if attempts < 4:
        return 2
    if attempts == 4:
        return 60
    if attempts == 5:
        return 120
    return 3600 if attempts < 29 else DAY


@dataclass
class Delivery:
    """An event on its way to one registration."""

    body: dict
    due: float
    first_due: float = None
    gives_way: bool = False  # to the next event of the payment
    is_once: bool = False  # whether it is not tried again
    is_forged: bool = False
    is_edited: bool = False  # what is told was falsified on purpose
    attempts: int = 0
    webhook_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self):
        self.first_due = self.due


class Deliveries:
    """The queues, one for each registration and payment: an event that is not accepted blocks the
    rest."""

    def __init__(self, world):
        self._world = world
        self._changed = threading.Condition(world.lock)
        self._closing = False
        self.clear()

    def clear(self):
        """Forget all events and their deliveries."""
        with self._changed:
            self._queues = {}
            self._busy = set()
            self.log = []
            self._changed.notify_all()

    def start(self):
        """Begin to deliver, in the background."""
        for _number in range(WORKERS):
            threading.Thread(target=self._work, daemon=True).start()

    def close(self):
        """Stop delivering; a delivery under way ends by itself."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def wake(self):
        """Wake the workers to look for due deliveries again."""
        with self._changed:
            self._changed.notify_all()

    def publish(self, payment, event):
        """Queue an event of a payment for every registration that asked for it."""
        name = f"epayments.payment.{event['name'].lower()}.v1"
        for registration in self._world.registrations.values():
            if registration.msn == payment.unit.msn and name in registration.events:
                body = payment.webhook_event(event)
                self._enqueue(
                    registration, payment.reference, body,
                    is_edited=payment.is_edited and 'shippingDetails' in body,
                )
        self._changed.notify_all()

    def publish_check_in(self, msn, qr_id, body, is_forged):
        """Queue the event of a customer who has scanned a sticker: it is sent once."""
        for registration in self._world.registrations.values():
            if registration.msn == msn and 'user.checked-in.v1' in registration.events:
                self._enqueue(registration, qr_id, body, is_once=True, is_forged=is_forged)
        self._changed.notify_all()

    def drop(self, registration_id):
        """Forget the deliveries to a registration that was deleted."""
        for key in [key for key in self._queues if key[0] == registration_id]:
            del self._queues[key]
        self._changed.notify_all()

    def wait(self, timeout):
        """Wait until nothing is left to deliver.

        :param float timeout: In real seconds.
        :return: Whether that came true.
        """
        with self._changed:
            self._world.settle()
            return self._changed.wait_for(lambda: not self._queues, timeout)

    def count_pending(self):
        """Return how many events are still to be accepted."""
        return sum(map(len, self._queues.values()))

    def _enqueue(self, registration, reference, body, **options):
        now = self._world.clock.now()
        fault = self._world.faults.take('webhook', reference)
        kind = fault and fault.kind
        if kind == 'lost':
            self._note(registration, Delivery(body, now), 'lost on the way, as told', False)
            return
        queue = self._queues.setdefault((registration.id, reference), deque())
        delivery = Delivery(body, now, **options)
        if kind == 'late':
            delivery.due = now + fault.seconds
        if kind == 'reorder':
            patience = REORDER_PATIENCE if fault.seconds is None else fault.seconds
            delivery.due, delivery.gives_way = now + patience, True
        queue.append(delivery)
        if kind == 'duplicate':
            queue.append(Delivery(body, now, webhook_id=delivery.webhook_id, **options))

    def _work(self):
        while True:
            with self._changed:
                key = self._next()
                while key is None and not self._closing:
                    self._changed.wait(self._pause())
                    key = self._next()
                if self._closing:
                    return
                self._busy.add(key)
                delivery = self._queues[key][0]
                registration = self._world.registrations[key[0]]
                delivery.attempts += 1
                sent_at = self._world.clock.now()
            result, accepted = self._send(registration, delivery, sent_at)
            with self._changed:
                self._finish(key, registration, delivery, result, accepted)

    def _next(self):
        """Return the key of a queue whose first event is due, or None."""
        self._world.settle()
        now = self._world.clock.now()
        for key, queue in self._queues.items():
            if key in self._busy:
                continue
            if queue[0].gives_way and len(queue) > 1:
                queue[0].gives_way = False
                queue[0].due = now
                queue[0], queue[1] = queue[1], queue[0]
            if queue[0].due <= now:
                return key
        return None

    def _pause(self):
        """Return for how many real seconds nothing is due; None for ever."""
        moments = [queue[0].due for key, queue in self._queues.items() if key not in self._busy]
        if self._world.next_deadline() is not None:
            moments.append(self._world.next_deadline())
        if not moments:
            return None
        clock = self._world.clock
        pause = clock.real_seconds(min(moments) - clock.now())
        return min(pause, threading.TIMEOUT_MAX)

    def _send(self, registration, delivery, now):
        """Send an event once; returns the result in words and whether it was accepted."""
        body = json.dumps(delivery.body, separators=(',', ':'), ensure_ascii=False).encode()
        secret = 'x' * 88 if delivery.is_forged else registration.secret
        headers = {
            'Content-Type': 'application/json; charset=utf-8',
            'User-Agent': 'Vipps MobilePay/1.0 Webhooks/1.0',
            'Webhook-Id': delivery.webhook_id,
            **signed_headers(secret, registration.url, body, now),
        }
        self._world.journal.write({
            'type': 'webhook', 'path': urlsplit(registration.url).path, 'headers': headers,
            'body': delivery.body, 'fault': 'edited' if delivery.is_edited else None,
        })
        if not is_loopback(registration.url):
            return "not sent: the simulator speaks to this machine only", False
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy
                with session.post(
                    registration.url, data=body, headers=headers, timeout=TIMEOUT,
                    allow_redirects=False, stream=True,
                ) as answer:
                    return answer.status_code, 200 <= answer.status_code <= 299
        except requests.RequestException as error:
            return f"no answer: {type(error).__name__}", False

    def _finish(self, key, registration, delivery, result, accepted):
        self._busy.discard(key)
        queue = self._queues.get(key)
        # The registration may be deleted and everything reset in the meantime.
        if queue and queue[0] is delivery:
            self._note(registration, delivery, result, accepted)
            next_due = self._world.clock.now() + retry_delay(delivery.attempts)
            if accepted or delivery.is_once or next_due > delivery.first_due + GIVE_UP_AFTER:
                queue.popleft()
                if not queue:
                    del self._queues[key]
            else:
                delivery.due = next_due
        self._changed.notify_all()

    def _note(self, registration, delivery, result, accepted):
        self.log.append({
            'time': timestamp(self._world.clock.now()),
            'registration': registration.id,
            'url': registration.url,
            'webhookId': delivery.webhook_id,
            'reference': delivery.body.get('reference') or delivery.body.get('merchantQrId'),
            'name': delivery.body.get('name', 'CHECKED_IN'),
            'pspReference': delivery.body.get('pspReference'),
            'attempt': delivery.attempts,
            'result': result,
            'accepted': accepted,
        })
