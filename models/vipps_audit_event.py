# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class VippsAuditEvent(models.Model):
    """ Who did what to payments, keys and personal data, and what became of it. """
    _name = 'vipps.audit.event'
    _description = "Vipps MobilePay Audit Event"
    _order = 'id desc'

    @api.model
    def _record(self, action, provider=None, tx=None, **values):
        """ Record that something was done or happened.

        :param str action: What, one of the values of the field.
        :param payment.provider provider: The provider, if there is no transaction.
        :param payment.transaction tx: The transaction.
        :param values: Other values of the record.
        :return: None
        """
