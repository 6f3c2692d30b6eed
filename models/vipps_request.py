# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class VippsRequest(models.Model):
    """ Requests that are counted to limit them. Rows are only inserted and deleted. """
    _name = 'vipps.request'
    _description = "Vipps MobilePay Request"
