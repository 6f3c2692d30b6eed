# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class PaymentProvider(models.Model):
    _inherit = 'payment.provider'
