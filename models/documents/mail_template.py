# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo import models

from ...source import Fact


class MailTemplate(models.Model):
    _inherit = 'mail.template'

    def send_mail(
        self, res_id, force_send=False, raise_exception=False, email_values=None,
        email_layout_xmlid=False,
    ):
        """ Override of `mail` to render and send mails later that are due while a payment of ours
        is followed, like the gift cards of an order: their documents can hang, and are not sent
        twice when the confirmation is repeated. Values that cannot be stored, like the content of
        an attachment, let the mail be rendered now, and be sent by Odoo's queue.

        :return: The id of the mail, False if it does not exist yet.
        """
        tx_id = self.env.context.get('vipps_followed_tx_id')
        if not isinstance(tx_id, Fact):
            return super().send_mail(
                res_id, force_send=force_send, raise_exception=raise_exception,
                email_values=email_values, email_layout_xmlid=email_layout_xmlid,
            )
        try:
            json.dumps(email_values)
        except TypeError:
            return super().send_mail(
                res_id, email_values=email_values, email_layout_xmlid=email_layout_xmlid,
            )
        self._send_check_access([res_id])
        tx_sudo = self.env['payment.transaction'].sudo().browse(int(tx_id))
        self.env['vipps.task']._schedule(tx_sudo, 'template_mail', {
            'template_id': self.id,
            'res_id': res_id,
            'email_values': email_values,
            'email_layout_xmlid': email_layout_xmlid,
            'context': {
                key: value for key, value in self.env.context.items()
                if type(value) in (str, int, bool)  # Others are of this database transaction.
            },
        })
        return False
