# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from psycopg2 import OperationalError
from psycopg2.errors import LockNotAvailable

from odoo import SUPERUSER_ID, _, api, fields, models

from ..api.client import VippsError
from ..jobs.job import DONE, run_steps

_logger = logging.getLogger(__name__)

# What was mended by itself is shown for so long.
INFORMATION_PERIOD = timedelta(days=7)

# What is looked for again and again.
SEEN_PROBLEMS = (
    'api', 'keys', 'encryption', 'environment_keys', 'key_file', 'clock', 'webhook', 'events',
    'inbox', 'mails', 'open_payments', 'bookings', 'failed_events', 'deadlines', 'guarantees',
    'differences',
)

# Who meets these tells somebody, who is not told again after having decided to wait; and some are
# taken back by who does not meet them anymore.
TOLD_ELSEWHERE = (
    'bookings', 'failed_events', 'deadlines', 'guarantees', 'differences', 'difference',
    'checkout', 'tills',
)
TAKEN_BACK_ELSEWHERE = (
    'webhook_watch', 'webhook_address', 'comparison', 'payment', 'subscription_key', 'failure',
    'deadline', 'guarantee', 'unpaid', 'refund', 'confirmation', 'follow_up', 'mail',
)

# An alert is committed at once, and what it tells of a bit later.
COMMIT_PERIOD = timedelta(minutes=1)


