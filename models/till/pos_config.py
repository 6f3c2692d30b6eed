# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, models


class PosConfig(models.Model):
    _inherit = 'pos.config'

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `point_of_sale` to record that a till takes our payments. """
        configs = super().create(values_list)
        for config in configs:
            config._vipps_record_methods(self.env['pos.payment.method'])
        return configs

    def write(self, values):
        """ Override of `point_of_sale` to record that a till takes our payments, or no longer. """
        if 'payment_method_ids' not in values:
            return super().write(values)
        old_methods = {config: config.payment_method_ids for config in self}
        res = super().write(values)
        for config, methods in old_methods.items():
            config._vipps_record_methods(methods)
        return res

    #=== BUSINESS METHODS ===#

    def _vipps_get_sharing_tills(self):
        """ Return the tills and all that share their orders with them, whichever way round. """
        return self | self.trusted_config_ids | self.search([
            ('trusted_config_ids', 'in', self.ids),
        ])

    def _vipps_record_methods(self, old_methods):
        """ Record which of our payment methods were added and removed. """
        for methods, text in (
            (self.payment_method_ids - old_methods, _("Added to %s", self.name)),
            (old_methods - self.payment_method_ids, _("Taken from %s", self.name)),
        ):
            for method in methods._vipps_filter_audited({}):
                method._vipps_record_settings([text])
