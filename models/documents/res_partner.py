# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

ADDRESS_FIELDS = ('street', 'street2', 'zip', 'city')


class ResPartner(models.Model):
    _inherit = 'res.partner'

    #=== ACTION METHODS ===#

    def action_vipps_personal_data(self):
        """ Show the data of the contact from Vipps MobilePay; that is recorded.

        :return: The action that opens the dialog.
        :rtype: dict
        :raise AccessError: If the user is not a payment manager.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        return self.env['vipps.personal.data'].create({'partner_id': self.id})._prepare_action()

    #=== BUSINESS METHODS ===#

    def _vipps_get_missing_values(self, details):
        """ Return the values that a customer shared, see :mod:`protocol.user_info`, and the contact
        does not have: nothing on it is changed, and an address is not made of two. """
        names = []
        if not self.name:
            names.append('name')
        if not self.email and details.get('email_verified'):
            names.append('email')
        if not self.phone and not self.mobile:
            names.append('phone')
        values = {name: details.get(name) for name in names}
        country = self.env['res.country'].search([('code', '=', details.get('country'))], limit=1)
        # The address of a person in a company is the one of the company.
        if country and self.country_id in (country, self.country_id.browse()) and not (
            self.parent_id or any(self[name] for name in ADDRESS_FIELDS)
        ):
            address = {name: details[name] for name in ADDRESS_FIELDS if details.get(name)}
            if address:
                values.update(address, country_id=country.id)
        return {name: value for name, value in values.items() if value}


class MergePartnerAutomatic(models.TransientModel):
    _inherit = 'base.partner.merge.automatic.wizard'

    def _update_foreign_keys(self, src_partners, dst_partner):
        """ Override of `base` to have the audit trail know a contact by the one it is merged into.
        """
        with self.env['vipps.audit.event']._vipps_permit_removal():
            return super()._update_foreign_keys(src_partners, dst_partner)
