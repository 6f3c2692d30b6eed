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
    """ What customers are asked to share about themselves, and what is said about it. """
    _inherit = 'payment.provider'

    vipps_collect_user_info = fields.Boolean(
        string="Collect User Information",
        help="Ask customers of the shop to share data from their app with you when they pay. Who"
             " refuses cannot pay with Vipps MobilePay, so ask only for what the order needs.",
    )
    vipps_scope_name = fields.Boolean(string="Ask for Name")
    vipps_scope_email = fields.Boolean(string="Ask for E-mail Address")
    vipps_scope_phone = fields.Boolean(string="Ask for Phone Number")
    vipps_scope_address = fields.Boolean(string="Ask for Address")
    vipps_user_info_target = fields.Selection(
        string="Use It for",
        help="The order: it is kept with the payment, for payment managers.\n"
             "The contact: in addition, it fills what is empty on the contact of the order. What is"
             " filled in already is never changed; if it differs, a note on the order says so.",
        selection=[('order', "The order"), ('partner', "The order and its contact")],
        default='order',
        required=True,
    )
    vipps_privacy_text = fields.Text(
        string="Text for Your Privacy Page",
        help="Made from these settings, in your language.",
        compute='_compute_vipps_privacy_text',
    )

    #=== COMPUTE METHODS ===#

    @api.depends(
        'code', 'company_id', 'vipps_collect_user_info', 'vipps_user_info_target',
        'vipps_user_info_days', 'vipps_event_days', 'vipps_audit_days', *SCOPE_FIELDS.values(),
    )
    @api.depends_context('lang')
    def _compute_vipps_privacy_text(self):
        for provider in self:
            is_vipps = provider.code == 'vipps'
            provider.vipps_privacy_text = is_vipps and provider._vipps_write_privacy_text()

    def _vipps_write_privacy_text(self):
        """ Return what a merchant can tell customers about their data, made from the settings. """
        values = {
            'company': self.company_id.name,
            'data': self._vipps_list_scopes(self._vipps_get_scopes()),
            'days': self.vipps_user_info_days,
            'event_days': self.vipps_event_days,
            'audit_days': self.vipps_audit_days,
        }
        paragraphs = [_(
            "You can pay %(company)s with Vipps or MobilePay. To make the payment, we send Vipps"
            " MobilePay the amount, what you buy, the number of your order, and the phone number"
            " that you gave us, so that you need not type it again. Vipps MobilePay is responsible"
            " for what it does with your data as your payment service, and tells you about it in"
            " its own privacy statement.",
            **values,
        )]
        if values['data']:
            paragraphs.append(_(
                "When you pay, we ask you in the app to share this with us: %(data)s. You see that"
                " before you choose how to pay. If you refuse, this payment is not made, and you"
                " can pay in another way.",
                **values,
            ))
            paragraphs.append({
                'order': _("We use it to handle your order, and for nothing else."),
                'partner': _(
                    "We use it to handle your order, and to fill in what is missing of your contact"
                    " details with us. We do not replace what you told us yourself."
                ),
            }[self.vipps_user_info_target])
            paragraphs.append(_(
                "What you share with a payment is deleted after %(days)s days. What we added to"
                " your contact details stays as long as these.",
                **values,
            ) if self.vipps_user_info_target == 'partner' else _(
                "What you share is deleted after %(days)s days.", **values,
            ))
        paragraphs.append(_(
            "Messages of Vipps MobilePay about payments are kept for %(event_days)s days, and"
            " records of who did what with them for %(audit_days)s days. The payments themselves"
            " are part of our accounts and are kept as long as the law demands.",
            **values,
        ))
        paragraphs.append(_(
            "You can ask us what we know about you, for a copy of it, and to delete what we need"
            " not keep by law. Write to %(company)s.",
            **values,
        ))
        return "\n\n".join(paragraphs)

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_collect_user_info', *SCOPE_FIELDS.values())
    def _check_vipps_scopes(self):
        """ Ensure that there is something to ask for.

        :raise ValidationError: If there is not.
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

    @api.model
    def _vipps_list_scopes(self, scopes):
        """ Return what customers are asked to share as they read it, in lower case.

        :param list[str] scopes: What the API calls it.
        :rtype: str
        """
        names = {
            'name': _("name"),
            'email': _("e-mail address"),
            'phoneNumber': _("phone number"),
            'address': _("address"),
        }
        return ", ".join(names[scope] for scope in scopes)

    def _vipps_get_user_info_notice(self, method):
        """ Return what customers read on the payment form about what they will be asked to share.

        :param payment.method method: The payment method that carries the brand.
        :return: The sentences; empty if nothing is asked for.
        :rtype: str
        """
        scopes = self._vipps_get_scopes() if self.code == 'vipps' else []
        if not scopes:
            return ''
        values = {
            'method': method.name,
            'company': self.company_id.name,
            'data': self._vipps_list_scopes(scopes),
        }
        notice = _(
            "%(method)s will ask you in the app to share this with %(company)s, to handle your"
            " order: %(data)s.", **values
        ) if self.vipps_user_info_target == 'order' else _(
            "%(method)s will ask you in the app to share this with %(company)s, to handle your"
            " order and to complete your contact details: %(data)s.", **values
        )
        return notice + " " + _(
            "If you do not want that, choose another payment method: who refuses in the app does"
            " not pay.",
        )
