"""The sales units that exist from the start, with obviously fake keys."""

from dataclasses import dataclass, fields

from .validation import BOOLEAN, record, text

DAY = 24 * 3600


@dataclass(frozen=True)
class SalesUnit:
    """One sales unit and its keys, as Vipps MobilePay knows them."""

    msn: str
    name: str
    currency: str
    client_id: str
    client_secret: str
    subscription_key: str
    secondary_subscription_key: str
    active: bool = True  # whether the payment product has been ordered and approved
    may_push: bool = True  # whether PUSH_MESSAGE has been approved
    may_express: bool = True  # whether Express has been approved
    may_capture_partially: bool = True
    may_live_long: bool = False  # whether long-living payments have been approved
    may_have_stickers: bool = True  # whether callback codes can be made

    @property
    def subscription_keys(self):
        """Both subscription keys; they are interchangeable."""
        return {self.subscription_key, self.secondary_subscription_key}

    @property
    def capture_period(self):
        """How long a reservation can be captured, in seconds: 180 days in Norway, else 14."""
        return (180 if self.currency == 'NOK' else 14) * DAY


SALES_UNIT = record(
    {field.name: text() for field in fields(SalesUnit) if field.type is str},
    {field.name: BOOLEAN for field in fields(SalesUnit) if field.type is bool},
)
NOK_UNIT = SalesUnit(
    msn='123456',
    name="Simulated Shop Norway",
    currency='NOK',
    client_id='00000000-fa4e-4000-8000-000000123456',
    client_secret='fake-client-secret-of-123456==',
    subscription_key='fake0subscription0key0123456001',
    secondary_subscription_key='fake0subscription0key0123456002',
)
DKK_UNIT = SalesUnit(
    msn='234567',
    name="Simulated Shop Denmark",
    currency='DKK',
    client_id='00000000-fa4e-4000-8000-000000234567',
    client_secret='fake-client-secret-of-234567==',
    subscription_key='fake0subscription0key0234567001',
    secondary_subscription_key='fake0subscription0key0234567002',
)
EUR_UNIT = SalesUnit(
    msn='345678',
    name="Simulated Shop Finland",
    currency='EUR',
    client_id='00000000-fa4e-4000-8000-000000345678',
    client_secret='fake-client-secret-of-345678==',
    subscription_key='fake0subscription0key0345678001',
    secondary_subscription_key='fake0subscription0key0345678002',
)
UNITS = (NOK_UNIT, DKK_UNIT, EUR_UNIT)
