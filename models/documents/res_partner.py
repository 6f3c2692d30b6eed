# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.tools import email_normalize

ADDRESS_FIELDS = ('street', 'street2', 'zip', 'city', 'country_id')


class ResPartner(models.Model):
    _inherit = 'res.partner'

    #=== ACTION METHODS ===#

    def action_vipps_personal_data(self):
        """ Show what is known of the contact from Vipps MobilePay; that is recorded.

        :return: The action that opens the window.
        :rtype: dict
        :raise AccessError: If the user is not a payment manager.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        return self.env['vipps.personal.data'].create({'partner_id': self.id})._prepare_action()

    #=== BUSINESS METHODS ===#

    def _vipps_compare_details(self, details):
        """ Return what a customer shared that is empty on the contact, and what differs from it.

        :param dict details: What the customer shared, see :mod:`protocol.user_info`.
        :return: The values to write, and what differs, by its names for people.
        :rtype: tuple[dict, list[str]]
        """
        filled_values, differing_names = {}, []
        for name, compare in (
            (_("name"), self._vipps_compare_name),
            (_("e-mail address"), self._vipps_compare_email),
            (_("phone number"), self._vipps_compare_phone),
            (_("address"), self._vipps_compare_address),
        ):
            values = compare(details)
            if values is None:
                differing_names.append(name)
            else:
                filled_values.update(values)
        return filled_values, differing_names

    # Each returns the values to write, none if it is the same already, or None if it differs.

    def _vipps_compare_name(self, details):
        name = details.get('name')
        if not name or (self.name or '').casefold() == name.casefold():
            return {}
        return None if self.name else {'name': name}

    def _vipps_compare_email(self, details):
        email = details.get('email')
        if not email or email_normalize(self.email or '') == email_normalize(email):
            return {}
        # Anybody can claim to have an address that is not verified.
        return None if self.email or not details.get('email_verified') else {'email': email}

    def _vipps_compare_phone(self, details):
        phone = details.get('phone')
        normalize = self.env['vipps.api.client']._normalize_phone
        country = self.country_id or self.env.company.country_id
        numbers = [number for number in (self.phone, self.mobile) if number]
        if not phone or normalize(phone, country) in [
            normalize(number, country) for number in numbers
        ]:
            return {}
        return None if numbers else {'phone': phone}

    def _vipps_compare_address(self, details):
        country = self.env['res.country'].search([('code', '=', details.get('country'))], limit=1)
        texts = {name: details.get(name) or False for name in ADDRESS_FIELDS[:-1]}
        if not any(texts.values()):
            return {}
        own_texts = {name: self[name] for name in texts}
        # Who adds the number of the flat, or leaves it out, means the same house.
        if country == self.country_id and all(
            (texts[name] or '').casefold() == (own_texts[name] or '').casefold()
            for name in ('street', 'zip', 'city')
        ):
            return {}
        # Without its country, or with another one, it would be another address. The one of a
        # person in a company is the one of the company.
        if any(own_texts.values()) or self.parent_id or not country or (
            self.country_id and self.country_id != country
        ):
            return None
        return {**{name: text for name, text in texts.items() if text}, 'country_id': country.id}


class MergePartnerAutomatic(models.TransientModel):
    _inherit = 'base.partner.merge.automatic.wizard'

    def _update_foreign_keys(self, src_partners, dst_partner):
        """ Override of `base` to have the audit trail know a contact by the one it is merged into.
        """
        with self.env['vipps.audit.event']._vipps_permit_removal():
            return super()._update_foreign_keys(src_partners, dst_partner)
