# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ipaddress
import logging
from urllib.parse import urlsplit

import requests

from odoo import _, fields, models
from odoo.exceptions import UserError

from ..controllers.main import VippsController
from .vipps_api_client import VippsError

_logger = logging.getLogger(__name__)


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

    #=== ACTION METHODS ===#

    def action_vipps_set_up_webhooks(self):
        """ Register the webhook at Vipps MobilePay and delete our own stale registrations.

        :return: The notification.
        :rtype: dict
        :raise UserError: If the URL cannot be reached from outside, or if Vipps MobilePay refuses.
        """
        self._vipps_check_administrator()
        self.ensure_one()
        url = self._vipps_get_webhook_url()
        self._vipps_check_webhook_url(url)
        api_client = self.env['vipps.api.client']
        stale_ids = [
            webhook['id'] for webhook in api_client._list_webhooks(self)
            if webhook['url'] == url or webhook['id'] == self.vipps_webhook_id
        ]
        webhook = api_client._register_webhook(self, url)
        self.write({
            'vipps_webhook_id': webhook['id'],
            'vipps_webhook_url': url,
            'vipps_webhook_secret': webhook['secret'],
        })
        for stale_id in stale_ids:
            try:
                api_client._delete_webhook(self, stale_id)
            except VippsError as error:
                # The secret of the new one cannot be read again: it must not be rolled back.
                _logger.info("The stale webhook %s is left: %s", stale_id, error.log_text)
        return self._vipps_notify(_("Vipps MobilePay now sends its events to %s.", url))

    #=== BUSINESS METHODS ===#

    def _vipps_get_webhook_url(self):
        """ Return the URL to register. It is built from the configured address of the website, as
        the address of the request may be an internal one. """
        self.ensure_one()
        base_url = self.env['ir.config_parameter'].sudo().get_param('web.base.url', '')
        return f'{base_url.rstrip("/")}{VippsController._webhook_url}/{self.id}'

    def _vipps_check_webhook_url(self, url):
        """ Ensure that Vipps MobilePay can deliver to a URL.

        :param str url: The URL.
        :return: None
        :raise UserError: If it cannot; it says why and what to do.
        """
        if not self._vipps_is_allowed_url(url):
            raise UserError(_(
                "Vipps MobilePay cannot reach %(url)s: it needs an address that starts with"
                " https:// and can be reached from the internet. Set the address of your website"
                " in the system parameter web.base.url.",
                url=url,
            ))
        try:
            # Unsigned, so a webhook route of ours refuses it; only a redirection is a problem.
            response = requests.post(url, data=b'', timeout=5, allow_redirects=False)
        except requests.RequestException:
            # Many servers cannot reach themselves by their public address.
            _logger.info("The webhook URL %s could not be tried from this server.", url)
            return
        if response.is_redirect:
            raise UserError(_(
                "%(url)s redirects to %(target)s, but Vipps MobilePay does not follow"
                " redirections. Set the final address of your website in the system parameter"
                " web.base.url.",
                url=url, target=response.headers['Location'],
            ))

    def _vipps_is_allowed_url(self, url):
        """ Tell whether Vipps MobilePay takes a URL of ours. Plain http is taken by a simulator.

        :param str url: The URL.
        :rtype: bool
        """
        parts = urlsplit(url)
        if parts.hostname in ('localhost', '127.0.0.1', '::1'):
            return self.env['vipps.api.client']._is_simulated(self)
        if parts.scheme != 'https':
            return False
        host = parts.hostname or ''
        try:
            return ipaddress.ip_address(host).is_global
        except ValueError:
            return '.' in host and not host.endswith(('.local', '.internal', '.localhost'))

    def _vipps_verify_webhook(self, body, headers):
        """ Tell whether a request to the webhook comes from Vipps MobilePay.

        :param bytes body: The raw body.
        :param Mapping headers: The headers.
        :rtype: bool
        """
        self.ensure_one()
        if not self.vipps_webhook_url:
            return False
        try:
            secret = self._vipps_get_secret('vipps_webhook_secret')
        except VippsError:
            return False
        return self.env['vipps.api.client']._verify_webhook(
            secret, self.vipps_webhook_url, body, headers
        )

    def _vipps_prepare_unregistration(self):
        """ Return a function that deletes the webhooks of the providers, to be called after the
        commit: it needs no database and raises nothing.

        :rtype: function
        """
        deletions = []
        for provider in self:
            try:
                deletions.append(
                    self.env['vipps.api.client']._prepare_webhook_deletion(provider)
                )
            except VippsError:
                _logger.info(
                    "The webhook of provider %s is left at Vipps MobilePay: no keys.", provider.id
                )
        return lambda: [delete() for delete in deletions]
