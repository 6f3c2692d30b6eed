# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from ...simulator.sales_units import NOK_UNIT
from .payment_request_common import PaymentRequestCommon


class RequestCommon(PaymentRequestCommon):
    """ An accountant who sends payment requests, for a sales unit that may push them. """

    def setUp(self):
        super().setUp()
        self.vipps.vipps_push_requests = True
        self._allow_long_life(True)
        self.addCleanup(self._allow_long_life, False)

    def _allow_long_life(self, is_allowed):
        self.simulator.set_unit(NOK_UNIT.msn, may_live_long=is_allowed)

    def _agree(self):
        self.partner.with_user(self.accountant).action_vipps_give_consent()

    def _open(self, invoices, user=None):
        action = invoices.with_user(user or self.accountant).action_vipps_request_payment()
        return self.env[action['res_model']].with_user(user or self.accountant).browse(
            action['res_id']
        )

    def _send(self, invoices):
        """ Send payment requests, and let the queue do its work. """
        self._open(invoices).action_send()
        self._run_due()
        self._follow_up()
        self.env.invalidate_all()
        return invoices.sudo().vipps_request_ids.sorted('id')[-1:]

    def _get_mails(self):
        return self.env['mail.mail'].sudo().search(
            [('recipient_ids', 'in', self.partner.ids)], order='id desc',
        )

    def _get_mail(self):
        """ Return the text of the last mail to the customer. """
        return self._get_mails()[:1].body_html or ''
