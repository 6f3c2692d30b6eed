# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ... import const, encryption
from ..api.client import VippsError
from ..mixins.secret_fields import SECRET_MASK  # noqa: F401: these fields return it

_logger = logging.getLogger(__name__)

# The secrets that come from Vipps MobilePay.
WEBHOOK_SECRETS = ('vipps_webhook_secret', 'vipps_check_in_secret')
SECRET_FIELDS = {
    'vipps_client_id', 'vipps_client_secret', 'vipps_subscription_key',
    'vipps_secondary_subscription_key', *WEBHOOK_SECRETS,
}
SECRET = {
    'compute': '_compute_vipps_secrets', 'readonly': False, 'groups': 'base.group_system',
}
CIPHERTEXT = {'copy': False, 'groups': 'base.group_system'}

# The environment that payments are made in, by the state of an active provider.
ENVIRONMENTS = {'enabled': 'production', 'test': 'test'}


class PaymentProvider(models.Model):
    _name = 'payment.provider'
    _inherit = ['payment.provider', 'mail.thread', 'mail.activity.mixin', 'vipps.secrets',
                'vipps.guarded.export', 'vipps.audited']
    _vipps_protected_fields = ('vipps_monitoring_token_hash', 'vipps_webhook_previous_secrets')
    _vipps_plain_fields = (
        'name', 'vipps_merchant_serial_number', 'vipps_webhook_id', 'vipps_webhook_url',
        'vipps_check_in_webhook_id', 'vipps_check_in_webhook_url',
    )
    # Fields that are no settings.
    _vipps_silent_fields = (
        'vipps_foreign_webhooks', 'vipps_guide_step', 'vipps_guide_transaction_id',
        'vipps_last_removed_event',
    )

    code = fields.Selection(
        selection_add=[('vipps', "Vipps MobilePay")], ondelete={'vipps': 'set default'}
    )
    vipps_merchant_serial_number = fields.Char(
        string="Merchant Serial Number",
        help="The number of the sales unit (MSN).",
        required_if_provider='vipps',
        groups='base.group_system',
        tracking=True,
    )
    vipps_client_id = fields.Char(string="Client ID", required_if_provider='vipps', **SECRET)
    vipps_client_id_ciphertext = fields.Char(**CIPHERTEXT)
    vipps_client_secret = fields.Char(
        string="Client Secret", required_if_provider='vipps', **SECRET
    )
    vipps_client_secret_ciphertext = fields.Char(**CIPHERTEXT)
    vipps_subscription_key = fields.Char(
        string="Subscription Key",
        help="The primary or the secondary Ocp-Apim-Subscription-Key of the sales unit.",
        required_if_provider='vipps',
        **SECRET,
    )
    vipps_subscription_key_ciphertext = fields.Char(**CIPHERTEXT)
    vipps_secondary_subscription_key = fields.Char(
        string="Secondary Subscription Key",
        help="The other Ocp-Apim-Subscription-Key of the sales unit. With both of them, payments go"
             " on while one is replaced in the Vipps MobilePay portal.",
        **SECRET,
    )
    vipps_secondary_subscription_key_ciphertext = fields.Char(**CIPHERTEXT)
    vipps_webhook_secret = fields.Char(string="Webhook Secret", **SECRET)
    vipps_webhook_secret_ciphertext = fields.Char(**CIPHERTEXT)
    vipps_environment = fields.Selection(
        string="Environment",
        help="Where payments are made: production while the provider is enabled, test while it is"
             " in test mode. A disabled provider keeps the last one.",
        selection=[('test', "Test"), ('production', "Production")],
        compute='_compute_vipps_environment',
        store=True,
        tracking=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('code', 'state')
    def _compute_vipps_environment(self):
        for provider in self:
            provider.vipps_environment = provider.code == 'vipps' and (
                ENVIRONMENTS.get(provider.state) or provider.vipps_environment or 'test'
            )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_merchant_serial_number')
    def _check_vipps_merchant_serial_number(self):
        """ Ensure that the number can be one of a sales unit, before it is sent anywhere. """
        for provider in self:
            if not re.fullmatch(r'[0-9]{4,10}', provider.vipps_merchant_serial_number or '0000'):
                raise ValidationError(_(
                    "The merchant serial number has 4 to 10 digits. Copy it from the Vipps"
                    " MobilePay portal again."
                ))

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to clean the number of the sales unit. """
        return super().create([self._vipps_clean_msn(values) for values in values_list])

    def write(self, values):
        """ Override of `payment` to clean the number of the sales unit, and to refuse a change of
        it or of the environment that would leave payments behind. """
        values = self._vipps_clean_msn(values)
        self._vipps_check_open_payments(values)
        return super().write(values)

    def copy(self, default=None):
        """ Override of `payment` to say that the copy has no keys: they are bound to their
        provider. """
        provider = super().copy(default)
        if provider.code == 'vipps':
            provider._message_log(body=_(
                "This provider is a copy of %s and has no keys. Enter those of its own sales unit.",
                self.name,
            ))
        return provider

    @api.model
    def _vipps_clean_msn(self, values):
        msn = values.get('vipps_merchant_serial_number')
        return {**values, 'vipps_merchant_serial_number': self._vipps_clean_key(msn)} if msn \
            else values

    def _vipps_check_replacement(self, secrets):
        """ Override of `vipps.secrets` to have working keys replaced with tested keys only. Keys
        that cannot be read can be entered again. """
        if self.env.su or self._vipps_is_permitted():
            return
        if any(secrets.get(name) for name in WEBHOOK_SECRETS):
            raise UserError(_(
                "The secret of the webhook comes from Vipps MobilePay. Press Set up Webhooks on the"
                " payment provider to get a new one."
            ))
        for provider in self:
            names = [
                name for name, secret in secrets.items()
                if secret and name in (provider.vipps_set_keys or '').split()
            ]
            if names:
                raise UserError(_(
                    "These keys of %(provider)s are set already: %(keys)s. Press Replace Keys on"
                    " the payment provider: it tries new keys at Vipps MobilePay before it stores"
                    " them.",
                    provider=provider.name,
                    keys=self._vipps_list_labels(names),
                ))

    def _vipps_filter_audited(self, values):
        """ Override of `vipps.audited` to leave other providers alone. """
        return self.filtered(lambda provider: 'vipps' in (provider.code, values.get('code')))

    def _vipps_get_audited_provider(self):
        """ Override of `vipps.audited`. """
        return self

    def _vipps_check_open_payments(self, values):
        """ Ensure that no payment is open or reserved that new values would put out of reach.

        :raise UserError: If there are such payments; it names them.
        """
        for provider in self.filtered(lambda p: p.code == 'vipps'):
            environment = ENVIRONMENTS.get(values.get('state'), provider.vipps_environment)
            msn = values.get('vipps_merchant_serial_number', provider.vipps_merchant_serial_number)
            if (environment, msn) == (
                provider.vipps_environment, provider.vipps_merchant_serial_number
            ):
                continue
            open_txs = self.env['payment.transaction'].sudo().search([
                ('provider_id', '=', provider.id),
                ('vipps_payment_reference', '!=', False),
                # Others, as in a neutralized copy, are out of reach already.
                ('vipps_environment', '=', provider.vipps_environment),
                '|',
                ('vipps_payment_state', 'in', ('CREATED', 'AUTHORIZED')),
                '&',
                ('vipps_payment_state', '=', False),
                ('state', 'in', ('draft', 'pending')),
            ])
            if open_txs:
                raise UserError(_(
                    "These payments of %(provider)s are open or reserved. Capture or void them, or"
                    " wait until they have expired, before you change the environment or the sales"
                    " unit. (You can disable the provider at any time.)\n%(references)s",
                    provider=provider.name,
                    references=", ".join(open_txs.mapped('reference')),
                ))

    #=== BUSINESS METHODS ===#

    def _get_supported_currencies(self):
        """ Override of `payment` to return the supported currencies. """
        currencies = super()._get_supported_currencies()
        if self.code != 'vipps':
            return currencies
        return currencies.filtered(lambda c: c.name in const.CURRENCY_PAYMENT_METHODS)

    def _get_default_payment_method_codes(self):
        """ Override of `payment` to return the default payment method codes. """
        if self.code != 'vipps':
            return super()._get_default_payment_method_codes()
        return const.DEFAULT_PAYMENT_METHOD_CODES

    @api.model
    def _get_compatible_providers(
        self, company_id, partner_id, amount, currency_id=None, is_validation=False, **kwargs
    ):
        """ Override of `payment` to offer branches the provider of their nearest parent, and to
        leave Vipps MobilePay out of amounts that it does not take.

        Which providers of others a branch is offered is left to core.
        """
        providers = super()._get_compatible_providers(
            company_id, partner_id, amount, currency_id=currency_id, is_validation=is_validation,
            **kwargs
        )
        company_sudo = self.env['res.company'].sudo().browse(company_id)
        for parent in reversed(company_sudo.parent_ids - company_sudo):
            if 'vipps' in providers.mapped('code'):
                break
            providers |= super()._get_compatible_providers(
                parent.id, partner_id, amount, currency_id=currency_id,
                is_validation=is_validation, **kwargs
            ).filtered(lambda p: p.code == 'vipps')
        currency = self.env['res.currency'].browse(currency_id).exists()
        if is_validation or not currency:
            return providers
        return providers.filtered(
            lambda p: p.code != 'vipps'
            or self.env['vipps.api.client']._is_payable(amount, currency)
        )

    def _vipps_get_payment_method(self, currency):
        """ Return the payment method that carries the brand for payments in a currency. """
        methods = self.payment_method_ids.filtered(
            lambda m: m.code in const.DEFAULT_PAYMENT_METHOD_CODES
        )
        default_code = const.CURRENCY_PAYMENT_METHODS.get(currency.name)
        return methods.filtered(lambda m: m.code == default_code) or methods[:1]

    def _vipps_get_secret(self, name):
        """ Return a secret in clear text. Private: nobody can call it from outside.

        :raise VippsError: If it is missing or cannot be decrypted.
        """
        self.ensure_one()
        key = self.sudo()._vipps_get_environment_key(name)
        if key:
            return key
        try:
            secret = self._vipps_decrypt(name)
        except encryption.EncryptionKeyError as error:
            _logger.error("Cannot decrypt the keys of payment provider %s: %s", self.id, error)
            raise VippsError(_(
                "The Vipps MobilePay keys of %s cannot be read: the encryption key of this server"
                " was lost or changed, or this database is a copy of another one. An administrator"
                " can restore the encryption key, or enter the keys again on the payment provider.",
                self.name,
            )) from error
        if not secret:
            raise VippsError(_(
                "The Vipps MobilePay keys of %s are missing. An administrator can enter them on the"
                " payment provider.", self.name,
            ))
        return secret

    @api.model
    def _vipps_is_in_books(self):
        """ Hook: return whether there are payments in the books that were made with a provider. """
        return self._check_existing_payment(self._get_provider_payment_method('vipps'))

    def _vipps_get_environment_name(self, environment):
        return dict(self._fields['vipps_environment']._description_selection(self.env))[environment]

    def _vipps_check_administrator(self):
        """ Ensure that the user may configure providers; the methods that call it are reachable
        from outside, with an empty recordset too. """
        self.check_access_rights('write')
        self.check_access_rule('write')

    def _vipps_notify(self, message, **params):
        """ Return the action that shows a message, closes the dialog, and reloads the form.

        :param params: Other parameters of `display_notification`: `type`, `sticky`, `next`.
        """
        return {
            'type': 'ir.actions.client',
            'tag': 'display_notification',
            'params': {
                'title': _("Vipps MobilePay"),
                'message': message,
                'type': 'success',
                'next': {'type': 'ir.actions.act_window_close'},
                **params,
            },
        }

    def _vipps_get_administrator(self):
        """ Return the user that problems are reported to: an administrator of the company. """
        administrators = self.env.ref('base.group_system').users.filtered(
            lambda user: user.active and self.company_id in user.company_ids
        )
        default = self.env.ref('base.user_admin', raise_if_not_found=False)
        return default if default in administrators else (
            administrators[:1] or self.env.ref('base.user_root')
        )
