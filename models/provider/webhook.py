# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ipaddress
import logging
from datetime import timedelta
from urllib.parse import urlsplit

import requests

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import ormcache

from ... import const
from ...step_log import log_step
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# Vipps MobilePay tries to deliver for so long: then nothing is signed with the replaced secret.
PREVIOUS_SECRET_PERIOD = timedelta(days=7)

# Events that came within this time show that the address of the webhook is good.
IN_USE_PERIOD = timedelta(days=30)


class PaymentProvider(models.Model):
    _inherit = 'payment.provider'

    vipps_webhook_id = fields.Char(
        string="Webhook ID", copy=False, readonly=True, groups='base.group_system'
    )
    vipps_webhook_url = fields.Char(
        string="Webhook URL",
        help="The address that Vipps MobilePay sends its events to. Signatures are checked against"
             " it.",
        copy=False,
        readonly=True,
        groups='base.group_system',
    )

    # Each with its `url`, its `ciphertext`, and `until` when it is good.
    vipps_webhook_previous_secrets = fields.Json(
        string="Previous Webhook Secrets",
        copy=False, readonly=True, groups='base.group_system'
    )
    vipps_foreign_webhooks = fields.Text(
        string="Other Webhooks",
        help="Other addresses that receive the events of this sales unit, as of the last daily"
             " check. They are left alone: delete them in the Vipps MobilePay portal if nobody"
             " needs them.",
        copy=False,
        readonly=True,
        groups='base.group_system',
    )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override to take events for new providers. """
        providers = super().create(values_list)
        providers._vipps_forget_webhooks()
        return providers

    def _write(self, values):
        """ Override to verify events with what is written, in whatever way. """
        res = super()._write(values)
        if not values.keys().isdisjoint({'code', *self._vipps_get_webhook_fields()}):
            self._vipps_forget_webhooks()
        return res

    def unlink(self):
        """ Override to take no more events for the providers. """
        res = super().unlink()
        self._vipps_forget_webhooks()
        return res

    #=== ACTION METHODS ===#

    def action_vipps_set_up_webhooks(self):
        """ Register the webhook at Vipps MobilePay and delete our own stale registrations.

        :raise UserError: If the URL cannot be reached from outside, or if Vipps MobilePay refuses.
        """
        self._vipps_check_administrator()
        self.ensure_one()
        url = self._vipps_get_webhook_url()
        doubt = self._vipps_describe_webhook_answer(url, self._vipps_try_webhook_url(url))
        self._vipps_replace_webhook(self._vipps_list_own_webhooks(), url)
        self._vipps_end_alert('webhook_address')
        action = self._vipps_notify(
            doubt or _("Vipps MobilePay now sends its events to %s.", self.vipps_webhook_url)
        )
        if doubt:
            action['params'].update(type='warning', sticky=True)
        return action

    def action_vipps_compare_payments(self):
        """ Have all payments of the providers compared with Vipps MobilePay, as after a backup was
        restored. """
        self._vipps_check_administrator()
        count = self.env['payment.transaction'].sudo()._vipps_schedule_comparison(
            [('provider_id', 'in', self.ids)]
        )
        return self._vipps_notify(_(
            "Checking %s payments, one after the other. Anything Odoo cannot fix is then listed"
            " under Differences, at the top of the payment provider.", count,
        ))

    #=== BUSINESS METHODS - REGISTRATION ===#

    def _vipps_list_own_webhooks(self):
        """ Return the registrations of this provider, and keep those of others for the form. """
        urls = {self._vipps_get_webhook_url(), self.vipps_webhook_url}
        urls.update(previous['url'] for previous in self.vipps_webhook_previous_secrets or [])
        known_ids = self.sudo().search([('code', '=', 'vipps')])._vipps_get_webhook_ids()
        own_webhooks, foreign_urls = [], []
        for webhook in self.env['vipps.api.client']._call(self, 'list_webhooks'):
            if webhook['id'] == self.vipps_webhook_id or webhook['url'] in urls:
                own_webhooks.append(webhook)
            elif webhook['id'] not in known_ids:
                foreign_urls.append(webhook['url'])
        self.vipps_foreign_webhooks = "\n".join(sorted(foreign_urls))
        return own_webhooks

    def _vipps_get_webhook_ids(self):
        """ Hook to return the ids of all registrations of the providers. """
        return [webhook_id for webhook_id in self.mapped('vipps_webhook_id') if webhook_id]

    def _vipps_replace_webhook(self, own_webhooks, url):
        """ Register the webhook anew, and then delete the earlier registrations.

        The replaced secret stays good for events that are on their way.

        :raise VippsError: If Vipps MobilePay refuses, or answers with an earlier registration.
        """
        providers_sudo = self.sudo().search([('code', '=', 'vipps')])
        # The list may be older than the last registration.
        old_ids = {webhook['id'] for webhook in own_webhooks} | {self.vipps_webhook_id} - {False}
        webhook = self.env['vipps.api.client']._call(self, 'register_webhook', url=url)
        if webhook['id'] in old_ids.union(providers_sudo.mapped('vipps_webhook_id')):
            raise VippsError(_("Vipps MobilePay has not done this yet."), is_unknown=True)
        previous_secrets = self._vipps_get_previous_secrets()
        if self.vipps_webhook_secret_ciphertext:
            previous_secrets.append({
                'url': self.vipps_webhook_url,
                'ciphertext': self.vipps_webhook_secret_ciphertext,
                'until': fields.Datetime.to_string(fields.Datetime.now() + PREVIOUS_SECRET_PERIOD),
            })
        self._vipps_write_protected({
            'vipps_webhook_previous_secrets': previous_secrets,
            'vipps_webhook_id': webhook['id'],
            'vipps_webhook_url': url,
            'vipps_webhook_secret': webhook['secret'],
        })
        self._vipps_delete_webhooks_after_commit(old_ids)
        # It stays registered at Vipps MobilePay when Odoo rolls back.
        self.env['vipps.audit.event']._record(
            'webhook_registered', self, step='webhook_registered', is_apart=True, details=url
        )

    def _vipps_delete_webhooks_after_commit(self, webhook_ids):
        """ Delete registrations as soon as it is certain that we have the secret of the new one.
        """
        self.env.cr.postcommit.add(self.env['vipps.api.client']._prepare_webhook_deletion(
            self, list(webhook_ids)
        ))

    @api.model
    def _cron_vipps_watch_webhooks(self):
        """ Check the webhooks of all providers every day, and repair their registrations. """
        # Reservations still need their events when nobody can pay any longer.
        self.search([('code', '=', 'vipps')]).filtered(
            lambda p: p._vipps_has_key('vipps_client_secret') and p._vipps_is_in_use()
        )._vipps_call_each('_vipps_watch_webhook')

    def _vipps_watch_webhook(self):
        """ Hook to check the webhook of the provider, repair its registration, and report problems.
        """
        previous_secrets = self._vipps_get_previous_secrets()
        if previous_secrets != (self.vipps_webhook_previous_secrets or []):
            self._vipps_write_protected({'vipps_webhook_previous_secrets': previous_secrets})
        self._vipps_watch_subscription_keys()
        try:
            with self.env.cr.savepoint():
                problem = self._vipps_repair_webhook()
        except UserError as error:
            log_step(
                _logger, 'webhook_checked', provider=self, outcome='failed', error=str(error)
            )
            if not getattr(error, 'is_unknown', False):
                self._vipps_alert_administrator('webhook_watch', error)
        else:
            self._vipps_end_alert('webhook_watch')
            self._vipps_report_other_address()
            if problem:
                log_step(
                    _logger, 'webhook_checked', provider=self, outcome='repaired', error=problem
                )
                self._vipps_alert_administrator('webhook_repaired', values=problem)

    def _vipps_repair_webhook(self):
        """ Repair the registration of the webhook, if that is necessary. An address at which events
        arrive is kept; another one is left only for one at which this database has answered.

        :return: The fault that was found, if there was one.
        :raise UserError: If it cannot be repaired.
        """
        last_event = self.vipps_webhook_url and self._vipps_get_last_event()
        is_in_use = last_event and last_event > fields.Datetime.now() - IN_USE_PERIOD
        url = self.vipps_webhook_url if is_in_use else self._vipps_get_webhook_url()
        if not self.vipps_webhook_id and not self._vipps_is_allowed_url(url):
            return None  # An installation that is only tried out. The form names the missing part.
        own_webhooks = self._vipps_list_own_webhooks()
        webhook = next((w for w in own_webhooks if w['id'] == self.vipps_webhook_id), None)
        problem = self._vipps_get_webhook_problem(webhook, url)
        answer = problem and self._vipps_try_webhook_url(url)
        if answer == 'unknown' and self.vipps_webhook_url:
            url = self.vipps_webhook_url
            problem = self._vipps_get_webhook_problem(webhook, url)
        if problem:
            if answer not in ('own', 'unknown'):
                raise UserError(self._vipps_describe_webhook_answer(url, answer))
            self._vipps_replace_webhook(own_webhooks, url)
        elif len(own_webhooks) > 1:
            problem = _("The address was registered more than once.")
            self._vipps_delete_webhooks_after_commit(
                {w['id'] for w in own_webhooks} - {webhook['id']}
            )
        return problem

    def _vipps_report_other_address(self):
        """ Report to an administrator that the website has another address than the webhook: Odoo
        changes the former when an administrator logs in at another one. """
        urls = {'webhook_url': self.vipps_webhook_url, 'url': self._vipps_get_webhook_url()}
        if urls['webhook_url'] in (False, urls['url']):
            self._vipps_end_alert('webhook_address')
        else:
            self._vipps_alert_administrator('webhook_address', values=urls)

    def _vipps_get_webhook_problem(self, webhook, url):
        """ Return the fault of the registration of the webhook, if there is one. """
        if not self.vipps_webhook_id:
            return _("The webhook was not set up.")
        if not webhook:
            return _("The webhook was no longer registered at Vipps MobilePay.")
        if webhook['url'] != url or self.vipps_webhook_url != url:
            return _("The webhook was registered for the address %s.", webhook['url'])
        if not self.env['vipps.api.client']._has_all_events(webhook):
            return _("The webhook was not registered for all events.")
        try:
            self._vipps_get_secret('vipps_webhook_secret')
        except VippsError:
            return _("The secret of the webhook could not be read.")
        return None

    def _vipps_get_webhook_url(self):
        """ Return the URL to register. It is built from the configured address of the website, as
        the address of the request may be an internal one. """
        self.ensure_one()
        base_url = self.env['ir.config_parameter'].sudo().get_param('web.base.url', '')
        return f'{base_url.rstrip("/")}{const.WEBHOOK_ROUTE}/{self.id}'

    def _vipps_try_webhook_url(self, url):
        """ Call the URL to register, as Vipps MobilePay would.

        :return: `own` if this database answers, `unknown` if nothing does, else the HTTP status of
                 something else.
        :raise UserError: If Vipps MobilePay cannot deliver there; the text names the remedy.
        """
        if not self._vipps_is_allowed_url(url):
            raise UserError(_(
                "Vipps MobilePay cannot reach %(url)s: it needs an address that starts with"
                " https:// and can be reached from the internet. Set the address of your website"
                " in the system parameter web.base.url.",
                url=url,
            ))
        try:
            # Unsigned, so our webhook route refuses it, and says whose it is.
            response = requests.post(url, data=b'', timeout=5, allow_redirects=False)
        except requests.RequestException:
            # Many servers cannot reach themselves by their public address.
            log_step(_logger, 'webhook_tried', provider=self, outcome='unknown', url=url)
            return 'unknown'
        if response.is_redirect:
            raise UserError(_(
                "%(url)s redirects to %(target)s, but Vipps MobilePay does not follow"
                " redirections. Set the final address of your website in the system parameter"
                " web.base.url.",
                url=url, target=response.headers['Location'],
            ))
        database = self.env['payment.transaction']._vipps_get_reference_prefix()
        is_own = response.headers.get(const.DATABASE_HEADER) == database
        return 'own' if is_own else response.status_code

    def _vipps_describe_webhook_answer(self, url, answer):
        """ Return the doubt about a URL for webhooks, if there is one. """
        if answer == 'own':
            return None
        if answer != 'unknown':
            return _(
                "Something other than this Odoo database answers at %(url)s, with the status"
                " %(status)s, so events may not arrive. Look at the proxy, the firewall and, if"
                " the server has several databases, at the dbfilter of Odoo. Then press Set up"
                " Webhooks again.", url=url, status=answer,
            )
        if self.env['vipps.api.client']._is_simulated(self):
            return None
        return _(
            "Vipps MobilePay sends its events to %s, but Odoo could not try this address from"
            " here. Make a test payment, and see on the Health page that its events arrive.", url,
        )

    def _vipps_is_allowed_url(self, url):
        """ Return whether Vipps MobilePay takes a URL of ours. Plain http is taken by a simulator.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # Not an address at all.
            return False
        if parts.hostname in ('localhost', '127.0.0.1', '::1'):
            return self.env['vipps.api.client']._is_simulated(self)
        if parts.scheme != 'https':
            return False
        host = parts.hostname or ''
        try:
            return ipaddress.ip_address(host).is_global
        except ValueError:
            return '.' in host and not host.endswith(('.local', '.internal', '.localhost'))

    #=== BUSINESS METHODS - VERIFICATION ===#

    @api.model
    def _vipps_get_for_webhook(self, provider_id):
        """ Return the provider whose webhook is called, with all that is needed to verify the call,
        without a query. """
        values = self._vipps_read_webhooks().get(provider_id)
        provider = self.browse(provider_id if values else ())
        for name in values or ():
            self.env.cache.insert_missing(provider, self._fields[name], [values[name]])
        return provider

    @api.model
    @ormcache()
    def _vipps_read_webhooks(self):
        """ Return what the webhooks of all providers are verified with, by the id and the name of
        the field, as the ORM caches it: secrets as ciphertexts. """
        fields_ = [self._fields[name] for name in self._vipps_get_webhook_fields()]
        providers = self.sudo().search_fetch(
            [('code', '=', 'vipps')], [field.name for field in fields_]
        )
        return {
            provider.id: {field.name: self.env.cache.get(provider, field) for field in fields_}
            for provider in providers
        }

    @api.model
    def _vipps_get_webhook_fields(self):
        """ Hook to return the fields that webhooks are verified with. """
        return [
            'company_id',
            'vipps_merchant_serial_number',
            'vipps_webhook_url',
            'vipps_webhook_secret_ciphertext',
            'vipps_webhook_previous_secrets',
        ]

    def _vipps_forget_webhooks(self):
        """ Have all workers verify webhooks with what is stored from now on, and at once when that
        is committed: a secret that was revoked must not be good until the end of a job. """
        registry = self.env.registry

        def forget():
            registry.clear_cache()
            registry.signal_changes()

        registry.clear_cache()
        self.env.cr.postcommit.add(forget)

    def _vipps_verify_webhook(self, body, headers):
        """ Return whether a request to the webhook comes from Vipps MobilePay. """
        self.ensure_one()
        return any(
            self.env['vipps.api.client']._verify_webhook(secret, url, body, headers)
            for secret, url in self._vipps_get_webhook_secrets()
        )

    def _vipps_prepare_unregistration(self):
        """ Return a function that deletes the webhooks of the providers, to be called after the
        commit: it needs no database and raises nothing. """
        deletions = []
        for provider in self:
            try:
                deletions.append(
                    self.env['vipps.api.client']._prepare_webhook_deletion(
                        provider, provider._vipps_get_webhook_ids()
                    )
                )
            except VippsError:
                _logger.info(
                    "The webhook of provider %s is left at Vipps MobilePay: no keys.", provider.id
                )
        return lambda: [delete() for delete in deletions]
