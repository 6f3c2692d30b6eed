# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from ...protocol import errors, qr


class VippsApiClient(models.AbstractModel):
    """ Stickers, and the customers who scan them. """
    _inherit = 'vipps.api.client'

    #=== STICKERS ===#

    @api.model
    def _is_sticker_number(self, text):
        """ Return whether a text can be the number of a sticker. """
        return qr.is_sticker_id(text)

    @api.model
    def _cut_location(self, text):
        """ Return the place of a sticker as Vipps MobilePay keeps it. """
        return qr.cut_location(text)

    #=== CHECK-INS ===#

    @api.model
    def _has_check_ins(self, webhook):
        """ Return whether a webhook registration is for the check-ins of customers.

        :param dict webhook: The registration.
        :rtype: bool
        """
        return qr.CHECKED_IN in webhook['events']

    @api.model
    def _register_check_ins(self, provider, url):
        """ Register a URL for check-ins; a sales unit has only one.

        :param payment.provider provider: The provider.
        :param str url: The URL.
        :return: The `id` and the `secret`.
        :rtype: dict
        :raise VippsError: If it is refused, or if it is unknown whether it is registered.
        """
        return self._call(provider, 'register_webhook', url=url, events=[qr.CHECKED_IN])

    @api.model
    def _parse_check_in(self, data):
        """ Return the check-in of a webhook, or None for other events.

        :param data: The parsed body.
        :rtype: protocol.qr.CheckIn | None
        :raise ValueError: If it is a check-in without what belongs to one.
        """
        if not qr.is_check_in(data):
            return None
        try:
            return qr.CheckIn.parse(data)
        except errors.VippsError as error:
            raise ValueError("not a check-in") from error
