# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.exceptions import UserError


class IrModuleModule(models.Model):
    _inherit = 'ir.module.module'

    def button_uninstall(self):
        """ Override of `base` to refuse at once an uninstallation that `account_payment` refuses
        half-way: then the providers would be left marked as to be removed, and their forms without
        settings.

        :raise UserError: If there are payments in the books.
        """
        action = super().button_uninstall()
        if (
            self.env.ref('base.module_mobilepay_vipps').state == 'to remove'
            and self.env['payment.provider']._vipps_is_in_books()
        ):
            raise UserError(_(
                "Vipps MobilePay cannot be uninstalled, because there are payments in your books"
                " that were made with it. Disable the payment provider instead."
            ))
        return action

    def _load_module_terms(self, modules, langs, overwrite=False):
        """ Override of `base` to give the messages of duplicated providers the translations of the
        original: core translates records of modules only. """
        super()._load_module_terms(modules, langs, overwrite=overwrite)
        if 'mobilepay_vipps' in modules:
            self.env['payment.provider']._vipps_translate_duplicates()
