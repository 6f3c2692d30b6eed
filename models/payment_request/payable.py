# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from typing import NamedTuple

from odoo import api, models
from odoo.fields import Command
from odoo.tools import consteq
from odoo.tools.misc import hmac

from ... import const

# The letters that codes begin with, each for the documents of one model.
MODELS_BY_LETTER = {}
CODE = re.compile(r'([a-z])([0-9]{1,9})-([0-9a-f]{20})')

# The HTTP statuses of the pages, by the state of what is to be paid. What is settled is a fact, and
# a good answer.
STATUSES = {
    'cancelled': 410, 'closed': 410, 'expired': 410, 'draft': 409, 'unsigned': 409, 'invoiced': 409,
    'currency': 409, 'unavailable': 503,
}


class Offer(NamedTuple):
    """ The answer of a page: the state of the document, and what can be paid now. """
    # `open`, `paid`, `reserved`, `credited`, or one of :data:`STATUSES`.
    state: str
    # The amount that is left to pay, in major units.
    amount: float = 0
    # The amount that can be paid instead, because more is not due yet, if there is one.
    due_amount: float = 0

    @property
    def status(self):
        """ Return the HTTP status of the page. """
        return STATUSES.get(self.state, 200)


class VippsPayable(models.AbstractModel):
    """ A document that customers pay on a page of ours, whose address is printed on it.

    The address is stable: a payment is created when the customer presses the button on the page,
    for what is left to pay at that moment. Its code is derived from the access token of the
    document, which it does not reveal: the page shows no more than the paper does.
    """
    _name = 'vipps.payable'
    _description = "Document with a Payment Page"
    _vipps_page_template = 'mobilepay_vipps.pay_page'
    _vipps_code_switch = None  # The field of the provider that has a code printed on it.

    #=== BUSINESS METHODS - ADDRESS ===#

    def _vipps_get_pay_route(self):
        """ Return the route of the page on which the document is paid. """
        self.ensure_one()
        letter = next(key for key, model in MODELS_BY_LETTER.items() if model == self._name)
        return f'{const.PAY_ROUTE}/{letter}{self.id}-{self.sudo()._vipps_sign_pay_route()}'

    def _vipps_sign_pay_route(self):
        """ Return the signature in the route. A document of a restored backup that takes the
        number of a lost one has another access token, and so another signature. """
        return hmac(
            self.env(su=True), 'vipps_pay', (self._name, self.id, self._portal_ensure_token())
        )[:20]

    @api.model
    def _vipps_find_by_code(self, code):
        """ Return the document of a route, in sudo mode, if its signature is right. """
        match = CODE.fullmatch(code or '')
        model = match and MODELS_BY_LETTER.get(match[1])
        if not model:
            return None
        document_sudo = self.env[model].sudo().browse(int(match[2])).exists()
        # A document without a token was never printed with a code.
        if not document_sudo.access_token or not consteq(
            match[3], document_sudo._vipps_sign_pay_route()
        ):
            return None
        return document_sudo.with_company(document_sudo.company_id)

    #=== BUSINESS METHODS - OFFER ===#

    def _vipps_get_offer(self):
        """ Return what can be paid of the document now. """
        self.ensure_one()
        state = self._vipps_get_closed_state()
        if state:
            return Offer(state)
        amount = max(self.currency_id.round(self._vipps_get_amount_to_pay()), 0)
        if not amount:
            return Offer('reserved' if self._vipps_is_payment_on_its_way() else 'paid')
        due_amount = self.currency_id.round(self._vipps_get_amount_due_now(amount))
        if not 0 < due_amount < amount:
            due_amount = 0
        if not self._vipps_find_offering_provider(due_amount or amount):
            is_taken = self.currency_id.name in const.CURRENCY_PAYMENT_METHODS
            return Offer('unavailable' if is_taken else 'currency', amount)
        return Offer('open', amount, due_amount)

    def _vipps_get_closed_state(self):
        """ Hook: return the state of a document that cannot be paid whatever is left to pay, or
        None. """
        raise NotImplementedError

    def _vipps_get_amount_to_pay(self):
        """ Hook: return the amount that is neither paid nor reserved, in major units. """
        raise NotImplementedError

    def _vipps_get_amount_due_now(self, amount):
        """ Hook: return the part that is due now of the amount that is left to pay. """
        return amount

    def _vipps_is_payment_on_its_way(self):
        """ Hook: return whether a payment of the document is approved, and not booked yet. """
        return False

    def _vipps_get_page_partner(self):
        """ Hook: return the contact that pays. """
        return self.partner_id

    def _vipps_find_offering_provider(self, amount):
        """ Return the provider that takes an amount for the document now, as the payment form
        finds it: employees find those that are not published, too, after the others. """
        providers = self.env['payment.provider'].sudo()._get_compatible_providers(
            self.company_id.id, self._vipps_get_page_partner().id, amount,
            currency_id=self.currency_id.id,
        ).filtered(lambda provider: provider.code == 'vipps')
        return providers.sorted('is_published', reverse=True)[:1]

    #=== BUSINESS METHODS - PAYMENT ===#

    def _vipps_read_amount(self, offer, part=None, **data):
        """ Hook: return the amount that the customer chose on the page.

        :param Offer offer: What can be paid.
        :param str part: `due` for the part that is due now, if not all of it is.
        :param dict data: The other values of the form.
        :raise ValidationError: If it cannot be paid.
        """
        return offer.due_amount if part == 'due' and offer.due_amount else offer.amount

    def _vipps_prepare_page_payment(self, amount):
        """ Return the arguments of the transaction of a customer who pays on the page. """
        provider = self._vipps_find_offering_provider(amount)
        return {
            'provider_id': provider.id,
            'payment_method_id': provider._vipps_get_payment_method(self.currency_id).id,
            'token_id': None,
            'amount': amount,
            'currency_id': self.currency_id.id,
            'partner_id': self._vipps_get_page_partner().id,
            'flow': 'redirect',
            'tokenization_requested': False,
            'landing_route': self._vipps_get_landing_route(),
            'custom_create_values': self._vipps_prepare_page_values(),
        }

    def _vipps_get_landing_route(self):
        """ Hook: return the route that the customer ends on. """
        return self._vipps_get_pay_route()

    def _vipps_prepare_page_values(self):
        """ Hook: return the values that link the transaction with the document. """
        name = 'invoice_ids' if self._name == 'account.move' else 'sale_order_ids'
        return {name: [Command.set(self.ids)]}
