# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ... import const
from ...trust import keep_trusted
from ..jobs.own_transaction import RUN_SECONDS, in_own_transaction

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    """ Automatic reminders of payment requests. """
    _inherit = 'payment.provider'

    vipps_reminder_count = fields.Integer(
        string="Automatic Reminders",
        help="How many reminders are sent for an invoice that is overdue and that a payment request"
             " was sent for. 0: none.",
        tracking=True,
    )
    vipps_reminder_days = fields.Integer(
        string="Days Between Reminders",
        help="How many days after the last request, or the due date, a reminder is sent.",
        default=7,
        tracking=True,
    )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_reminder_count', 'vipps_reminder_days')
    def _check_vipps_reminders(self):
        """ Ensure that nobody is reminded all the time. """
        for provider in self:
            if not 0 <= provider.vipps_reminder_count < const.MAX_REQUESTS_PER_INVOICE or not (
                const.REQUEST_PAUSE.days <= provider.vipps_reminder_days <= 365
            ):
                raise ValidationError(_(
                    "At most %(most)s reminders are sent for an invoice, with at least a day"
                    " between them.", most=const.MAX_REQUESTS_PER_INVOICE - 1,
                ))

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_remind(self):
        """ Remind customers of overdue invoices, one customer at a time.

        Those who cannot be reminded wait for the next day: they keep nobody else waiting.
        """
        for provider in self.search([
            ('code', '=', 'vipps'), ('state', '!=', 'disabled'), ('vipps_reminder_count', '>', 0),
        ]):
            requests_values, _left_out = provider._vipps_find_to_remind()._vipps_prepare_requests()
            end, sent = time.monotonic() + RUN_SECONDS, 0
            for values in requests_values:
                if time.monotonic() > end:
                    if sent:
                        self.env.ref('mobilepay_vipps.cron_remind')._trigger()
                    break
                sent += self._vipps_remind(values)

    @api.model
    def _vipps_remind(self, values):
        """ Remind one customer in a database transaction of its own.

        :param dict values: The values of the request.
        :return: How many requests were sent.
        """
        move_ids = values['invoice_ids'][0][2]

        def remind(env):
            # What was paid, or requested by a person, in the meantime is left out.
            moves = env['account.move'].with_company(values['company_id']).browse(move_ids)
            return moves._vipps_send_requests()

        try:
            return in_own_transaction(self.env.registry, remind, keep_trusted(self.env.context))
        except Exception:
            _logger.exception("No reminder is sent for the invoices %s.", move_ids)
            return 0

    def _vipps_find_to_remind(self):
        """ Return the overdue invoices whose next reminder is due. """
        before = timedelta(days=self.vipps_reminder_days)
        moves = self.env['account.move'].search([
            ('company_id', 'child_of', self.company_id.ids),
            ('move_type', '=', 'out_invoice'), ('state', '=', 'posted'),
            ('payment_state', 'in', ('not_paid', 'partial')),
            ('invoice_date_due', '<=', fields.Date.context_today(self) - before),
            ('vipps_request_ids', '!=', False),
        ], order='id')
        return moves.filtered(lambda move: (
            len(move.vipps_request_ids) <= self.vipps_reminder_count
            and move.vipps_request_ids[0].create_date <= fields.Datetime.now() - before
        ))
