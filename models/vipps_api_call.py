# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class VippsApiCall(models.Model):
    """ How calls of the API went: all that failed, and from time to time one that succeeded. """
    _name = 'vipps.api.call'
    _description = "Vipps MobilePay API Call"
    _order = 'id desc'

    @api.model
    def _note(self, provider, operation, error=None, tx=None):
        """ Note how a call went, whatever becomes of the database transaction it was made in.

        :param payment.provider provider: The provider.
        :param str operation: The operation: `create`, `get`, `capture`, `token`, ...
        :param protocol.errors.VippsError error: What went wrong, if anything.
        :param payment.transaction tx: The root transaction, if it was about a payment.
        :return: None
        """
