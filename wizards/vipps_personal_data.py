# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsPersonalData(models.TransientModel):
    """ What is known of a customer from Vipps MobilePay. """
    _name = 'vipps.personal.data'
    _description = "Vipps MobilePay Personal Data"
