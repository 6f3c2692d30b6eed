# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, _lt, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, create_index

from ... import const
from ...step_log import log_step

_logger = logging.getLogger(__name__)

# As long as Vipps MobilePay itself tries to deliver an event.
RETRY_PERIOD = timedelta(days=7)

# The name of events about customers who scanned a sticker: they come by another registration, so
# they say nothing about the webhook of payments.
CHECKED_IN = 'CHECKED_IN'

# The events to process. The transaction of an event is looked for before there is an error.
TO_DO_DOMAIN = [
    '|', ('state', '=', 'pending'), '&', ('state', '=', 'unmatched'), ('error', '=', False),
]

# The events for people: one whose transaction is no longer looked for has an error.
ATTENTION_DOMAIN = [
    '|', ('state', '=', 'failed'), '&', ('state', '=', 'unmatched'), ('error', '!=', False),
]

# How long the transaction of an event is looked for: the event can be faster than our commit.
UNMATCHED_PERIOD = timedelta(minutes=15)

# For how long events are kept at least that nobody looked into.
MIN_ATTENTION_PERIOD = timedelta(days=90)

# How many events without a task are looked at in one database transaction.
PENDING_LIMIT = 200

# How many events are removed in one database transaction.
PURGE_LIMIT = 1000


class VippsWebhookEvent(models.Model):
    """ The inbox: the events of Vipps MobilePay, until they are processed.

    An event only says that there is something to read. No personal data is kept, except by
    :meth:`_prepare_details` until that is read.
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
        help="Whether the operation of the event took effect. If not, nothing changed.",
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
    # Since it came, or since it was replayed.
    pending_since = fields.Datetime(string="To Process since", readonly=True)
    error = fields.Char(string="Error", readonly=True)

    _sql_constraints = [(
        'event_unique',
        'unique(provider_id, psp_reference, name)',
        "An event is stored only once.",
    )]

    def init(self):
        """ Override to index the events that are left to do, and those that are listed. """
        create_index(
            self.env.cr, 'vipps_webhook_event_pending_index', self._table, ['reference'],
            where="state = 'pending' OR state = 'unmatched' AND error IS NULL",
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_provider_index', self._table, ['provider_id', 'id'],
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_hour_index', self._table,
            ['provider_id', 'create_date'],
        )
        create_index(
            self.env.cr, 'vipps_webhook_event_attention_index', self._table, ['provider_id'],
            where="state IN ('unmatched', 'failed')",
        )

    #=== COMPUTE METHODS ===#

    @api.depends('name')
    @api.depends_context('lang')
    def _compute_label(self):
        for event in self:
            event.label = self.env['payment.transaction']._vipps_name_event(event.name)

    #=== ACTION METHODS ===#

    def action_replay(self):
        """ Process the events again, as if they had just come.

        :return: None
        :raise AccessError: If the user is neither a payment manager nor an administrator.
        """
        events_sudo = self._check_reader()
        events_sudo.write({
            'state': 'pending', 'pending_since': fields.Datetime.now(), 'error': False,
        })
        events_sudo._dispatch()
        events_sudo._record('replayed')

    def action_dismiss(self):
        """ Ignore events that somebody has looked into and that cannot be processed here, like
        those of payments that a restored backup does not know.

        :return: None
        :raise AccessError: If the user is neither a payment manager nor an administrator.
        :raise UserError: If an event does not need attention.
        """
        events_sudo = self._check_reader()
        if events_sudo - events_sudo.filtered_domain(ATTENTION_DOMAIN):
            raise UserError(_(
                "Only events that need attention can be marked as done: unmatched or failed ones"
                " that are not tried again."
            ))
        events_sudo.state = 'ignored'
        events_sudo._record('dismissed')

    def _check_reader(self):
        """ Return the events in sudo mode for a user who may read them: nobody may write them.

        :rtype: vipps.webhook.event
        :raise AccessError: If the user may not read them.
        """
        self.check_access_rights('read')
        self.check_access_rule('read')
        return self.sudo()

    def _record(self, action):
        """ Record an action of a user on the events in the audit trail. """
        for event in self:
            self.env['vipps.audit.event']._record(
                action, event.provider_id, reference=event.reference,
                psp_reference=event.psp_reference,
            )

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _store(self, provider, event):
        """ Store an event, if it is not there yet, and have its payment read.

        :param payment.provider provider: The provider whose webhook was called.
        :param protocol.payment.Event event: The event, whose signature was verified.
        :return: Whether it is stored; if not, so many came in an hour that it has to come later.
        :rtype: bool
        """
        tx = self.env['payment.transaction'].sudo().search_fetch(
            [('vipps_payment_reference', '=', event.reference)], self._get_payment_fields(),
        )
        is_relevant = self._is_about(tx, provider, event.msn, event.success)
        now = fields.Datetime.now()
        stored = self._insert(provider, {
            'msn': event.msn,
            'name': event.name,
            'reference': event.reference,
            'psp_reference': event.psp_reference,
            'amount': event.amount,
            'currency': event.currency,
            'event_time': event.timestamp,
            'success': event.success,
            'state': 'ignored' if not is_relevant else 'pending' if tx else 'unmatched',
            **(self._prepare_details(tx, event) if is_relevant else {}),
        }, tx if is_relevant else None, due=min(event.timestamp, now))
        if not stored:
            return stored is not None
        log_step(
            _logger, 'event_stored', provider=provider,
            outcome='done' if is_relevant else 'ignored', reference=event.reference,
            event=event.name,
        )
        if is_relevant and event.name != 'CREATED':  # The till has asked for that itself.
            tx._vipps_wake_tills()
        return True

    @api.model
    def _get_payment_fields(self):
        """ Hook: return the fields of the payment that are needed to store an event.

        :rtype: list[str]
        """
        return ['company_id']

    @api.model
    def _insert(self, provider, values, tx=None, due=None):
        """ Store an event, if it is not there yet, and have its payment read.

        :param payment.provider provider: The provider whose webhook was called.
        :param dict values: The values of the event.
        :param payment.transaction tx: The transaction of the payment, if that is to be read; empty
                                       if it may be there in a moment.
        :param datetime due: Since when it is to be read: the latest events are processed first.
        :return: The event; empty if it was there; None if too many came in an hour.
        :rtype: vipps.webhook.event | None
        """
        now = fields.Datetime.now()
        values = {
            **values,
            'provider_id': provider.id,
            'pending_since': now,
            'create_date': now,
            'write_date': now,
            'create_uid': self.env.uid,
            'write_uid': self.env.uid,
        }
        statement = SQL(
            """
            INSERT INTO vipps_webhook_event (%(columns)s)
            SELECT %(values)s
             WHERE (
                SELECT count(*)
                  FROM vipps_webhook_event
                 WHERE provider_id = %(provider_id)s AND create_date > %(since)s
             ) < %(limit)s
            ON CONFLICT (provider_id, psp_reference, name) DO NOTHING
              RETURNING id
            """,
            columns=SQL(", ").join(map(SQL.identifier, values)),
            values=SQL(", ").join(SQL("%s", value) for value in values.values()),
            provider_id=provider.id, since=now - timedelta(hours=1),
            limit=const.MAX_EVENTS_PER_HOUR,
        )
        # Another worker can be storing it: then Odoo tries again.
        if tx is None:
            self.env.cr.execute(statement, log_exceptions=False)
            event_id, = self.env.cr.fetchone() or (None,)
        else:
            event_id = self.env['vipps.task']._schedule_after(statement, tx, 'sync', due=due)
        if event_id:
            return self.browse(event_id)
        if self.search_count([
            ('provider_id', '=', provider.id), ('psp_reference', '=', values['psp_reference']),
            ('name', '=', values['name']),
        ], limit=1):
            return self.browse()
        self.env['vipps.request'].sudo()._report('events', provider)
        return None

    @api.model
    def _prepare_details(self, tx, event):
        """ Hook: return the values of what may be told by the event only, and not by the payment.

        :param payment.transaction tx: The transaction of the payment, if there is one.
        :param protocol.payment.Event event: The event.
        :rtype: dict
        """
        return {}

    @api.model
    def _is_about(self, tx, provider, msn, success):
        """ Return whether an event shows that something happened to a payment of a provider.

        Several providers of a company can share a sales unit, and each gets all its events.

        :param payment.transaction tx: The transaction of the payment, if there is one.
        :param payment.provider provider: The provider whose webhook was called.
        :param str|None msn: The sales unit of the event.
        :param bool success: Whether the operation took effect.
        :rtype: bool
        """
        return (
            success
            and (not msn or msn == provider.sudo().vipps_merchant_serial_number)
            and (not tx or tx.sudo().company_id == provider.company_id)
        )

    #=== BUSINESS METHODS - PROCESSING ===#

    @api.model
    def _schedule_pending(self):
        """ Schedule a read of the payments of all events that were replayed, or that came before
        their payments were there.

        A payment with the reference prefix of this database must have been made here.
        """
        self.env.flush_all()
        self.env.cr.execute("""
            SELECT event.id
              FROM vipps_webhook_event event
              LEFT JOIN payment_transaction tx ON tx.vipps_payment_reference = event.reference
             WHERE event.state = 'unmatched' AND event.error IS NULL
                OR event.state = 'pending' AND NOT EXISTS (
                    SELECT FROM vipps_task WHERE transaction_id = tx.id AND kind = 'sync'
                )
             ORDER BY event.id
             LIMIT %s
        """, [PENDING_LIMIT])
        rows = self.env.cr.fetchall()
        if len(rows) == PENDING_LIMIT:
            self.env['vipps.task']._wake('sync')
        self.browse(row[0] for row in rows)._dispatch()

    def _dispatch(self):
        """ Schedule a read of the payments of the events, as far as there are any. """
        Transaction = self.env['payment.transaction']
        txs = Transaction.search([('vipps_payment_reference', 'in', self.mapped('reference'))])
        txs_by_reference = txs.grouped('vipps_payment_reference')
        found_txs = Transaction
        for event in self:
            tx = txs_by_reference.get(event.reference, Transaction)
            if not self._is_about(tx, event.provider_id, event.msn, event.success):
                event._settle('ignored')
            elif tx:
                event.state = 'pending'
                found_txs |= tx
            else:
                event._settle_unmatched()
        # Customers that are paying now do not wait for earlier events.
        due = min(self.mapped('create_date'), default=None)
        self.env['vipps.task']._schedule(found_txs, 'sync', due=due)

    def _settle_unmatched(self):
        """ Look for the transaction of the event for a while, but not for ever. """
        self.state = 'unmatched'
        if self._get_waiting_time() < UNMATCHED_PERIOD:
            return
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        if not self.reference.startswith(f'{prefix}-'):
            self._settle('ignored')
            return
        self._give_up('unmatched', _(
            "There is no transaction for this payment, although it was made by this"
            " database. If a backup was restored, look the payment up in the Vipps"
            " MobilePay portal, and refund it or book it by hand."
        ))

    @api.model
    def _get_pending(self, tx):
        """ Return the events that show that something happened to a payment, and that this database
        transaction can know of.

        :param payment.transaction tx: The transaction of the payment.
        :rtype: vipps.webhook.event
        """
        return self.sudo().search_fetch([
            ('reference', '=', tx.vipps_payment_reference), ('company_id', '=', tx.company_id.id),
            *TO_DO_DOMAIN,
        ], ['provider_id', 'reference', 'state'])

    def _settle(self, state='processed'):
        """ Note that the events are processed.

        :param str state: The verdict.
        :return: None
        """
        self.write({'state': state, 'error': False})
        for events in self.grouped('provider_id').values():
            log_step(
                _logger, 'event_processed', provider=events.provider_id,
                reference=events[0].reference, events=len(events), verdict=state,
            )

    def _keep_error(self, error):
        """ Note the error that keeps the payment of the events from being read, and leave events
        that have been waiting for too long to an administrator. """
        old_events = self.filtered(lambda event: event._get_waiting_time() > RETRY_PERIOD)
        (self - old_events).error = str(error)
        old_events._give_up('failed', str(error))

    def _get_waiting_time(self):
        """ Return the time for which the event has been waiting to be processed. """
        return fields.Datetime.now() - (self.pending_since or self.create_date)

    def _give_up(self, state, error):
        """ Leave the events to an administrator. """
        self.write({'state': state, 'error': error})
        for provider in self.provider_id:
            provider._vipps_alert_administrator(
                'failed_events',
                _lt("Something happened to payments that could not be found or read. Open Events,"
                    " at the top of this page, filter by Needs Attention, read what is wrong, and"
                    " replay the events when it is solved."),
            )

    #=== BUSINESS METHODS - RETENTION ===#

    @api.model
    def _vipps_purge(self, provider, before):
        """ Remove processed events of a provider, and those without a payment that nobody looked
        into for months: a thief of the secret can make up any number of them.

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
            ('error', '!=', False),
            ('create_date', '<', fields.Datetime.now() - MIN_ATTENTION_PERIOD),
        ], order='id', limit=PURGE_LIMIT)
        count = len(events)
        if count:  # That events arrived is a reason to leave the address of the webhook as it is.
            provider_sudo = provider.sudo()
            payment_events = events.filtered(lambda event: event.name != CHECKED_IN)
            times = [*payment_events.mapped('create_date'), provider_sudo.vipps_last_removed_event]
            provider_sudo._vipps_store({}, {
                'vipps_last_removed_event': max(filter(None, times), default=False),
            })
        events.unlink()
        return count
