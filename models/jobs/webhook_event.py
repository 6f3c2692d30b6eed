# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from datetime import timedelta

from psycopg2 import OperationalError

from odoo import _, _lt, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import create_index

from ... import const
from ...source import WEBHOOK
from ...step_log import log_step
from ..api.client import VippsError
from .job import DONE, NO_ANSWER, NOTHING_LEFT, run_steps

_logger = logging.getLogger(__name__)

FIRST_RETRY_DELAY = timedelta(minutes=1)
LAST_RETRY_DELAY = timedelta(hours=1)
# When Vipps MobilePay is back, nobody wants to wait for an hour.
LAST_NO_ANSWER_DELAY = timedelta(minutes=5)

# As long as Vipps MobilePay itself tries to deliver an event.
RETRY_PERIOD = timedelta(days=7)

# What is left to people, as soon as it is not tried again.
ATTENTION_STATES = ('unmatched', 'failed')

# How long the transaction of an event is looked for: the event can be faster than our commit.
UNMATCHED_PERIOD = timedelta(minutes=15)

# For how long those are kept at least that nobody dealt with.
MIN_ATTENTION_PERIOD = timedelta(days=90)

# How many events are removed in one database transaction.
PURGE_LIMIT = 1000


class VippsWebhookEvent(models.Model):
    """ The inbox: what Vipps MobilePay tells us, until it is dealt with.

    An event only says that there is something to read. No personal data is kept.
    """
    _name = 'vipps.webhook.event'
    _inherit = ['vipps.guarded.export']
    _description = "Vipps MobilePay Webhook Event"
    _order = 'id desc'
    _rec_name = 'reference'

    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, readonly=True,
        ondelete='cascade',
    )
    company_id = fields.Many2one(related='provider_id.company_id')
    msn = fields.Char(string="Merchant Serial Number", readonly=True)
    name = fields.Char(string="Event", required=True, readonly=True)
    label = fields.Char(string="What Happened", compute='_compute_label')
    reference = fields.Char(string="Payment Reference", required=True, readonly=True, index=True)
    psp_reference = fields.Char(string="PSP Reference", required=True, readonly=True)
    amount = fields.Integer(string="Amount (minor units)", readonly=True)
    currency = fields.Char(string="Currency", readonly=True)
    event_time = fields.Datetime(string="Time at Vipps MobilePay", readonly=True)
    success = fields.Boolean(
        string="Success",
        help="Whether the operation that the event tells of took effect. If not, nothing changed.",
        readonly=True,
    )
    state = fields.Selection(
        string="Status",
        help="To process: the payment is going to be read at Vipps MobilePay.\n"
             "Processed: the payment was read after the event.\n"
             "Unmatched: there is no transaction for it, or not yet.\n"
             "Ignored: it is about something else than the payments of this database.\n"
             "Failed: the payment could not be read for a week; somebody has to look at it.",
        selection=[
            ('pending', "To process"),
            ('processed', "Processed"),
            ('unmatched', "Unmatched"),
            ('ignored', "Ignored"),
            ('failed', "Failed"),
        ],
        default='pending',
        required=True,
        readonly=True,
    )
    tries = fields.Integer(string="Attempts", readonly=True)
    # Empty as soon as there is nothing left to do.
    next_try = fields.Datetime(string="Next Try", readonly=True, index='btree_not_null')
    # Since it came, or since it was replayed.
    pending_since = fields.Datetime(string="To Process since", readonly=True)
    error = fields.Char(string="Error", readonly=True)

    _sql_constraints = [(
        'event_unique',
        'unique(provider_id, psp_reference, name)',
        "An event is stored only once.",
    )]

    def init(self):
        """ Index what is left to do in the order in which it is done, however much is done. """
        create_index(
            self.env.cr, 'vipps_webhook_event_to_do_index', self._table,
            ['event_time DESC', 'id DESC'], where='next_try IS NOT NULL',
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_provider_index', self._table, ['provider_id', 'id'],
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_hour_index', self._table,
            ['provider_id', 'create_date'],
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_failed_index', self._table, ['provider_id'],
            where="next_try IS NULL AND state IN ('unmatched', 'failed')",
        )

    #=== COMPUTE METHODS ===#

    @api.depends('name')
    @api.depends_context('lang')
    def _compute_label(self):
        for event in self:
            event.label = self.env['payment.transaction']._vipps_name_event(event.name)

    #=== ACTION METHODS ===#

    def action_replay(self):
        """ Deal with the events again, as if they had just come.

        :return: None
        :raise AccessError: If the user is neither a payment manager nor an administrator.
        """
        # Nobody else may read events, and nobody may write them.
        self.check_access_rights('read')
        self.check_access_rule('read')
        now = fields.Datetime.now()
        self.sudo().write({
            'state': 'pending', 'tries': 0, 'next_try': now, 'pending_since': now, 'error': False,
        })
        self.sudo()._wake_job()
        for event in self.sudo():
            self.env['vipps.audit.event']._record(
                'replayed', event.provider_id, reference=event.reference,
                psp_reference=event.psp_reference,
            )

    def action_dismiss(self):
        """ Ignore events that somebody has looked into and that cannot be dealt with here, like
        those of payments that a restored backup does not know.

        :return: None
        :raise AccessError: If the user is neither a payment manager nor an administrator.
        :raise UserError: If an event does not need attention.
        """
        self.check_access_rights('read')
        self.check_access_rule('read')
        if any(event.next_try or event.state not in ATTENTION_STATES for event in self):
            raise UserError(_(
                "Only events that need attention can be marked as dealt with: unmatched or failed"
                " ones that are not tried again."
            ))
        self.sudo().state = 'ignored'
        for event in self.sudo():
            self.env['vipps.audit.event']._record(
                'dismissed', event.provider_id, reference=event.reference,
                psp_reference=event.psp_reference,
            )

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _store(self, provider, event):
        """ Store an event, if it is not there yet, and wake the job that deals with it.

        :param payment.provider provider: The provider whose webhook was called.
        :param protocol.payment.Event event: The event, whose signature was verified.
        :return: Whether it is there; if not, so many came in an hour that it has to come later.
        :rtype: bool
        """
        is_relevant = self._is_relevant(provider, event.msn, event.success)
        now = fields.Datetime.now()
        self.env.cr.execute("""
            INSERT INTO vipps_webhook_event (
                provider_id, msn, name, reference, psp_reference, amount, currency, event_time,
                success, state, tries, next_try, pending_since,
                create_date, write_date, create_uid, write_uid
            )
            SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s
             WHERE (
                SELECT count(*)
                  FROM vipps_webhook_event
                 WHERE provider_id = %s AND create_date > %s
             ) < %s
            ON CONFLICT (provider_id, psp_reference, name) DO NOTHING
        """, [
            provider.id, event.msn, event.name, event.reference, event.psp_reference, event.amount,
            event.currency, event.timestamp, event.success,
            'pending' if is_relevant else 'ignored', now if is_relevant else None, now,
            now, now, self.env.uid, self.env.uid,
            provider.id, now - timedelta(hours=1), const.MAX_EVENTS_PER_HOUR,
        ], log_exceptions=False)  # Another worker can be storing it: then Odoo tries again.
        is_new = bool(self.env.cr.rowcount)
        if not is_new and not self.search_count([
            ('provider_id', '=', provider.id), ('psp_reference', '=', event.psp_reference),
            ('name', '=', event.name),
        ], limit=1):
            self.env['vipps.request'].sudo()._report('events', provider)
            return False
        if is_new:
            log_step(
                _logger, 'event_stored', provider=provider,
                outcome='done' if is_relevant else 'ignored', reference=event.reference,
                event=event.name,
            )
        if is_relevant and is_new:
            self._wake_job()
            self.env['payment.transaction'].sudo().search([
                ('vipps_payment_reference', '=', event.reference),
                ('vipps_pos_session_id', '!=', False),
                ('company_id', '=', provider.company_id.id),
            ])._vipps_wake_tills()
        return True

    @api.model
    def _is_relevant(self, provider, msn, success):
        """ Tell whether an event says that something happened to a payment of a provider.

        :param payment.provider provider: The provider whose webhook was called.
        :param str|None msn: The sales unit of the event.
        :param bool success: Whether the operation took effect.
        :rtype: bool
        """
        return success and (not msn or msn == provider.sudo().vipps_merchant_serial_number)

    @api.model
    def _wake_job(self):
        """ Have the events dealt with at once; without the job they wait for who runs it. """
        cron = self.env.ref(
            'mobilepay_vipps.cron_process_webhook_events', raise_if_not_found=False
        )
        if cron:
            # Whole rows of jobs and users would be read, as often as Vipps MobilePay calls.
            cron.sudo().with_context(prefetch_fields=False)._trigger()

    #=== BUSINESS METHODS - PROCESSING ===#

    @api.model
    def _cron_process_events(self):
        """ Deal with the events: read each payment that something happened to, once. """
        read_references, busy_references = set(), set()
        if run_steps(
            self.with_context(vipps_source=WEBHOOK).env,
            lambda env: env[self._name]._process_next(read_references, busy_references),
            job='process_webhook_events',
        ):
            self._wake_job()

    @api.model
    def _process_next(self, read_references, busy_references):
        """ Deal with all events of the payment that something happened to last.

        The newest come first, so that after an outage nobody who is paying now waits for what has
        been waiting for hours.

        :param set read_references: The references of payments that were read in this run; what is
                                    told of them since then is for the next run.
        :param set busy_references: The references of payments that others were working on; they
                                    come last, and then they are waited for.
        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        # Whoever holds a payment for long, holds up only that one: the others have their turn in
        # between.
        self.env.cr.execute("SET LOCAL lock_timeout = '2s'")
        due = ('next_try', '<=', fields.Datetime.now())
        domain = [due, ('reference', 'not in', list(read_references))]
        order = 'event_time DESC, id DESC'
        event = self.search(
            [*domain, ('reference', 'not in', list(busy_references))], order=order, limit=1
        )
        wait = not event
        event = event or self.search(domain, order=order, limit=1)
        if not event:
            if self.search_count([due], limit=1):
                self._wake_job()
            return NOTHING_LEFT

        tx = self.env['payment.transaction'].search([
            ('vipps_payment_reference', '=', event.reference),
        ])
        if tx and not tx._vipps_lock_alone(wait=wait):
            busy_references.add(event.reference)
            return DONE
        # They are all told by what is read now.
        events = self.search([('reference', '=', event.reference)]).filtered('next_try')
        started = time.monotonic()
        try:
            error = events._process(tx)
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:  # The events behind it are dealt with all the same.
            _logger.exception("Events of payment %s cannot be processed.", event.reference)
            error = VippsError(_("Something went wrong in Odoo. Its log says what."))
            events._retry_later(error)
        self.env.flush_all()  # From here on, nothing can start this anew.
        log_step(
            _logger, 'event_processed', provider=event.provider_id,
            outcome=error.outcome if error else 'done', started=started,
            reference=event.reference, events=len(events), verdict=event.state,
        )
        read_references.add(event.reference)
        return NO_ANSWER if error and error.is_no_answer else DONE

    def _process(self, tx):
        """ Read the payment that the events tell of.

        :param payment.transaction tx: Its transaction, locked alone, if there is one.
        :return: What went wrong, if anything.
        :rtype: VippsError | None
        """
        # Several providers of a company can share a sales unit, and each then gets all its events.
        events = self.filtered(
            lambda e: e._is_relevant(e.provider_id, e.msn, e.success)
            and (not tx or tx.provider_id.company_id == e.provider_id.company_id)
        )
        (self - events).write({'state': 'ignored', 'next_try': False, 'error': False})
        if not events:
            return None
        if not tx:
            events._process_unmatched()
            return None
        tx = tx.with_company(tx.company_id)
        error = tx._vipps_try(tx._vipps_refresh)
        if error:
            events._retry_later(error)
        else:
            events.write({'state': 'processed', 'next_try': False, 'error': False})
        return error

    def _process_unmatched(self):
        """ Look again later for the transaction of the events, but not for ever.

        A payment with the reference prefix of this database must have been made here.
        """
        self.write({'state': 'unmatched'})
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        for event in self:
            if event._get_waiting_time() < UNMATCHED_PERIOD:
                event._retry_later()
            elif event.reference.startswith(f'{prefix}-'):
                event._give_up('unmatched', _(
                    "There is no transaction for this payment, although it was made by this"
                    " database. If a backup was restored, look the payment up in the Vipps"
                    " MobilePay portal, and refund it or book it by hand."
                ))
            else:
                event.write({'state': 'ignored', 'next_try': False})

    def _get_waiting_time(self):
        """ Return for how long the event has been waiting to be dealt with. """
        return fields.Datetime.now() - (self.pending_since or self.create_date)

    def _retry_later(self, error=None):
        """ Schedule the next try, in growing intervals.

        :param VippsError error: What went wrong.
        :return: None
        """
        now = fields.Datetime.now()
        last_delay = LAST_NO_ANSWER_DELAY if error and error.is_no_answer else LAST_RETRY_DELAY
        for event in self:
            if error and event._get_waiting_time() > RETRY_PERIOD:
                event._give_up('failed', str(error))
                continue
            delay = min(FIRST_RETRY_DELAY * 2 ** min(event.tries, 10), last_delay)
            event.write({
                'tries': event.tries + 1,
                'next_try': now + max(delay, timedelta(seconds=error.retry_after if error else 0)),
                'error': error and str(error),
            })

    def _give_up(self, state, error):
        """ Leave the event to an administrator.

        :param str state: The verdict.
        :param str error: What went wrong.
        :return: None
        """
        self.write({'state': state, 'next_try': False, 'error': error})
        self.provider_id._vipps_alert_administrator(
            'failed_events',
            _lt("Events of Vipps MobilePay need attention"),
            _lt("Something happened to payments that could not be found or read. Open Events, at"
                " the top of this page, filter by Needs Attention, read what is wrong, and replay"
                " the events when it is solved."),
        )

    #=== BUSINESS METHODS - RETENTION ===#

    @api.model
    def _vipps_purge(self, provider, before):
        """ Remove events of a provider that were dealt with, and those without a payment that
        nobody dealt with for months: who has the secret can make up as many as they like.

        :param payment.provider provider: The provider.
        :param datetime before: Until when events came that are removed.
        :return: How many were removed; at most :data:`PURGE_LIMIT`.
        :rtype: int
        """
        events = self.search([
            ('provider_id', '=', provider.id),
            ('create_date', '<', before),
            '|',
            ('state', 'in', ('processed', 'ignored')),
            '&', '&',
            ('state', '=', 'unmatched'),
            ('next_try', '=', False),
            ('create_date', '<', fields.Datetime.now() - MIN_ATTENTION_PERIOD),
        ], order='id', limit=PURGE_LIMIT)
        count = len(events)
        if count:  # That events arrived is a reason to leave the address of the webhook as it is.
            provider_sudo = provider.sudo()
            times = [*events.mapped('create_date'), provider_sudo.vipps_last_removed_event]
            provider_sudo._vipps_store({}, {'vipps_last_removed_event': max(filter(None, times))})
        events.unlink()
        return count
