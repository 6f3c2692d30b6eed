# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsGuardedExport(models.AbstractModel):
    """ Records with fields that are computed in sudo mode, which are exported to everybody
    otherwise. """
    _name = 'vipps.guarded.export'
    _description = "Vipps MobilePay Guarded Export"

    def export_data(self, fields_to_export):
        """ Override of `orm` to export only records that the user may read: it checks none.

        :raise AccessError: If the user may not read the records.
        """
        self.check_access_rights('read')
        self.check_access_rule('read')
        return super().export_data(fields_to_export)
