# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class PosConfig(models.Model):
    _inherit = 'pos.config'

    def _vipps_get_sharing_tills(self):
        """ Return the tills and all that share their orders with them, whichever way round. """
        return self | self.trusted_config_ids | self.search([
            ('trusted_config_ids', 'in', self.ids),
        ])
