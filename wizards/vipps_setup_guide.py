# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsSetupGuide(models.TransientModel):
    """ The way from an installed addon to a first paid order. """
    _name = 'vipps.setup.guide'
    _description = "Vipps MobilePay Set-up Guide"
