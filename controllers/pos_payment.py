# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http
from odoo.http import request

from odoo.addons.pos_online_payment.controllers.payment_portal import PaymentPortal

from ..source import Fact


class VippsPosPaymentPortal(PaymentPortal):

    @http.route()
    def pos_order_pay_confirmation(self, *args, **kwargs):
        """ Override of `pos_online_payment` to show the payment, and to leave books and invoices to
        the job: they can take long. """
        request.update_context(vipps_is_page=Fact(True))
        return super().pos_order_pay_confirmation(*args, **kwargs)
