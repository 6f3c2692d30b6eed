# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib

from odoo import _, api, models
from odoo.exceptions import ValidationError

from ... import const


class IrConfigParameter(models.Model):
    _inherit = 'ir.config_parameter'

    #=== CONSTRAINT METHODS ===#

    @api.constrains('key', 'value')
    def _check_vipps_test_api_url(self):
        """ Ensure that keys can be sent to a simulator on this machine only. """
        for parameter in self:
            if parameter.key == const.TEST_API_URL_PARAMETER and not const.LOOPBACK_URL.fullmatch(
                parameter.value
            ):
                raise ValidationError(_(
                    "%(parameter)s replaces the test environment of Vipps MobilePay with a"
                    " simulator on this machine. Enter an address such as %(example)s.",
                    parameter=parameter.key, example=const.EXAMPLE_SIMULATOR_URL,
                ))

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `base` to record the address of a simulator. """
        with self._vipps_record_test_api_url([values.get('key') for values in values_list]):
            return super().create(values_list)

    def write(self, values):
        """ Override of `base` to record the address of a simulator. """
        with self._vipps_record_test_api_url([values.get('key'), *self.mapped('key')]):
            return super().write(values)

    def unlink(self):
        """ Override of `base` to record that the address of a simulator is removed. """
        with self._vipps_record_test_api_url(self.mapped('key')):
            return super().unlink()

    #=== BUSINESS METHODS ===#

    @contextlib.contextmanager
    def _vipps_record_test_api_url(self, keys):
        """ Record a change of the address in the audit trail. """
        if const.TEST_API_URL_PARAMETER not in keys:
            yield
            return
        old_url = self._vipps_read_test_api_url()
        yield
        url = self._vipps_read_test_api_url()
        if url != old_url:
            self.env['vipps.audit.event']._record(
                'configured', reference=const.TEST_API_URL_PARAMETER,
                details=f"{const.TEST_API_URL_PARAMETER}: {old_url or '-'} → {url or '-'}",
            )

    @api.model
    def _vipps_read_test_api_url(self):
        return self.sudo().search([('key', '=', const.TEST_API_URL_PARAMETER)]).value
