# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models

from ... import const
from ...protocol import amount as protocol_amount
from ...protocol import payloads, phone, qr, receipt, reference, user_info


class VippsApiClient(models.AbstractModel):
    """ The values of Odoo as the API takes them, and the other way round. """
    _inherit = 'vipps.api.client'

    #=== AMOUNTS ===#

    @api.model
    def _to_minor(self, amount, currency):
        """ Return an amount in minor units.

        :param float amount: The amount of a payment or an operation, in major units.
        :param res.currency currency: The currency.
        :rtype: int
        :raise ValueError: If it has more decimals than the API, see :meth:`_is_exact`.
        """
        return protocol_amount.to_minor(amount, currency.name)

    @api.model
    def _get_decimals(self, currency):
        """ Return how many decimals amounts in a currency have in the API. """
        return protocol_amount.DECIMALS[currency.name]

    @api.model
    def _is_exact(self, amount, currency):
        """ Return whether an amount is a whole number of the API's units. A currency of Odoo can
        have more decimals than the API.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency.
        :rtype: bool
        """
        try:
            self._to_minor(amount, currency)
        except ValueError:
            return False
        return True

    @api.model
    def _round_down(self, amount, currency):
        """ Return the largest amount in the units of the API, and of the currency if these are
        larger, that does not exceed an amount.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency, which is one of the API.
        :return: The amount, in major units.
        :rtype: float
        """
        minor = protocol_amount.floor_to_minor(amount, currency.name)
        unit = max(protocol_amount.round_to_minor(currency.rounding, currency.name), 1)
        return self._to_major(minor - minor % unit, currency)

    @api.model
    def _to_major(self, amount, currency):
        """ Return an amount in major units.

        :param int amount: The amount, in minor units.
        :param res.currency currency: The currency.
        :rtype: float
        """
        return float(protocol_amount.to_major(amount, currency.name))

    @api.model
    def _is_payable(self, amount, currency):
        """ Return whether a payment can be for an amount.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency.
        :rtype: bool
        """
        return (
            currency.name in const.CURRENCY_PAYMENT_METHODS
            and self._is_exact(amount, currency)
            and protocol_amount.within_limits(self._to_minor(amount, currency), currency.name)
        )

    @api.model
    def _normalize_phone(self, number, country):
        """ Return a phone number as the API takes it.

        :param str number: The number as typed by a person.
        :param res.country country: The country of numbers without a country code.
        :return: The number with country code, or None if there is no valid one.
        :rtype: str | None
        """
        number = number or ''
        return phone.normalize(number, not number.startswith('+') and country.code or None)

    @api.model
    def _is_code(self, text):
        """ Return whether the API takes a text as a customer's own code. """
        return payloads.is_personal_qr(text)

    @api.model
    def _make_reference(self, prefix, document, suffix):
        """ Return a reference that the API takes and in which the document can be recognized. """
        return reference.make(prefix, document, suffix)

    @api.model
    def _is_reference(self, text):
        """ Return whether the API takes a text as a reference. """
        return reference.is_valid(text)

    @api.model
    def _get_idempotency_key(self, tx, operation, amount, sequence):
        """ Return the key that makes an operation take effect at most once.

        It is derived and never drawn: each repetition of the same operation has the same key.

        :param payment.transaction tx: The root transaction.
        :param str operation: The operation.
        :param float amount: The amount, in major units.
        :param int|tuple sequence: What tells this operation from an earlier one of the same amount.
        :rtype: str
        """
        return reference.idempotency_key(
            self.env['ir.config_parameter'].sudo().get_param('database.uuid'),
            tx.vipps_payment_reference,
            operation,
            sequence,
            self._to_minor(amount, tx.currency_id),
        )

    @api.model
    def _prepare_receipt(self, lines, amount, currency, pos=None):
        """ Return the receipt of a payment, or None if it does not add up to the amount.

        :param list[dict] lines: The lines, in major units.
        :param int amount: The amount of the payment, in minor units.
        :param res.currency currency: The currency.
        :param dict pos: What a till adds, see :meth:`_create_payment`, in major units.
        :rtype: dict | None
        """
        def to_minor(major):
            # Lines can have more decimals than the API; the receipt evens out what that changes.
            return protocol_amount.round_to_minor(major, currency.name)

        return receipt.build([
            receipt.Line(
                name=line['name'],
                id=line['id'],
                quantity=str(line['quantity']),
                total=to_minor(line['total']),
                tax=to_minor(line['tax']),
                tax_rate=line['tax_rate'] and round(line['tax_rate'] * 100),
                is_shipping=line['is_shipping'],
                url=line.get('url', ''),
            )
            for line in lines
        ], amount, currency.name, rounding_name=_("Rounding"), till=pos and receipt.Till(
            id=pos['pos_id'],
            receipt_number=pos['receipt_number'],
            tip=to_minor(pos['tip_amount']),
            cash=to_minor(pos['cash_amount']),
            card=to_minor(pos['card_amount']),
        ))

    @api.model
    def _is_redirect_url(self, url):
        """ Return whether a code can open a page. """
        return qr.is_redirect_url(url)

    @api.model
    def _keep_scopes(self, details, scopes):
        """ Return the shared data that was asked for.

        :param dict details: What was shared, see :mod:`protocol.user_info`.
        :param list[str] scopes: What was asked for.
        :rtype: dict
        """
        return user_info.keep_scopes(details, scopes)
