# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.tools import SQL, create_index

from ...protocol import errors
from ..jobs.own_transaction import after_transaction

# Of calls that succeed one after the other, one is kept within this time.
SUCCESS_INTERVAL = timedelta(minutes=5)

# The calls without which nobody can pay.
PAYMENT_OPERATIONS = ('create', 'get', 'events', 'capture', 'refund', 'cancel')

# The calls of a database transaction that are stored after it, among the data of its cursor.
PENDING_KEY = 'vipps_api_calls'

# As many rows are removed in one database transaction.
PURGE_LIMIT = 10000


class VippsApiCall(models.Model):
    """ The results of calls of the API: all that failed, and from time to time one that succeeded.

    Rows are only inserted and removed, and each knows how many failures there were in a row: so the
    last row alone says whether Vipps MobilePay answers.
    """
    _name = 'vipps.api.call'
    _inherit = ['vipps.guarded.export']
    _description = "Vipps MobilePay API Call"
    _order = 'id desc'
    _rec_name = 'operation'

    create_date = fields.Datetime(string="When", readonly=True)
    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, readonly=True,
        ondelete='cascade',
    )
    company_id = fields.Many2one(related='provider_id.company_id')
    environment = fields.Selection(
        string="Environment",
        selection=[('test', "Test"), ('production', "Production")],
        required=True,
        readonly=True,
    )
    operation = fields.Selection(
        string="Operation",
        selection=[
            ('create', "Start a payment"),
            ('get', "Read a payment"),
            ('events', "Read the history of a payment"),
            ('capture', "Capture"),
            ('refund', "Refund"),
            ('cancel', "Cancel or release"),
            ('category', "Set the link in the app"),
            ('userinfo', "Read what the customer shares"),
            ('token', "Get an access token"),
            ('list_webhooks', "Read the webhooks"),
            ('register_webhook', "Register the webhook"),
            ('ledgers', "Find the ledgers"),
            ('feed', "Read the settlements"),
            ('day', "Read the settlements of a day"),
            ('put_sticker', "Make a sticker"),
            ('take_over_sticker', "Take over a sticker"),
            ('sticker', "Read a sticker"),
            ('stickers', "Read the stickers"),
            ('delete_sticker', "Remove a sticker"),
            ('create_redirect', "Make a QR code"),
            ('redirect', "Read a QR code"),
            ('update_redirect', "Change a QR code"),
            ('delete_redirect', "Remove a QR code"),
            ('picture', "Fetch the picture of a QR code"),
        ],
        required=True,
        readonly=True,
    )
    reference = fields.Char(string="Payment Reference", readonly=True)
    outcome = fields.Selection(
        string="Outcome",
        help="Success: one of the calls that went well; not all of them are listed.\n"
             "No answer: nothing came back that says how it went.\n"
             "Keys refused: Vipps MobilePay did not take the keys.\n"
             "Refused: Vipps MobilePay answered that this is not possible, or not now.",
        selection=[
            ('success', "Success"),
            ('no_answer', "No answer"),
            ('unauthorized', "Keys refused"),
            ('refused', "Refused"),
        ],
        required=True,
        readonly=True,
    )
    status = fields.Integer(string="HTTP Status", group_operator=None, readonly=True)
    code = fields.Char(string="Code", readonly=True)
    trace_id = fields.Char(
        string="Trace ID", help="What Vipps MobilePay finds the call by.", readonly=True
    )
    meaning = fields.Char(string="Meaning", compute='_compute_meaning')
    duration = fields.Integer(string="Duration (ms)", group_operator='avg', readonly=True)
    clock_offset = fields.Integer(
        string="Clock (s)",
        help="By how many seconds the clock of this server was ahead of the one of Vipps"
             " MobilePay.",
        group_operator=None,
        readonly=True,
    )
    # In a row, up to this call, of different payments; empty if the call does not count.
    failure_count = fields.Integer(group_operator=None, readonly=True)
    failing_since = fields.Datetime(readonly=True)

    def init(self):
        """ Override to index the calls of a provider, and those that show whether people can
        pay. """
        create_index(
            self.env.cr, 'vipps_api_call_provider_index', self._table, ['provider_id', 'id']
        )
        create_index(
            self.env.cr, 'vipps_api_call_series_index', self._table,
            ['provider_id', 'environment', 'id'], where='failure_count IS NOT NULL',
        )

    #=== COMPUTE METHODS ===#

    @api.depends('outcome', 'status', 'code')
    @api.depends_context('lang')
    def _compute_meaning(self):
        for call in self:
            call.meaning = call.outcome != 'success' and self._explain(
                call.outcome, call.status, call.code
            )

    @api.model
    def _explain(self, outcome, status, code):
        """ Return the meaning of an error, for people.

        :param str outcome: The outcome of the call.
        :param int status: The HTTP status, if there was an answer.
        :param str code: The code of Vipps MobilePay, if there was one.
        :rtype: str
        """
        unknown = [errors.NO_ANSWER if outcome == 'no_answer' else errors.WRONG_REQUEST]
        return _((errors.CODES.get(code) or errors.STATUSES.get(status) or unknown)[0])

    #=== BUSINESS METHODS - NOTING ===#

    @api.model
    def _note(
        self, provider, operation, error=None, tx=None, environment=None, duration=None,
        clock_offset=None, is_impatient=False,
    ):
        """ Note the result of a call, even if the database transaction it was made in is rolled
        back.

        :param payment.provider provider: The provider.
        :param str operation: The operation: `create`, `get`, `capture`, `token`, ...
        :param VippsError error: The error, if there was one.
        :param payment.transaction tx: The root transaction, if it was about a payment.
        :param str environment: The environment, if not the one of the provider.
        :param float duration: How long it took, in seconds.
        :param float clock_offset: By how many seconds our clock was ahead.
        :param bool is_impatient: Whether a person did not wait for longer.
        :return: None
        """
        values = {
            'provider_id': provider.id,
            'environment': environment or provider.sudo().vipps_environment,
            'operation': operation,
            'reference': tx.vipps_payment_reference if tx else None,
            'outcome': self._get_outcome(error),
            'status': error and error.status,
            'code': error and error.code,
            'trace_id': error and error.trace_id,
            'duration': None if duration is None else round(duration * 1000),
            'clock_offset': None if clock_offset is None else round(clock_offset),
            'create_date': fields.Datetime.now(),
            'is_impatient': is_impatient,
        }
        pending = [
            call for call in self.env.cr.postcommit.data.get(PENDING_KEY, ())
            if (call['provider_id'], call['environment'])
            == (values['provider_id'], values['environment'])
        ]
        if error or self._is_payment_call(values) and self._is_news(
            values, pending[-1] if pending else self._get_last(values)
        ):
            self._store_later(values)

    @api.model
    def _get_outcome(self, error):
        if not error:
            return 'success'
        if error.is_no_answer:
            return 'no_answer'
        return 'unauthorized' if error.is_unauthorized else 'refused'

    @api.model
    def _is_payment_call(self, values):
        """ Return whether a call shows whether people can pay. Keys that are only tried out fail
        without any consequence, but an access token is a sign of life. """
        return values['operation'] in PAYMENT_OPERATIONS or (
            values['operation'] == 'token' and values['outcome'] == 'success'
        )

    @api.model
    def _is_news(self, values, last):
        """ Return whether a call that succeeded is to be kept.

        :param dict values: The call.
        :param dict|None last: The last one that was kept.
        :rtype: bool
        """
        return (
            not last
            or last['outcome'] != 'success'
            or last['create_date'] <= values['create_date'] - SUCCESS_INTERVAL
        )

    @api.model
    def _get_last(self, values):
        """ Return the last call that shows whether people can pay.

        :param dict values: The `provider_id` and the `environment`.
        :return: Its `outcome`, `reference`, `create_date`, `failure_count` and `failing_since`.
        :rtype: dict | None
        """
        patience = self.env['vipps.api.client']._get_patience()
        if not patience:
            return self._read_last(values)
        # The database transaction of a request does not see later ones.
        key = (values['provider_id'], values['environment'])
        if key not in patience.last_calls:
            patience.last_calls[key] = self._read_last(values)
        return patience.last_calls[key]

    @api.model
    def _read_last(self, values):
        self.env.cr.execute("""
            SELECT outcome, reference, create_date, failure_count, failing_since
              FROM vipps_api_call
             WHERE provider_id = %(provider_id)s
               AND environment = %(environment)s
               AND failure_count IS NOT NULL
             ORDER BY id DESC
             LIMIT 1
        """, values)
        rows = self.env.cr.dictfetchall()
        return rows[0] if rows else None

    @api.model
    def _store_later(self, values):
        """ Store a call at the end of the database transaction, whether it is committed or not. """
        calls = self.env.cr.postcommit.data.setdefault(PENDING_KEY, [])
        calls.append(values)

        def store(env):
            for call in calls:
                env['vipps.api.call']._store(call)

        if len(calls) == 1:
            after_transaction(self.env, store, is_always=True)

    @api.model
    def _store(self, values):
        """ Store a call, and inform the staff if people cannot pay from now on, or can again.

        :param dict values: The call.
        :return: None
        """
        provider = self.env['payment.provider'].browse(values['provider_id']).exists()
        last = self._get_last(values)
        if not provider or (values['outcome'] == 'success' and not self._is_news(values, last)):
            return
        failure_count, failing_since = self._count(values, last)
        row = {
            **values, 'failure_count': failure_count, 'failing_since': failing_since,
            'write_date': values['create_date'], 'create_uid': self.env.uid,
            'write_uid': self.env.uid,
        }
        row.pop('is_impatient', None)
        # The time is that of the call, which the ORM would not take.
        self.env.cr.execute(SQL(
            "INSERT INTO vipps_api_call (%s) VALUES %s",
            SQL(", ").join(map(SQL.identifier, row)), tuple(row.values()),
        ))
        if failure_count is not None and values['environment'] == provider.vipps_environment:
            provider._vipps_note_availability(last['failure_count'] if last else 0, failure_count)

    @api.model
    def _count(self, values, last):
        """ Return the number of calls that failed in a row up to a call, and the time of the first.

        A payment that fails again and again is counted once: that says nothing about the others.
        Nor does it say that customers cannot pay if a person did not wait for longer: it is only
        the first failure then.

        :param dict values: The call.
        :param dict|None last: The last one, see :meth:`_get_last`.
        :return: The number, which is empty if the call does not count, and the time.
        :rtype: tuple[int | None, datetime | None]
        """
        if not self._is_payment_call(values):
            return None, None
        if values['outcome'] in ('success', 'refused'):
            return 0, None
        if not last or not last['failure_count']:
            return 1, values['create_date']
        is_same = values.get('is_impatient') or (
            values['reference'] and values['reference'] == last['reference']
        )
        return last['failure_count'] + (not is_same), last['failing_since']

    #=== BUSINESS METHODS - RETENTION ===#

    @api.model
    def _vipps_purge(self, provider, before):
        """ Remove the calls of a provider that are older than they are kept.

        :param payment.provider provider: The provider.
        :param datetime before: Until when calls are removed.
        :return: The number of calls that were removed; at most :data:`PURGE_LIMIT`.
        :rtype: int
        """
        self.env.cr.execute("""
            DELETE FROM vipps_api_call
             WHERE id IN (
                SELECT id FROM vipps_api_call WHERE provider_id = %s AND create_date < %s LIMIT %s
             )
        """, [provider.id, before, PURGE_LIMIT])
        count = self.env.cr.rowcount
        self.invalidate_model()
        return count
