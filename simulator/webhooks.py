"""The operations of the Webhooks API; each returns the HTTP status and the body of the answer."""

import base64
import secrets
import uuid
from dataclasses import dataclass

from .problems import Problem
from .request_bodies import REGISTER_WEBHOOK
from .urls import is_valid_webhook_url
from .validation import validate

# https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/events/
EVENTS = {
    *(
        f'epayments.payment.{name}.v1' for name in (
            'created', 'authorized', 'aborted', 'expired', 'terminated', 'captured', 'cancelled',
            'refunded',
        )
    ),
    'user.checked-in.v1',
    *(f'recurring.agreement-{name}.v1' for name in ('activated', 'rejected', 'stopped', 'expired')),
    *(
        f'recurring.charge-{name}.v1' for name in (
            'reserved', 'captured', 'canceled', 'refunded', 'failed', 'creation-failed',
        )
    ),
}
MOST_PER_EVENT = 25


@dataclass(frozen=True)
class Registration:
    """A URL of a merchant that wants to hear of events."""

    id: str
    msn: str
    url: str
    events: tuple
    secret: str


def register_webhook(world, call, base_url):
    """Register a URL; https://developer.vippsmobilepay.com/api/webhooks/"""
    validate(REGISTER_WEBHOOK, call.body)
    url, events = call.body['url'], tuple(dict.fromkeys(call.body['events']))
    if not is_valid_webhook_url(url, world.allow_loopback_http):
        raise Problem(fields=[('url', "Must be an https URL that the whole world can reach.")])
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise Problem(fields=[('events', f"Unsupported values: {', '.join(unknown)}")])
    for event in events:
        most = 1 if event == 'user.checked-in.v1' else MOST_PER_EVENT
        if sum(
            event in known.events for known in world.registrations.values()
            if known.msn == call.unit.msn
        ) >= most:
            raise Problem(fields=[('events', f"At most {most} webhooks can have {event}.")])
    registration = Registration(
        id=str(uuid.uuid4()),
        msn=call.unit.msn,
        url=url,
        events=events,
        secret=base64.b64encode(secrets.token_bytes(64)).decode(),
    )
    world.registrations_before = dict(world.registrations)
    world.registrations[registration.id] = registration
    return 201, {'id': registration.id, 'secret': registration.secret}


def list_webhooks(world, call, base_url):
    """List the registrations of the sales unit, without their secrets."""
    registrations = world.registrations_before if call.is_stale else world.registrations
    return 200, {'webhooks': [
        {'id': registration.id, 'url': registration.url, 'events': list(registration.events)}
        for registration in registrations.values() if registration.msn == call.unit.msn
    ]}


def delete_webhook(world, call, base_url):
    """Delete a registration; its pending events are not sent any more."""
    registration = world.registrations.get(call.webhook_id)
    if not registration or registration.msn != call.unit.msn or call.is_stale:
        raise Problem(status=404, detail="The webhook does not exist.")
    world.registrations_before = dict(world.registrations)
    del world.registrations[registration.id]
    world.deliveries.drop(registration.id)
    return 204, None
