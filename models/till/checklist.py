# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, _lt, models

from ... import const
from ..provider.checklist import Item

STICKERS = _lt("Stickers")

CHECKLIST = (
    Item(STICKERS, 'sticker_webhook', '',
         _lt("Odoo is informed of customers who scan a sticker"),
         _lt("The webhook for check-ins is registered."),
         find='_vipps_find_missing_check_ins'),
    Item(STICKERS, 'sticker_method', '',
         _lt("Tills with a sticker have a payment method for it"),
         _lt("It allows stickers, with this payment provider."),
         find='_vipps_find_missing_sticker_method'),
    Item(STICKERS, 'sticker_paid',
         "t.vipps_pos_flow = 'sticker' AND t.vipps_authorized_amount > 0",
         _lt("A customer who has scanned a sticker pays"),
         _lt("Ask for a payment at the till with Sticker, and scan the printed one."),
         url=const.STICKER_GUIDE_URL),
)


class PaymentProvider(models.Model):
    """ What stickers need before they go live. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS ===#

    def _vipps_get_checklist(self):
        """ Override to add stickers. """
        checklist = super()._vipps_get_checklist()
        return checklist + CHECKLIST if self._vipps_get_sticker_configs() else checklist

    def _vipps_get_sticker_configs(self):
        """ Return the tills whose sticker is one of the provider. """
        return self.env['pos.config'].search([('vipps_sticker_provider_id', '=', self.id)])

    def _vipps_find_missing_check_ins(self):
        """ Return a sentence if nobody tells Odoo of check-ins, or None. """
        till = self._vipps_get_sticker_configs()[0].name
        providers = self._vipps_get_unit_providers().filtered(
            lambda p: p.vipps_check_in_webhook_id and p._vipps_has_key('vipps_check_in_secret')
        )
        if not providers:
            return _(
                "The webhook for check-ins is not registered, so that tills do not see who scans."
                " Open the Point of Sale %s, and press Make Again beside its sticker.", till,
            )
        if any(p.vipps_check_in_webhook_url == p._vipps_get_check_in_url() for p in providers):
            return None
        return _(
            "Scans are reported to %(webhook_url)s, but web.base.url now leads to %(url)s. If Odoo"
            " has moved, open the Point of Sale %(till)s, and press Make Again beside its sticker."
            " If not, set web.base.url back.",
            webhook_url=providers[0].vipps_check_in_webhook_url,
            url=providers[0]._vipps_get_check_in_url(), till=till,
        )

    def _vipps_find_missing_sticker_method(self):
        """ Return a sentence about the tills that do not ask for their sticker, or None. """
        configs = self._vipps_get_sticker_configs().filtered(
            lambda config: not config.vipps_sticker_method_ids
        )
        return _(
            "These tills have a sticker, and no payment method that allows it: %s. Add one, or"
            " remove the sticker.", ", ".join(configs.mapped('name')),
        ) if configs else None
