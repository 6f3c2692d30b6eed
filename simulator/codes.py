"""The printed codes that exist, and the customers who have scanned one."""

import secrets
from dataclasses import dataclass, field

from .problems import Problem

TOKEN_PERIOD = 15 * 60


@dataclass
class Sticker:
    """A merchant callback QR."""

    msn: str
    qr_id: str
    location: str
    content: str = field(
        default_factory=lambda: f'https://qr.vipps.no/box/{secrets.token_urlsafe(12)}'
    )


@dataclass
class Redirect:
    """A merchant redirect QR."""

    msn: str
    qr_id: str
    url: str
    ends_at: float = None  # None for one without an end
    content: str = field(
        default_factory=lambda: f'https://qr.vipps.no/r/{secrets.token_urlsafe(12)}'
    )


@dataclass
class Token:
    """What a merchant can ask a customer for money with, once."""

    msn: str
    phone: str
    made_at: float
    is_used: bool = False


class Codes:
    """Knows the stickers and the redirect codes by sales unit and id, and the tokens."""

    def __init__(self, clock):
        self._clock = clock
        self.stickers = {}
        self._redirects = {}
        self.tokens = {}

    def redirects(self, msn=None):
        """Return the redirect codes that have not ended, of a sales unit or of all."""
        return [code for code in self._redirects.values() if (
            msn in (None, code.msn) and (code.ends_at is None or self._clock.now() < code.ends_at)
        )]

    def find_redirect(self, msn, qr_id):
        """Return a redirect code of a sales unit, or None."""
        return next((code for code in self.redirects(msn) if code.qr_id == qr_id), None)

    def add_redirect(self, code):
        """Keep a redirect code."""
        self._redirects[code.msn, code.qr_id] = code

    def drop_redirect(self, code):
        """Forget a redirect code."""
        del self._redirects[code.msn, code.qr_id]

    def find_owner(self, qr_id):
        """Return the sales unit that has a sticker with this id, or None."""
        return next((msn for msn, known in self.stickers if known == qr_id), None)

    def make_token(self, msn, phone, made_at):
        """Return a new token of a customer who has scanned a sticker."""
        token = secrets.token_urlsafe(48)
        self.tokens[token] = Token(msn, phone, made_at)
        return token

    def check_token(self, text, unit):
        """Return what is known of a token.

        :raise Problem: If no payment can be made with it.
        """
        token = self.tokens.get(text)
        reason = (
            "It is not known." if not token or token.msn != unit.msn
            else "It was used." if token.is_used
            else "It is too old." if self._clock.now() >= token.made_at + TOKEN_PERIOD
            else None
        )
        if reason:
            raise Problem('4050', fields=[('customer.customerToken', reason)])
        return token
