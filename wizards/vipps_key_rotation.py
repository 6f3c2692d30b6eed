# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsKeyRotation(models.TransientModel):
    """ Replaces keys without a moment in which none is good. """
    _name = 'vipps.key.rotation'
    _description = "Vipps MobilePay Key Rotation"
