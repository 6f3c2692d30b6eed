# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, api, fields, models

from ...trust import clean
from ..api.client import VippsError
from ..jobs.own_transaction import after_transaction, call_apart
from ..jobs.serialize import serialize
from .problem import PROBLEMS

_logger = logging.getLogger(__name__)

# Automatic repairs are shown for so long.
NEWS_PERIOD = timedelta(days=7)


class MailActivity(models.Model):
    """ Activities about problems, with the key of the problem. """
    _inherit = 'mail.activity'

    # The key of the problem, see `PROBLEMS`, and the id of the payment if it is about one.
    vipps_problem = fields.Char(copy=False, readonly=True, index='btree_not_null')

    @api.model
    def _vipps_find(self, record, problem):
        """ Return the activities of a record about a problem. """
        return record.sudo().activity_ids.filtered(
            lambda activity: activity.vipps_problem == problem
        )

    @api.model
    def _vipps_schedule(self, record, user, problem, summary, note):
        """ Create an activity for a person.

        :param record: The order, session or provider, in the environment of the user that is shown
                       as the author.
        :param str problem: The key of the problem, with the id of the payment if it is about one.
        """
        # A mail server that hangs holds nothing up: Odoo's queue of mails sends the mails.
        record.with_context(mail_notify_force_send=False).activity_schedule(
            'mail.mail_activity_data_warning', summary=summary, note=note, user_id=user.id,
            vipps_problem=problem,
        )


class PaymentProvider(models.Model):
    """ The activities of administrators: one for each problem, until it is over. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_vipps_watch_health(self):
        """ Alert the administrators of new problems, and end the alerts of those that are over. """
        self.search([('code', '=', 'vipps')])._vipps_call_each('_vipps_watch_health')

    def _vipps_call_each(self, method):
        """ Call a method of each provider in a database transaction of its own: an error with one
        is logged, and keeps nothing from the others. """
        for provider in clean(self):
            try:
                call_apart(provider, method)
            except Exception:
                _logger.exception("Provider %s: %s failed.", provider.id, method)

    def _vipps_watch_health(self):
        """ Compare the problems of the provider with the alerts that an administrator has. """
        provider = self.with_company(self.company_id).with_context(
            lang=self._vipps_get_administrator().lang
        )
        provider._vipps_probe()
        problems = {problem['key']: problem for problem in provider._vipps_get_problems()}
        for key, problem in problems.items():
            if not PROBLEMS[key].is_raised:
                provider._vipps_alert_administrator(key, problem['note'])
        for alert in self.sudo().activity_ids.filtered('vipps_problem'):
            if alert.vipps_problem not in problems and provider._vipps_is_over(alert):
                provider._vipps_end_alert(alert.vipps_problem)

    def _vipps_is_over(self, alert):
        """ Return whether a problem is over that is not found. """
        problem = PROBLEMS.get(alert.vipps_problem.partition(':')[0])
        if not problem:  # Earlier versions had others.
            return self._vipps_is_old_news(alert)
        if problem.over:
            return getattr(self, problem.over)(alert)
        return bool(problem.find or problem.listed)

    def _vipps_is_old_news(self, alert):
        return alert.create_date < fields.Datetime.now() - NEWS_PERIOD

    def _vipps_probe(self):
        """ Read the last payment, or else get an access token, to see whether Vipps MobilePay
        answers again: customers and tills are not sent there. """
        last = self._vipps_get_last_call()
        if not last or self.state == 'disabled' or self._vipps_get_pause_end() or not (
            last['outcome'] == 'unauthorized' or self._vipps_is_failing(last)
        ):
            return
        api_client = self.env['vipps.api.client']
        tx = self.env['payment.transaction'].search([
            ('provider_id', '=', self.id),
            ('vipps_payment_reference', '!=', False),
            ('vipps_environment', '=', self.vipps_environment),
            ('vipps_merchant_serial_number', '=', self.vipps_merchant_serial_number),
        ], order='create_date desc', limit=1)
        try:
            if tx:
                api_client._call_for(tx, 'get')
            else:
                api_client._call(self, 'token')
        except VippsError as error:
            _logger.info("Provider %s: %s", self.id, error.log_text)

    #=== BUSINESS METHODS - ALERTS ===#

    def _vipps_alert_administrator(self, problem, note=None, tx=None, values=None):
        """ Create an activity for an administrator, once per problem.

        That is done after the database transaction: the work of the caller may be rolled back, the
        problem stays.

        :param str problem: The key of the problem, see `PROBLEMS`.
        :param str|_lt|Exception note: The event and the remedy, if not those of the problem.
        :param payment.transaction tx: The payment, if it is about one.
        :param dict|str values: The values in the texts of the problem, by name or in place of `%s`.
        """
        assert problem in PROBLEMS
        key, name = f'{problem}:{tx.id}' if tx else problem, tx and tx.reference
        self._vipps_change_alerts_later(
            lambda provider: provider._vipps_raise_alert(key, note, values, name), is_always=True
        )

    def _vipps_end_alert(self, problem, tx=None):
        """ End the activity of a problem that is over, after this is committed. """
        key = f'{problem}:{tx.id}' if tx else problem
        if self.env['mail.activity']._vipps_find(self, key):
            self._vipps_change_alerts_later(lambda provider: provider._vipps_take_alert_back(key))

    def _vipps_change_alerts_later(self, change, is_always=False):
        """ Change the alerts of an administrator after the database transaction.

        :param function change: Is called with the provider, in the language of the administrator.
        :param bool is_always: Whether to do it also if the transaction is rolled back.
        """
        provider_id = self.id

        def change_alerts(env):
            provider = env['payment.provider'].browse(provider_id).exists()
            if provider:
                change(provider.with_context(lang=provider._vipps_get_administrator().lang))

        after_transaction(self.env, change_alerts, is_always)

    def _vipps_raise_alert(self, key, note, values, name):
        Activity = self.env['mail.activity']
        if Activity._vipps_find(self, key):
            return
        # Of several processes that meet the problem at once, one reports it: the others start anew.
        serialize(self)
        summary, advice = self._vipps_describe_problem(key.partition(':')[0], values, name)
        sentence = getattr(note, 'sentence', None)
        text = _(sentence) if sentence else str(note or advice)
        if getattr(note, 'fields', None):
            text = _("%(sentence)s Refused: %(fields)s.",
                     sentence=text, fields=", ".join(note.fields))
        Activity._vipps_schedule(self, self._vipps_get_administrator(), key, summary, text)

    def _vipps_take_alert_back(self, key):
        self.env['mail.activity']._vipps_find(self, key).action_feedback(
            feedback=_("This is over.")
        )
