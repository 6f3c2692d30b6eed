# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

# What customers can be asked to share, and the fields that choose it.
# ePayment OpenAPI 1.8.1, schema `ProfileRequest`
SCOPE_FIELDS = {
    'name': 'vipps_scope_name',
    'email': 'vipps_scope_email',
    'phoneNumber': 'vipps_scope_phone',
    'address': 'vipps_scope_address',
}


class PaymentProvider(models.Model):
    """ The data that customers are asked to share, and the notice about it on the payment form. """
    _inherit = 'payment.provider'

    vipps_collect_user_info = fields.Boolean(
        string="Collect User Information",
        help="Ask customers of the shop to share data from their app with you when they pay."
             " Customers who decline in the app cannot pay with Vipps MobilePay, so ask only for"
             " what the order needs.",
    )
    vipps_scope_name = fields.Boolean(string="Ask for Name")
    vipps_scope_email = fields.Boolean(string="Ask for E-mail Address")
    vipps_scope_phone = fields.Boolean(string="Ask for Phone Number")
    vipps_scope_address = fields.Boolean(string="Ask for Address")

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_collect_user_info', *SCOPE_FIELDS.values())
    def _check_vipps_scopes(self):
        """ Ensure that there is something to ask for.

        :raise ValidationError: If there is nothing.
        """
        for provider in self:
            if provider.vipps_collect_user_info and not provider._vipps_get_scopes():
                raise ValidationError(_(
                    "Choose what customers are asked to share, or switch off that they are asked."
                ))

    #=== BUSINESS METHODS ===#

    def _vipps_get_scopes(self):
        """ Return what customers are asked to share, as the API calls it.

        :rtype: list[str]
        """
        self.ensure_one()
        if not self.vipps_collect_user_info:
            return []
        return [scope for scope, name in SCOPE_FIELDS.items() if self[name]]

    def _vipps_get_user_info_notice(self, method):
        """ Return the sentences on the payment form about the data that customers are asked for.

        :param payment.method method: The payment method that carries the brand.
        :return: The sentences; empty if nothing is asked for.
        :rtype: str
        """
        scopes = self._vipps_get_scopes() if self.code == 'vipps' else []
        if not scopes:
            return ''
        names = {
            'name': _("name"),
            'email': _("e-mail address"),
            'phoneNumber': _("phone number"),
            'address': _("address"),
        }
        return _(
            "%(method)s will ask you in the app to share this with %(company)s, to handle your"
            " order: %(data)s.",
            method=method.name, company=self.company_id.name,
            data=", ".join(names[scope] for scope in scopes),
        ) + " " + _(
            "If you do not want that, choose another payment method: if you decline in the app,"
            " you do not pay.",
        )
