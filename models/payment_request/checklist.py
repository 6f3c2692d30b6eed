# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, _lt, models

from ... import const
from ..provider.checklist import Item

DOCUMENTS = _lt("Invoices and Links")

CODES = (
    Item(DOCUMENTS, 'code_address', '',
         _lt("Printed codes lead to the payment page"),
         _lt("The address of the website is https. Keep it: codes on paper cannot be changed."),
         find='_vipps_find_wrong_code_address'),
    Item(DOCUMENTS, 'code_paid', f"starts_with(t.landing_route, '{const.PAY_ROUTE}/')"
         " AND t.vipps_authorized_amount > 0",
         _lt("A customer pays on the page of a printed code"),
         _lt("Print an invoice, scan its code, and pay it.")),
)
REQUESTS = (
    Item(DOCUMENTS, 'request_pushed',
         "t.vipps_request_id IS NOT NULL AND t.vipps_payment_state IS NOT NULL",
         _lt("A payment request is sent as a push message"),
         _lt("Have Vipps MobilePay approve payments that are open for long, and push messages, for"
             " the sales unit; then press Send Payment Request on an invoice of a customer who has"
             " agreed."),
         url=const.REQUEST_GUIDE_URL),
)


class PaymentProvider(models.Model):
    """ What codes on documents and payment requests need before they go live. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS ===#

    def _vipps_get_checklist(self):
        """ Override to add the codes on documents, and payment requests. """
        checklist = super()._vipps_get_checklist()
        if self.vipps_code_on_invoices or self.vipps_code_on_quotations:
            checklist += CODES
        return checklist + REQUESTS if self.vipps_push_requests else checklist

    def _vipps_find_wrong_code_address(self):
        """ Return a sentence that says why printed codes are of no use, or None. """
        url = self.company_id.get_base_url()
        if not url.startswith('https://'):
            return _(
                "Codes lead to %s, which is not an https address. Set the domain of the website, or"
                " the system parameter web.base.url, before you print any.", url,
            )
        if not self.is_published:
            return _("No code is printed before the payment provider is published.")
        return None