class PaymentProvider(models.Model):
    """ What administrators are told of: one activity per problem, until it is over. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _vipps_wake_health_job(self):
        """ Have alerts brought up to date as soon as this is committed. """
        cron = self.env.ref('mobilepay_vipps.cron_watch_health', raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()

    @api.model
    def _cron_vipps_watch_health(self):
        """ Alert the administrators of what is wrong, and take back what is over. """
        providers = self.search([('code', '=', 'vipps')])
        for provider_id in providers.ids:
            try:
                run_steps(
                    self.env,
                    lambda env, provider_id=provider_id: (
                        env[self._name].browse(provider_id)._vipps_watch_health()
                    ),
                    1,
                )
            except Exception:  # The other providers are watched all the same.
                _logger.exception("The health of provider %s cannot be watched.", provider_id)

    def _vipps_watch_health(self):
        """ Compare what is wrong with what an administrator has been told.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        self = self.with_company(self.company_id).with_context(
            lang=self._vipps_get_administrator().lang
        )
        if self._vipps_is_probe_due():
            self._vipps_probe()
        problems = {problem['key']: problem for problem in self._vipps_get_problems()}
        for problem in problems.values():
            if problem['key'] not in TOLD_ELSEWHERE:
                self._vipps_alert_administrator(
                    problem['key'], problem['summary'], problem['note']
                )
        for key in set(self._vipps_get_alerts().mapped('vipps_problem')) - problems.keys():
            if self._vipps_is_over(key):
                self._vipps_end_alert(key)
        return DONE

    def _vipps_is_over(self, key):
        """ Tell whether a problem is over that is not among those that can be seen at any time.

        :param str key: The key of an alert.
        :rtype: bool
        """
        alert = self._vipps_get_alerts(key)[:1]
        kind, _separator, tx_id = key.partition(':')
        if kind in TAKEN_BACK_ELSEWHERE or (
            kind in TOLD_ELSEWHERE
            and alert.create_date > fields.Datetime.now() - COMMIT_PERIOD
        ):
            return False
        if kind == 'difference':
            return not self.env['payment.transaction'].browse(int(tx_id)).exists().vipps_difference
        if kind in ('checkout', 'tills'):  # Until somebody else could pay.
            return bool(self.env['payment.transaction'].search_count([
                ('provider_id', '=', self.id),
                ('vipps_payment_reference', '!=', False),
                ('create_date', '>', alert.create_date),
                ('vipps_payment_state', '!=', False),
                ('vipps_user_flow', '=' if kind == 'checkout' else '!=', 'WEB_REDIRECT'),
            ], limit=1))
        # What is not seen anymore is over. Of the rest nobody knows more than that it was told.
        return kind in SEEN_PROBLEMS or (
            alert.create_date < fields.Datetime.now() - INFORMATION_PERIOD
        )

    def _vipps_is_probe_due(self):
        """ Tell whether nobody would find out that Vipps MobilePay answers again: customers and
        tills are not sent there. """
        last = self._vipps_get_last_call()
        return bool(last) and self.state != 'disabled' and not self._vipps_get_pause_end() and (
            last['outcome'] == 'unauthorized' or self._vipps_is_failing(last)
        )

    def _vipps_probe(self):
        """ Read the last payment, or else get an access token, to see whether there is an answer.
        """
        api_client = self.env['vipps.api.client']
        tx = self.env['payment.transaction'].search([
            ('provider_id', '=', self.id),
            ('vipps_payment_reference', '!=', False),
            ('vipps_environment', '=', self.vipps_environment),
            ('vipps_merchant_serial_number', '=', self.vipps_merchant_serial_number),
        ], order='create_date desc', limit=1)
        try:
            if tx:
                api_client._read_payment(tx)
            else:
                api_client._fetch_token(self, self.vipps_environment)
        except VippsError as error:
            _logger.info("Provider %s: %s", self.id, error.log_text)

    #=== BUSINESS METHODS - ALERTS ===#

    def _vipps_alert_administrator(self, key, summary, note):
        """ Give an administrator something to do, once per problem.

        The activity is committed at once: what the customer met may be rolled back, the problem
        stays.

        :param str key: What tells the problem from others, in any language.
        :param str|_lt summary: The problem, in a few words; `_lt` in the language of who is told.
        :param str|_lt|Exception note: What happened and what to do.
        :return: None
        """
        try:
            with self.env.registry.cursor() as cr:
                provider = self.with_env(self.env(cr=cr, user=SUPERUSER_ID))
                # A mail server that hangs holds nothing up.
                provider = provider.with_context(mail_notify_force_send=False)
                provider._vipps_raise_alert(key, summary, note)
        except LockNotAvailable:  # The caller itself may hold it.
            _logger.info("Provider %s: nobody is told of %s now.", self.id, key)
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:  # Whoever meets the problem goes on.
            _logger.exception("Provider %s: nobody is told of %s.", self.id, key)

    def _vipps_raise_alert(self, key, summary, note):
        # Of those who meet the problem at the same moment, one tells.
        self.env.cr.execute(
            "SET LOCAL lock_timeout = '2s'; SELECT pg_try_advisory_xact_lock(hashtext(%s))",
            [f'vipps_alert:{self.id}:{key}'],
        )
        if not self.env.cr.fetchone()[0] or self._vipps_get_alerts(key):
            return
        administrator = self._vipps_get_administrator()
        self = self.with_context(lang=administrator.lang)  # This is where texts look for it.
        sentence = getattr(note, 'sentence', None)
        text = _(sentence) if sentence else str(note)
        if getattr(note, 'fields', None):
            text = _("%(sentence)s Refused: %(fields)s.",
                     sentence=text, fields=", ".join(note.fields))
        self.activity_schedule(
            'mail.mail_activity_data_warning',
            summary=str(summary),
            note=text,
            user_id=administrator.id,
            vipps_problem=key,
        )

    def _vipps_end_alert(self, key):
        """ Take back what an administrator was told, as it is over.

        :param str key: The key that the problem was told with.
        :return: None
        """
        if not self._vipps_get_alerts(key):
            return
        try:
            with self.env.registry.cursor() as cr:
                provider = self.with_env(self.env(cr=cr, user=SUPERUSER_ID))
                provider._vipps_get_alerts(key).action_feedback(feedback=_("This is over."))
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:  # Whoever has solved the problem goes on.
            _logger.exception("Provider %s: %s is over, and still told.", self.id, key)

    def _vipps_get_alerts(self, key=None):
        """ Return what an administrator has been told and is not over.

        :param str key: The key of a problem, if only that is asked for.
        :rtype: mail.activity
        """
        return self.env['mail.activity'].sudo().search([
            ('vipps_problem', '=', key) if key else ('vipps_problem', '!=', False),
            ('res_model', '=', self._name),
            ('res_id', 'in', self.ids),
        ])
