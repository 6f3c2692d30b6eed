# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ... import const, encryption
from .payment_provider import CIPHERTEXT, SECRET


class PaymentProvider(models.Model):
    """ The webhook for customers who check in at a sticker. A sales unit has only one registration
    for that, so it is one of its own, which is made with the first sticker. """
    _inherit = 'payment.provider'

    vipps_check_in_webhook_id = fields.Char(
        string="Check-in Webhook ID", copy=False, readonly=True, groups='base.group_system'
    )
    vipps_check_in_webhook_url = fields.Char(
        string="Check-in Webhook URL",
        help="The address that Vipps MobilePay sends to when a customer scans a sticker.",
        copy=False,
        readonly=True,
        groups='base.group_system',
    )
    vipps_check_in_secret = fields.Char(string="Check-in Webhook Secret", **SECRET)
    vipps_check_in_secret_ciphertext = fields.Char(**CIPHERTEXT)

    #=== BUSINESS METHODS - REGISTRATION ===#

    def _vipps_get_unit_providers(self):
        """ Return the providers of the company that share the sales unit, in sudo mode: they share
        its stickers and the registration for check-ins, too.

        :rtype: payment.provider
        """
        provider_sudo = self.sudo()
        return provider_sudo.search([
            ('code', '=', 'vipps'), ('company_id', '=', provider_sudo.company_id.id),
            ('vipps_merchant_serial_number', '=', provider_sudo.vipps_merchant_serial_number),
        ]).filtered(lambda p: p.vipps_environment == provider_sudo.vipps_environment)

    def _vipps_get_check_in_url(self):
        return self._vipps_get_webhook_url() + const.CHECK_IN_QUERY

    def _vipps_find_stale_check_ins(self):
        """ Return the registrations that a new one has to take the place of, or None if the webhook
        for check-ins is registered.

        :rtype: list[dict] | None
        :raise UserError: If Vipps MobilePay cannot deliver there, if it refuses, or if another
                          system receives the check-ins of the sales unit.
        """
        self.ensure_one()
        api_client = self.env['vipps.api.client']
        url = self._vipps_get_check_in_url()
        webhooks = [
            webhook for webhook in api_client._call(self, 'list_webhooks')
            if api_client._has_check_ins(webhook)
        ]
        siblings_sudo = self._vipps_get_unit_providers() - self
        sibling_ids = siblings_sudo.filtered('vipps_check_in_secret').mapped(
            'vipps_check_in_webhook_id'
        )
        if any(
            webhook['id'] in sibling_ids
            or (webhook['id'], webhook['url']) == (self.vipps_check_in_webhook_id, url)
            and self._vipps_has_key('vipps_check_in_secret')
            for webhook in webhooks
        ):
            return None
        answer = self._vipps_try_webhook_url(url)
        if answer not in ('own', 'unknown'):
            raise UserError(self._vipps_describe_webhook_answer(url, answer))
        own_urls = (url, self.vipps_check_in_webhook_url)
        foreign_urls = [webhook['url'] for webhook in webhooks if webhook['url'] not in own_urls]
        if foreign_urls:
            raise UserError(_(
                "Another system is informed when a customer scans a sticker of this sales unit, and"
                " there can be only one: %s. Delete its registration in the Vipps MobilePay portal,"
                " or use another sales unit.", ", ".join(foreign_urls),
            ))
        return webhooks

    def _vipps_register_check_ins(self, stale_webhooks):
        """ Register the webhook for check-ins, unless it is registered.

        :param list[dict]|None stale_webhooks: What :meth:`_vipps_find_stale_check_ins` returned.
        :raise VippsError: If Vipps MobilePay refuses, or does not answer.
        """
        if stale_webhooks is None:
            return
        api_client = self.env['vipps.api.client']
        url = self._vipps_get_check_in_url()
        # There is only room for one.
        api_client._prepare_webhook_deletion(
            self, [webhook['id'] for webhook in stale_webhooks]
        )()
        webhook = api_client._register_check_ins(self, url)
        self._vipps_write_protected({
            'vipps_check_in_webhook_id': webhook['id'],
            'vipps_check_in_webhook_url': url,
            'vipps_check_in_secret': webhook['secret'],
        })
        self.env['vipps.audit.event']._record(
            'webhook_registered', self, step='webhook_registered', is_apart=True, details=url
        )

    def _vipps_drop_check_ins(self):
        """ Delete the registration for check-ins, so that another system can have it. """
        if self.vipps_check_in_webhook_id:
            self._vipps_delete_webhooks_after_commit([self.vipps_check_in_webhook_id])
            self._vipps_write_protected({
                'vipps_check_in_webhook_id': False,
                'vipps_check_in_webhook_url': False,
                'vipps_check_in_secret': False,
            })

    def _vipps_get_webhook_ids(self):
        """ Override to have the registration for check-ins known, and deleted with the others. """
        return super()._vipps_get_webhook_ids() + [
            webhook_id for webhook_id in self.mapped('vipps_check_in_webhook_id') if webhook_id
        ]

    @api.model
    def _vipps_get_webhook_fields(self):
        """ Override to verify check-ins, too. """
        return [
            *super()._vipps_get_webhook_fields(),
            'vipps_check_in_webhook_url',
            'vipps_check_in_secret_ciphertext',
        ]

    def _vipps_get_webhook_secrets(self):
        """ Override to take check-ins, too. """
        secrets = super()._vipps_get_webhook_secrets()
        if self.vipps_check_in_webhook_url:
            with contextlib.suppress(encryption.EncryptionKeyError):
                secret = self._vipps_decrypt('vipps_check_in_secret')
                secrets += [(secret, self.vipps_check_in_webhook_url)] if secret else []
        return secrets
