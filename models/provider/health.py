# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import consteq

# The lists whose lengths are shown, and the actions that open them. Packages add theirs.
LISTS_SHOWN = [
    'open', 'open_10_minutes', 'open_1_hour', 'near_deadline', 'near_guarantee', 'differences',
    'unbooked', 'inbox', 'failed_events', 'errors', 'started',
]
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
    """ The health of the provider, for people and for monitoring systems. It is not stored. """
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
    # The content of the page, see :meth:`_vipps_get_health`.
    vipps_health_details = fields.Json(string="What to Do", **HEALTH)
    # A monitoring system reads the health with the token, which is shown once and not kept.
    vipps_monitoring_token_hash = fields.Char(
        string="Monitoring Token",
        copy=False, readonly=True, groups='base.group_system'
    )

    #=== COMPUTE METHODS ===#

    @api.depends('code', 'state')
    @api.depends_context('lang')
    def _compute_vipps_health(self):
        self.env.flush_all()
        for provider in self:
            is_known = provider.code == 'vipps' and isinstance(provider.id, int)
            health = provider._vipps_get_health() if is_known else {}
            provider.vipps_health = health.get('status')
            provider.vipps_verdict = health.get('verdict')
            provider.vipps_health_details = health or False

    def _vipps_get_health(self):
        """ Return the content of the page: the report for monitoring systems, and more about the
        connection and the last days. """
        report, is_in_use = self._vipps_prepare_report(), self._vipps_is_in_use()
        _model, started, _since = self._vipps_get_health_lists()['started']
        Transaction = self.env['payment.transaction']
        (share,), = Transaction._read_group(
            [*started, ('vipps_payment_state', 'not in', (False, 'CREATED'))], [],
            ['vipps_success_rate:avg'],
        )
        (seconds,), = Transaction._read_group(
            [*started, ('vipps_approval_seconds', '>', 0)], [], ['vipps_approval_seconds:avg'],
        )
        answer = self._vipps_find_payment_call([('outcome', '!=', 'no_answer')])
        return {
            **report,
            'status': report['status'] if is_in_use else 'off',
            'verdict': (
                _("Not in use: the provider is disabled, and nothing is open or reserved.")
                if not is_in_use
                else "; ".join(problem['text'] for problem in report['problems']) + "."
                if report['problems'] else _("Everything works.")
            ),
            'access': (
                'untried' if not answer
                else 'refused' if answer.outcome == 'unauthorized' else 'works'
            ),
            'has_webhook': bool(self.vipps_webhook_url),
            'approved_share': (share or 0) / 100,
            'approval_seconds': float(seconds or 0),
            'errors': self._vipps_get_errors(),
        }

    def _vipps_find_payment_call(self, domain):
        """ Return the last call of its kind that says whether people can pay: keys that were only
        tried out do not. """
        return self.env['vipps.api.call'].search([
            ('provider_id', '=', self.id), ('environment', '=', self.vipps_environment),
            ('failure_count', '!=', False), *domain,
        ], limit=1)

    def _vipps_get_errors(self):
        """ Return the errors of calls of the last days, the most frequent first. """
        model, domain, _since = self._vipps_get_health_lists()['errors']
        Call = self.env[model]
        outcomes = dict(Call._fields['outcome']._description_selection(self.env))
        return [
            {
                'outcome': outcomes[outcome],
                'code': code or status or "",
                'meaning': Call._explain(outcome, status, code),
                'count': count,
                'age': self._vipps_get_age(last),
            }
            for outcome, code, status, count, last in Call._read_group(
                domain, ['outcome', 'code', 'status'], ['__count', 'create_date:max'],
                order='__count DESC', limit=20,
            )
        ]

    #=== ACTION METHODS ===#

    def action_vipps_open_health(self):
        """ Open the page of the provider.

        :raise AccessError: If the user may not see the health of the provider.
        """
        self._vipps_check_manager()
        self.ensure_one()
        action = self.env['ir.actions.act_window']._for_xml_id(
            'mobilepay_vipps.action_vipps_health'
        )
        form = self.env.ref('mobilepay_vipps.payment_provider_health_form')
        return {**action, 'views': [(form.id, 'form')], 'view_mode': 'form', 'res_id': self.id}

    def action_vipps_open_list(self, name):
        """ Open the list behind a number.

        :param str name: The name of the list.
        :raise AccessError: If the user may not see the health of the provider.
        """
        self._vipps_check_manager()
        self.ensure_one()
        lists = self._vipps_get_health_lists()
        if name not in LISTS_SHOWN:
            raise UserError(_("There is no such list."))
        model, domain, _since = lists[name]
        if name.startswith('open'):  # Only the system may search by tasks.
            domain = [('id', 'in', self.env[model].sudo().search(domain).ids)]
        action = self.env['ir.actions.act_window']._for_xml_id(
            f'mobilepay_vipps.{LIST_ACTIONS[model]}'
        )
        return {**action, 'domain': domain, 'context': {}}

    def action_vipps_create_monitoring_token(self):
        """ Create the token that a monitoring system reads the health with. It replaces an earlier
        one, which stops working.

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
        """ Ensure that the user may see the health of providers. """
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
        """ Return the provider that a token of a monitoring system is for, if there is one. """
        token_hash = self._vipps_hash_token(token)
        providers = self.search([
            ('code', '=', 'vipps'), ('vipps_monitoring_token_hash', '!=', False),
        ])
        return providers.filtered(
            lambda provider: consteq(provider.vipps_monitoring_token_hash, token_hash)
        )[:1]

    def _vipps_prepare_report(self):
        """ Return the health for a monitoring system, without anything secret or personal.

        :return: Values that can be written as JSON; ages are in seconds.
        """
        self.ensure_one()
        now = fields.Datetime.now()
        lists = {name: self._vipps_count(name) for name in LISTS_SHOWN}
        problems, last_call = self._vipps_get_problems(lists), self._vipps_get_last_call()
        moments = {
            'last_call': last_call and last_call['create_date'],
            'last_success': self._vipps_find_payment_call(
                [('outcome', '=', 'success')]
            ).create_date,
            'last_event': self._vipps_get_last_event(),
            'oldest_event': lists['inbox'][1],
            'oldest_open_payment': lists['open'][1],
        }
        pause = (self._vipps_get_pause_end() or now) - now
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
                    'age': self._vipps_get_age(problem['since']),
                }
                for problem in problems
            ],
            'counts': {name: count for name, (count, _since) in lists.items()},
            'ages': {name: self._vipps_get_age(moment) for name, moment in moments.items()},
            'paused_for': int(pause.total_seconds()),
        }

    @api.model
    def _vipps_get_age(self, moment):
        """ Return the age of a moment, in seconds; or False. """
        return bool(moment) and max(int((fields.Datetime.now() - moment).total_seconds()), 0)
