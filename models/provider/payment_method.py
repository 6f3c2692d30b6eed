# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class PaymentMethod(models.Model):
    _inherit = 'payment.method'

    @api.model
    def _get_compatible_payment_methods(
        self, provider_ids, partner_id, currency_id=None, force_tokenization=False,
        is_express_checkout=False, **kwargs
    ):
        """ Override of `payment` to offer Vipps MobilePay to customers of all countries.

        Users of all markets can pay in all currencies, which core's countries do not say. The
        offers of other providers, with the same methods too, are left to core.
        """
        providers = self.env['payment.provider'].browse(provider_ids)
        vipps_providers = providers.filtered(lambda p: p.code == 'vipps')
        methods = super()._get_compatible_payment_methods(
            (providers - vipps_providers).ids, partner_id, currency_id=currency_id,
            force_tokenization=force_tokenization, is_express_checkout=is_express_checkout,
            **kwargs
        )
        if force_tokenization or is_express_checkout:
            return methods
        currency = self.env['res.currency'].browse(currency_id)
        for provider in vipps_providers:
            methods |= provider._vipps_get_payment_method(currency)
        return methods.sorted()

    def _vipps_get_provider(self, providers, partner_id, currency_id):
        """ Return the provider that the payment form offers a method with.

        Core takes the first one that has the method. Vipps MobilePay may share a method with a
        provider that does not offer it to this customer, or the other way round.

        Note: `self.ensure_one()`
        """
        self.ensure_one()
        candidates = self.provider_ids.filtered(lambda p: p in providers)
        if len(candidates) > 1 and 'vipps' in candidates.mapped('code'):
            candidates = candidates.filtered(
                lambda p: self in self._get_compatible_payment_methods(
                    p.ids, partner_id, currency_id=currency_id
                )
            ) or candidates
        return candidates[:1]
