# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ..documents.res_partner import ADDRESS_FIELDS


class PaymentTransaction(models.Model):
    """ The customer of an order that was bought with Express. A contact that is known is not
    changed, and nobody becomes a known one by a name or an e-mail address. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _vipps_set_express_contact(self):
        """ Set the customer and the delivery address of the order, from the data in the app. Prices
        and taxes stay those that were approved. """
        order = self.sale_order_ids
        address = self._vipps_prepare_delivery_address()
        if order.partner_id.is_public:
            partner = invoicing = delivery = self._vipps_create_guest(address)
        else:
            partner, invoicing = order.partner_id, order.partner_invoice_id
            delivery = self._vipps_find_delivery_address(address)
        customers = {
            'partner_id': partner.id,
            'partner_invoice_id': invoicing.id,
            'partner_shipping_id': delivery.id,
        }
        if customers != {name: order[name].id for name in customers}:
            order.with_context(tracking_disable=True).write({
                **customers,
                **{  # They would follow the customer.
                    name: order[name].id for name in (
                        'pricelist_id', 'fiscal_position_id', 'payment_term_id', 'user_id',
                        'team_id',
                    )
                },
            })
        if self.partner_id != invoicing:
            self._vipps_lock_for_personal_data()
            self.write({
                'partner_id': invoicing.id,
                'partner_name': invoicing.name,
                'partner_email': invoicing.email,
                'partner_phone': invoicing.phone or invoicing.mobile,
                'partner_address': ' '.join(filter(None, (invoicing.street, invoicing.street2))),
                'partner_zip': invoicing.zip,
                'partner_city': invoicing.city,
                'partner_country_id': invoicing.country_id.id,
            })

    def _vipps_prepare_delivery_address(self):
        """ Return the delivery address as values of a contact; empty if there is none. """
        address = (self.vipps_express_choice or {}).get('address')
        if not address:
            return {}
        code = address['country'] or next(iter(self.vipps_express_offer['countries']), '')
        country = self.env['res.country'].search([('code', '=', code)], limit=1)
        return {
            **{name: address[name] or False for name in ADDRESS_FIELDS}, 'country_id': country.id,
        }

    def _vipps_create_guest(self, address):
        """ Return a new contact for a customer who is not logged in. """
        details, website = self.vipps_user_details, self.sale_order_ids.website_id
        return self.env['res.partner'].with_context(tracking_disable=True).create({
            'name': details['name'],
            'email': details.get('email'),
            'phone': details.get('phone'),
            'lang': self.partner_lang or website.default_lang_id.code,
            'company_id': website.company_id.id,
            'team_id': website.salesteam_id.id,
            'user_id': website.salesperson_id.id,
            'website_id': website.specific_user_account and website.id,
            **address,
        })

    def _vipps_find_delivery_address(self, address):
        """ Return the address of a known customer, or a new one below it. """
        order, name = self.sale_order_ids, self.vipps_user_details['name']
        partner = order.partner_id
        if not address:
            return order.partner_shipping_id
        for known in order.partner_shipping_id | partner | partner.child_ids:
            if known.country_id.id == address['country_id'] and all(
                (known[field] or '').casefold() == (address[field] or '').casefold()
                for field in ADDRESS_FIELDS
            ) and (known == partner or known.name == name):
                return known
        return self.env['res.partner'].with_context(tracking_disable=True).create({
            'type': 'delivery',
            'parent_id': partner.id,
            'name': name,
            'phone': self.vipps_user_details.get('phone'),
            'lang': partner.lang,
            'company_id': partner.company_id.id,
            **address,
        })
