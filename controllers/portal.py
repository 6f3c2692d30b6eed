# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.addons.payment.controllers.portal import PaymentPortal


class VippsPaymentPortal(PaymentPortal):
    pass
