# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import api, fields, models

from .vipps_job import run_steps

_logger = logging.getLogger(__name__)

FIRST_RETRY_DELAY = timedelta(minutes=1)
LAST_RETRY_DELAY = timedelta(hours=6)

# How long the transaction of an event is looked for: the event can be faster than our commit.
UNMATCHED_PERIOD = timedelta(minutes=15)


class VippsWebhookEvent(models.Model):
    """ The inbox: what Vipps MobilePay tells us, until it is dealt with.

    An event only says that there is something to read. No personal data is kept.
    """
    _name = 'vipps.webhook.event'
    _description = "Vipps MobilePay Webhook Event"
    _order = 'next_try, id'
    _rec_name = 'reference'

    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, readonly=True,
        ondelete='cascade',
    )
    msn = fields.Char(string="Merchant Serial Number", readonly=True)
    name = fields.Char(string="Event", required=True, readonly=True)
    reference = fields.Char(string="Payment Reference", required=True, readonly=True, index=True)
    psp_reference = fields.Char(string="PSP Reference", required=True, readonly=True)
    amount = fields.Integer(string="Amount (minor units)", readonly=True)
    currency = fields.Char(string="Currency", readonly=True)
    event_time = fields.Datetime(string="Time at Vipps MobilePay", readonly=True)
    success = fields.Boolean(string="Success", readonly=True)
    state = fields.Selection(
        string="Verdict",
        selection=[
            ('pending', "To process"),
            ('processed', "Processed"),
            ('unmatched', "Unmatched"),
            ('ignored', "Ignored"),
        ],
        default='pending',
        required=True,
        readonly=True,
    )
    tries = fields.Integer(string="Tries", readonly=True)
    # Empty as soon as there is nothing left to do.
    next_try = fields.Datetime(string="Next Try", readonly=True, index='btree_not_null')
    error = fields.Char(string="Error", readonly=True)

    _sql_constraints = [(
        'event_unique',
        'unique(provider_id, psp_reference, name)',
        "An event is stored only once.",
    )]

    @api.model
    def _store(self, provider, event):
        """ Store an event, if it is not there yet, and wake the job that deals with it.

        :param payment.provider provider: The provider whose webhook was called.
        :param protocol.payment.Event event: The event, whose signature was verified.
        :return: None
        """
        is_ours = event.msn in (None, provider.sudo().vipps_merchant_serial_number)
        now = fields.Datetime.now()
        self.env.cr.execute("""
            INSERT INTO vipps_webhook_event (
                provider_id, msn, name, reference, psp_reference, amount, currency, event_time,
                success, state, tries, next_try, create_date, write_date, create_uid, write_uid
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s)
            ON CONFLICT (provider_id, psp_reference, name) DO NOTHING
        """, [
            provider.id, event.msn, event.name, event.reference, event.psp_reference, event.amount,
            event.currency, event.timestamp, event.success, 'pending' if is_ours else 'ignored',
            now if is_ours else None, now, now, self.env.uid, self.env.uid,
        ])
        if is_ours and self.env.cr.rowcount:
            self.env.ref('mobilepay_vipps.cron_process_webhook_events').sudo()._trigger()

    @api.model
    def _cron_process_events(self):
        """ Deal with the events: read each payment that something happened to. """
        busy_references = set()
        if run_steps(self.env, lambda env: env[self._name]._process_next(busy_references)):
            self.env.ref('mobilepay_vipps.cron_process_webhook_events')._trigger()

    @api.model
    def _process_next(self, busy_references):
        """ Deal with all events of the payment whose event waits for the longest time.

        :param set busy_references: The references of payments that others were working on; they
                                    come last, and then they are waited for.
        :return: Whether there was one.
        :rtype: bool
        """
        domain = [('next_try', '<=', fields.Datetime.now())]
        event = self.search([*domain, ('reference', 'not in', list(busy_references))], limit=1)
        wait = not event
        event = event or self.search(domain, limit=1)
        if not event:
            return False

        tx = self.env['payment.transaction'].search([
            ('vipps_payment_reference', '=', event.reference),
            ('provider_id', '=', event.provider_id.id),
        ])
        if not tx:
            event._process_unmatched()
            return True
        if not tx._vipps_lock(wait=wait):
            busy_references.add(event.reference)
            return True
        # They are all told by what is read now.
        events = self.search([
            ('provider_id', '=', event.provider_id.id),
            ('reference', '=', event.reference),
            ('next_try', '!=', False),
        ])
        tx = tx.with_company(tx.company_id)
        error = tx._vipps_try(tx._vipps_refresh)
        if error:
            events._retry_later(error)
        else:
            events.write({'state': 'processed', 'next_try': False, 'error': False})
        return True

    def _process_unmatched(self):
        """ Look again later for the transaction of an event, but not for ever. """
        if fields.Datetime.now() - self.create_date < UNMATCHED_PERIOD:
            self.state = 'unmatched'
            self._retry_later(False)
        else:
            self.write({'state': 'ignored', 'next_try': False})

    def _retry_later(self, error):
        """ Schedule the next try, in growing intervals.

        :param str error: What went wrong.
        :return: None
        """
        for event in self:
            event.write({
                'tries': event.tries + 1,
                'next_try': fields.Datetime.now() + min(
                    FIRST_RETRY_DELAY * 2 ** min(event.tries, 10), LAST_RETRY_DELAY
                ),
                'error': error,
            })
