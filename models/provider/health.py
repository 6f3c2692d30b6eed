# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import consteq

from .problem import LATELY

# The numbers of the page, each with its list.
COUNT_FIELDS = {
    'vipps_open_count': 'open',
    'vipps_open_10_minutes_count': 'open_10_minutes',
    'vipps_open_1_hour_count': 'open_1_hour',
    'vipps_near_deadline_count': 'near_deadline',
    'vipps_near_guarantee_count': 'near_guarantee',
    'vipps_differing_count': 'differences',
    'vipps_unbooked_count': 'unbooked',
    'vipps_inbox_count': 'inbox',
    'vipps_failed_event_count': 'failed_events',
    'vipps_error_count': 'errors',
    'vipps_started_count': 'started',
}
LIST_ACTIONS = {
    'payment.transaction': 'action_vipps_health_payments',
    'vipps.webhook.event': 'action_vipps_webhook_event',
    'vipps.api.call': 'action_vipps_api_call',
}
HEALTH = {
    'compute': '_compute_vipps_health',
    'compute_sudo': True,  # The provider itself is protected; its keys are not part of this.
    'groups': 'mobilepay_vipps.group_payment_manager,base.group_system',
}


class PaymentProvider(models.Model):
    """ How the provider does, for people and for monitoring systems. Nothing of it is stored. """
    _inherit = 'payment.provider'

    vipps_health = fields.Selection(
        string="Health",
        selection=[
            ('ok', "Everything works"),
            ('warning', "Needs attention"),
            ('error', "Down"),
            ('off', "Not in use"),
        ],
        **HEALTH,
    )
    vipps_verdict = fields.Char(string="Problem", **HEALTH)
    vipps_problems = fields.Html(string="What to Do", sanitize=False, **HEALTH)
    vipps_last_success = fields.Datetime(string="Last Successful Call", **HEALTH)
    vipps_access = fields.Selection(
        string="Keys",
        help="Whether Vipps MobilePay took the keys when it last answered.",
        selection=[('works', "Accepted"), ('refused', "Refused"), ('untried', "Not tried yet")],
        **HEALTH,
    )
    vipps_paused_until = fields.Datetime(
        string="Hidden at checkout until",
        help="Vipps MobilePay did not answer several times in a row.",
        **HEALTH,
    )
    vipps_webhook_status = fields.Selection(
        string="Webhook",
        selection=[('registered', "Set up"), ('missing', "Not set up")],
        **HEALTH,
    )
    vipps_last_event = fields.Datetime(string="Last Event", **HEALTH)
    vipps_oldest_event = fields.Datetime(string="Oldest Waiting Event", **HEALTH)
    vipps_inbox_count = fields.Integer(string="Events to Process", **HEALTH)
    vipps_failed_event_count = fields.Integer(string="Failed Events", **HEALTH)
    vipps_open_count = fields.Integer(string="Open Payments", **HEALTH)
    vipps_open_10_minutes_count = fields.Integer(string="Open for 10 Minutes", **HEALTH)
    vipps_open_1_hour_count = fields.Integer(string="Open for an Hour", **HEALTH)
    vipps_near_deadline_count = fields.Integer(
        string="Reservations near Their Last Day of Capture", **HEALTH
    )
    vipps_near_guarantee_count = fields.Integer(
        string="Reservations near the End of Their Guarantee", **HEALTH
    )
    vipps_differing_count = fields.Integer(string="Differences", **HEALTH)
    vipps_unbooked_count = fields.Integer(string="Payments Not Booked", **HEALTH)
    vipps_error_count = fields.Integer(string="Errors of the Last 7 Days", **HEALTH)
    vipps_started_count = fields.Integer(string="Payments of the Last 7 Days", **HEALTH)
    vipps_approved_share = fields.Float(
        string="Approved",
        help="Of the payments of the last 7 days that came to an end.",
        **HEALTH,
    )
    vipps_approval_time = fields.Float(
        string="Time to Approval",
        help="In seconds, on average over the last 7 days.",
        digits=(16, 0),
        **HEALTH,
    )
    vipps_errors = fields.Html(string="Errors", sanitize=False, **HEALTH)
    # Whoever has the token may read the health. It is shown once and not kept.
    vipps_monitoring_token_hash = fields.Char(
        string="Monitoring Token",
        copy=False, readonly=True, groups='base.group_system'
    )

    #=== COMPUTE METHODS ===#

    @api.depends('code', 'state')
    @api.depends_context('lang')
    def _compute_vipps_health(self):
        names = [
            name for name, field in self._fields.items()
            if field.compute == '_compute_vipps_health'
        ]
        self.env.flush_all()
        for provider in self:
            is_known = provider.code == 'vipps' and isinstance(provider.id, int)
            values = provider._vipps_get_health() if is_known else {}
            provider.update({name: values.get(name, False) for name in names})

    def _vipps_get_health(self):
        """ Return what the page shows.

        :return: The values of the computed fields.
        :rtype: dict
        """
        problems = self._vipps_get_problems()
        status = self._vipps_get_status(problems)
        # Keys that were only tried out say nothing about payments.
        payment_calls = [
            ('provider_id', '=', self.id), ('environment', '=', self.vipps_environment),
            ('failure_count', '!=', False),
        ]
        access = self.env['vipps.api.call'].search(
            [*payment_calls, ('outcome', '!=', 'no_answer')], limit=1
        )
        success = self.env['vipps.api.call'].search(
            [*payment_calls, ('outcome', '=', 'success')], limit=1
        )
        return {
            'vipps_health': status,
            'vipps_verdict': self._vipps_get_verdict(status, problems),
            'vipps_problems': self.env['ir.qweb']._render('mobilepay_vipps.health_problems', {
                'problems': problems,
            }) if problems else False,
            'vipps_last_success': success.create_date,
            'vipps_access': (
                'untried' if not access
                else 'refused' if access.outcome == 'unauthorized' else 'works'
            ),
            'vipps_paused_until': self._vipps_get_pause_end(),
            'vipps_webhook_status': 'registered' if self.vipps_webhook_url else 'missing',
            'vipps_last_event': self._vipps_get_last_event(),
            'vipps_oldest_event': self._vipps_count('inbox')[1],
            **{name: self._vipps_count(list_name)[0] for name, list_name in COUNT_FIELDS.items()},
            **self._vipps_get_statistics(),
            'vipps_errors': self._vipps_render_errors(),
        }

    def _vipps_get_status(self, problems):
        if not self._vipps_is_in_use():
            return 'off'
        return problems[0]['level'] if problems else 'ok'

    def _vipps_get_verdict(self, status, problems):
        if status == 'off':
            return _("Not in use: the provider is disabled, and nothing is open or reserved.")
        if not problems:
            return _("Everything works.")
        return "; ".join(problem['summary'] for problem in problems) + "."

    def _vipps_get_statistics(self):
        """ Return how many of the payments that came to an end lately were approved, and how long
        that took. """
        self.env.cr.execute("""
            SELECT avg(vipps_success_rate) FILTER (
                       WHERE vipps_payment_state IS NOT NULL AND vipps_payment_state != 'CREATED'
                   ),
                   avg(vipps_approval_seconds) FILTER (WHERE vipps_approval_seconds > 0)
              FROM payment_transaction
             WHERE provider_id = %s
               AND vipps_payment_reference IS NOT NULL
               AND create_date >= %s
        """, [self.id, fields.Datetime.now() - LATELY])
        share, seconds = self.env.cr.fetchone()
        return {
            'vipps_approved_share': (share or 0) / 100,
            'vipps_approval_time': float(seconds or 0),
        }

    def _vipps_render_errors(self):
        """ Return a table of what went wrong with calls lately.

        :rtype: markupsafe.Markup | bool
        """
        model, domain, _since = self._vipps_get_health_lists()['errors']
        Call = self.env[model]
        rows = Call._read_group(
            domain, ['outcome', 'code', 'status'], ['__count', 'create_date:max'],
            order='__count DESC', limit=20,
        )
        if not rows:
            return False
        outcomes = dict(Call._fields['outcome']._description_selection(self.env))
        return self.env['ir.qweb']._render('mobilepay_vipps.health_errors', {'errors': [
            {
                'outcome': outcomes[outcome],
                'code': code or status or "",
                'meaning': Call._explain(outcome, status, code),
                'count': count,
                'last': fields.Datetime.context_timestamp(self, last).strftime('%Y-%m-%d %H:%M'),
            }
            for outcome, code, status, count, last in rows
        ]})

    #=== ACTION METHODS ===#

    def action_vipps_open_health(self):
        """ Open the page of the provider.

        :return: The action.
        :rtype: dict
        :raise AccessError: If the user may not see the health of the provider.
        """
        self._vipps_check_manager()
        self.ensure_one()
        action = self.env['ir.actions.act_window']._for_xml_id(
            'mobilepay_vipps.action_vipps_health'
        )
        form = self.env.ref('mobilepay_vipps.payment_provider_health_form')
        return {**action, 'views': [(form.id, 'form')], 'view_mode': 'form', 'res_id': self.id}

    def action_vipps_open_list(self):
        """ Open the list behind a number, which the context key `vipps_list` names.

        :return: The action.
        :rtype: dict
        :raise AccessError: If the user may not see the health of the provider.
        """
        self._vipps_check_manager()
        self.ensure_one()
        lists = self._vipps_get_health_lists()
        name = self.env.context.get('vipps_list')
        if name not in lists:
            raise UserError(_("There is no such list."))
        model, domain, _since = lists[name]
        action = self.env['ir.actions.act_window']._for_xml_id(
            f'mobilepay_vipps.{LIST_ACTIONS[model]}'
        )
        return {**action, 'domain': domain, 'context': {}}

    def action_vipps_create_monitoring_token(self):
        """ Make the token that a monitoring system reads the health with; an earlier one is not
        good anymore.

        :return: The action that shows it, this once.
        :rtype: dict
        :raise AccessError: If the user may not configure the provider.
        """
        self._vipps_check_administrator()
        self.ensure_one()
        token = secrets.token_urlsafe(32)
        self._vipps_write_protected({'vipps_monitoring_token_hash': self._vipps_hash_token(token)})
        return {
            'type': 'ir.actions.client',
            'tag': 'vipps_show_token',
            'params': {'token': token},
        }

    def _vipps_check_manager(self):
        """ Ensure that the user may see how the providers do.

        :return: None
        :raise AccessError: If not.
        """
        self.check_access_rights('read')
        self.check_access_rule('read')
        if not self.env.su and not self.user_has_groups(
            'mobilepay_vipps.group_payment_manager,base.group_system'
        ):
            raise AccessError(_("Only payment managers see the health of Vipps MobilePay."))

    #=== BUSINESS METHODS - MONITORING ===#

    @api.model
    def _vipps_hash_token(self, token):
        return hashlib.sha256(token.encode()).hexdigest()

    @api.model
    def _vipps_get_for_monitoring(self, token):
        """ Return the provider that a token is for.

        :param str token: The token, as somebody sent it.
        :return: The provider; empty if the token is no good.
        :rtype: payment.provider
        """
        token_hash = self._vipps_hash_token(token)
        providers = self.search([
            ('code', '=', 'vipps'), ('vipps_monitoring_token_hash', '!=', False),
        ])
        return providers.filtered(
            lambda provider: consteq(provider.vipps_monitoring_token_hash, token_hash)
        )[:1]

    def _vipps_prepare_report(self):
        """ Return the health for a monitoring system, without anything secret or personal.

        :return: What can be written as JSON; ages are in seconds.
        :rtype: dict
        """
        self.ensure_one()
        now = fields.Datetime.now()

        def get_age(moment):
            return moment and max(int((now - moment).total_seconds()), 0)

        problems = self._vipps_get_problems()
        last = self._vipps_get_last_call()
        lists = {name: self._vipps_count(name) for name in COUNT_FIELDS.values()}
        return {
            'status': problems[0]['level'] if problems else 'ok',
            'environment': self.vipps_environment,
            'state': self.state,
            'problems': [
                {
                    'key': problem['key'],
                    'level': problem['level'],
                    'text': problem['summary'],
                    'what_to_do': problem['note'],
                    'count': problem['count'],
                    'age': get_age(problem['since']),
                }
                for problem in problems
            ],
            'counts': {name: count for name, (count, _since) in lists.items()},
            'ages': {
                'last_call': get_age(last and last['create_date']),
                'last_event': get_age(self._vipps_get_last_event()),
                'oldest_event': get_age(lists['inbox'][1]),
                'oldest_open_payment': get_age(lists['open'][1]),
            },
            'paused_for': (
                int((self._vipps_get_pause_end() - now).total_seconds())
                if self._vipps_get_pause_end() else 0
            ),
        }
