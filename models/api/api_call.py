# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.tools import create_index

from ...protocol import errors

_logger = logging.getLogger(__name__)

# Of calls that succeed one after the other, one is kept within this time.
SUCCESS_INTERVAL = timedelta(minutes=5)

# The calls without which nobody can pay.
PAYMENT_OPERATIONS = ('create', 'get', 'events', 'capture', 'refund', 'cancel')

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
        known = errors.CODES.get(code) or errors.STATUSES.get(status)
        if known:
            return _(known[0])
        if outcome == 'no_answer':
            return _(errors.NO_ANSWER)
        return _(errors.WRONG_REQUEST)

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
        :param protocol.errors.VippsError error: The error, if there was one.
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
        pending = self.env.cr.postcommit.data.get(PENDING_KEY, [])
        if error:
            self._store_later(values)
        elif self._is_payment_call(values) and not any(
            call['outcome'] == 'success' for call in pending[-1:]
        ):
            # Calls that failed before in this request are not stored yet.
            if pending or self._is_news(values, self._get_last(values)):
                self._store_later(values)

    @api.model
    def _get_outcome(self, error):
        if not error:
            return 'success'
        if isinstance(error, errors.NoAnswer) and not isinstance(error, errors.NotNow):
            return 'no_answer'
        return 'unauthorized' if isinstance(error, errors.Unauthorized) else 'refused'

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
        cr, registry = self.env.cr, self.env.registry
        calls = cr.postcommit.data.get(PENDING_KEY)
        if calls is not None:
            calls.append(values)
            return
        calls = cr.postcommit.data[PENDING_KEY] = [values]

        def store():
            # Other callbacks may have run by now, and the committed work was right.
            try:
                with registry.cursor() as own_cr:
                    env = api.Environment(own_cr, SUPERUSER_ID, {})
                    for call in calls:
                        env['vipps.api.call']._store(call)
            except Exception as error:
                _logger.info("Calls of Vipps MobilePay are not noted: %s", error)

        cr.postcommit.add(store)
        cr.postrollback.add(store)

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
        series = self._count(values, last)
        self.env.cr.execute("""
            INSERT INTO vipps_api_call (
                provider_id, environment, operation, reference, outcome, status, code, trace_id,
                duration, clock_offset, failure_count, failing_since,
                create_date, write_date, create_uid, write_uid
            )
            VALUES (
                %(provider_id)s, %(environment)s, %(operation)s, %(reference)s, %(outcome)s,
                %(status)s, %(code)s, %(trace_id)s, %(duration)s, %(clock_offset)s,
                %(failure_count)s, %(failing_since)s,
                %(create_date)s, %(create_date)s, %(uid)s, %(uid)s
            )
        """, {**values, **series, 'uid': self.env.uid})
        if (
            series['failure_count'] is not None
            and values['environment'] == provider.vipps_environment
        ):
            provider._vipps_note_availability(
                last['failure_count'] if last else 0, series['failure_count']
            )

    @api.model
    def _count(self, values, last):
        """ Return the number of calls that failed in a row up to a call, and the time of the first.

        A payment that fails again and again is counted once: that says nothing about the others.
        Nor does it say that customers cannot pay if a person did not wait for longer: it is only
        the first failure then.

        :param dict values: The call.
        :param dict|None last: The last one, see :meth:`_get_last`.
        :rtype: dict
        """
        if not self._is_payment_call(values):
            return {'failure_count': None, 'failing_since': None}
        if values['outcome'] in ('success', 'refused'):
            return {'failure_count': 0, 'failing_since': None}
        if not last or not last['failure_count']:
            return {'failure_count': 1, 'failing_since': values['create_date']}
        is_same = values.get('is_impatient') or (
            values['reference'] and values['reference'] == last['reference']
        )
        return {
            'failure_count': last['failure_count'] + (0 if is_same else 1),
            'failing_since': last['failing_since'],
        }

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
