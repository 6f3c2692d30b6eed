# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS

from ...trust import check_access, get_readable


class ResPartner(models.Model):
    """ The record that a customer agreed to payment requests as push messages: for one number. """
    _inherit = 'res.partner'

    # The `number` that it is for, the `date`, and the name of the `user`.
    vipps_consent = fields.Json(readonly=True, copy=False, groups=NO_ACCESS)
    vipps_has_consent = fields.Boolean(
        string="Agrees to Push Messages",
        help="Whether the customer agreed to get payment requests on the present phone number.",
        compute='_compute_vipps_has_consent', compute_sudo=True,
        groups='account.group_account_invoice',
    )
    vipps_consent_date = fields.Datetime(
        string="Agreed On", compute='_compute_vipps_has_consent', compute_sudo=True,
        groups='account.group_account_invoice',
    )
    vipps_consent_user = fields.Char(
        string="Recorded By", compute='_compute_vipps_has_consent', compute_sudo=True,
        groups='account.group_account_invoice',
    )

    #=== COMPUTE METHODS ===#

    @api.depends('phone', 'mobile', 'country_id', 'vipps_consent')
    def _compute_vipps_has_consent(self):
        for partner in self:
            stored = get_readable(partner)
            consent = stored.vipps_consent or {}
            partner.vipps_has_consent = bool(stored._vipps_get_push_number())
            partner.vipps_consent_date = consent.get('date')
            partner.vipps_consent_user = consent.get('user')

    #=== ACTION METHODS ===#

    def action_vipps_give_consent(self):
        """ Record that the customer agrees to payment requests as push messages.

        :raise AccessError: If the user may not send payment requests.
        :raise UserError: If there is no phone number.
        """
        partner = self._vipps_check_requester()
        number = partner._vipps_get_phone_number()
        if not number:
            raise UserError(_("Enter the mobile number of the customer first."))
        partner.sudo().vipps_consent = {
            'number': number,
            'date': fields.Datetime.to_string(fields.Datetime.now()),
            'user': self.env.user.name,
        }
        partner._vipps_record_consent('consent_given')

    def action_vipps_withdraw_consent(self):
        """ Record that the customer no longer agrees to payment requests as push messages.

        :raise AccessError: If the user may not send payment requests.
        """
        partner = self._vipps_check_requester()
        partner.sudo().vipps_consent = False
        partner._vipps_record_consent('consent_withdrawn')

    #=== BUSINESS METHODS ===#

    def _vipps_check_requester(self):
        self.env['vipps.payment.request.send'].check_access_rights('create')
        partner = check_access(self, 'read')
        partner.ensure_one()
        return partner

    def _vipps_record_consent(self, action):
        self.env['vipps.audit.event'].sudo()._record(
            action, partner_id=self.id, reference=False, company_id=self.env.company.id,
        )

    def _vipps_get_phone_number(self):
        """ Return the number of the phone that the app is on, with country code, or None. """
        normalize = self.env['vipps.api.client']._normalize_phone
        country = self.country_id or self.env.company.country_id
        return normalize(self.mobile, country) or normalize(self.phone, country)

    def _vipps_get_push_number(self):
        """ Return the number that payment requests may be sent to, or None: an agreement is for the
        number that it was given for. """
        consent = self.sudo().vipps_consent or {}
        number = self.sudo()._vipps_get_phone_number()
        return number if number and number == consent.get('number') else None
