# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...models.api.client import VippsError

STATES = {'test': 'test', 'production': 'enabled'}
KEY_FIELDS = (
    'vipps_merchant_serial_number', 'vipps_client_id', 'vipps_client_secret',
    'vipps_subscription_key',
)


class VippsSetupGuide(models.TransientModel):
    """ The screen that keys are entered on: they are tried before they are stored. """
    _name = 'vipps.setup.guide'
    _inherit = ['vipps.setup.guide', 'vipps.entered.keys', 'vipps.guarded.export']

    # The entered keys wait here until they were tried, and are then stored on the provider.
    vipps_merchant_serial_number = fields.Char(
        string="Merchant Serial Number", compute='_compute_vipps_merchant_serial_number',
        readonly=False,
    )
    entered_merchant_serial_number = fields.Char(readonly=True)

    #=== COMPUTE METHODS ===#

    @api.depends('entered_merchant_serial_number', 'provider_id.vipps_merchant_serial_number')
    def _compute_vipps_merchant_serial_number(self):
        for guide in self:
            guide.vipps_merchant_serial_number = (
                guide.entered_merchant_serial_number
                or guide.provider_id.vipps_merchant_serial_number
            )

    @api.depends(*(f'provider_id.{name}' for name in KEY_FIELDS))
    def _compute_vipps_secrets(self):
        """ Override to show the keys that the provider has, too. """
        return super()._compute_vipps_secrets()

    #=== CRUD METHODS ===#

    def write(self, values):
        """ Override to keep the keys that were entered until they are tried.

        :raise UserError: If customers pay with others.
        """
        values = dict(values)
        for provider in self.provider_id:
            if provider.state == 'enabled' and any(
                values[name] != provider[name] for name in KEY_FIELDS if name in values
            ):
                raise UserError(_(
                    "Customers pay with the keys that are there. Choose Replace Keys on the payment"
                    " provider, which tries new ones first, or disable the provider."
                ))
        if 'vipps_merchant_serial_number' in values:
            values['entered_merchant_serial_number'] = self._vipps_clean_key(
                values.pop('vipps_merchant_serial_number')
            )
        return super().write(values)

    #=== BUSINESS METHODS ===#

    def _vipps_has_key(self, name):
        """ Override of `vipps.secrets` for the keys that the provider has. """
        return super()._vipps_has_key(name) or bool(self.provider_id[name])

    def _finish_keys(self):
        """ Find the environment of the keys, and switch the provider to it.

        :raise UserError: If one of them is wrong; it says which.
        """
        provider = self.provider_id
        if not all(self[name] for name in KEY_FIELDS):
            raise UserError(_(
                "Enter all four: they are on the same page of the portal, under For developers, API"
                " keys."
            ))
        keys = self._take_entered_keys()
        if keys:
            provider._vipps_write_protected(keys)
        if provider.state == 'disabled':
            provider.is_published = False  # It is in use from now on; a person publishes it.
        environment, errors = provider._vipps_find_environment(('test', 'production'))
        if not environment:
            # An environment that did not answer may be the right one.
            errors.sort(key=lambda error: (error.is_unauthorized or error.status == 400,
                                           error.is_subscription_key))
            raise UserError(provider._vipps_explain_refusal(errors[0], 'search')) from errors[0]
        provider.state = STATES[environment]
        try:
            self.env['vipps.api.client']._call(provider, 'list_webhooks')
        except VippsError as error:
            raise UserError(
                provider._vipps_explain_refusal(error, 'list_webhooks')
            ) from error

    def _take_entered_keys(self):
        """ Return the values that were entered and not stored on the provider yet; clear them. """
        values = self._vipps_get_entered_keys()
        msn = self.entered_merchant_serial_number
        self._vipps_write_protected(
            {**dict.fromkeys(values, False), 'entered_merchant_serial_number': False}
        )
        return {**values, 'vipps_merchant_serial_number': msn} if msn else values
