# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import json
from contextlib import contextmanager

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.http import request

from ... import const
from ...trust import get_readable
from .coupon import WAITING


class SaleOrder(models.Model):
    """ Carts that are offered Express, and their start. """
    _inherit = 'sale.order'

    vipps_express_obstacle = fields.Char(
        string="Express",
        help="Why the customer is not offered Express of Vipps MobilePay with this cart.",
        compute='_compute_vipps_express_obstacle',
        compute_sudo=True,
        groups='base.group_user',
    )

    # Nobody goes on with such a cart: it is cancelled with its payment.
    vipps_is_express_cart = fields.Boolean(copy=False, readonly=True)

    #=== COMPUTE METHODS ===#

    @api.depends('order_line', 'partner_id', 'fiscal_position_id', 'state', 'website_id')
    @api.depends_context('lang')
    def _compute_vipps_express_obstacle(self):
        for order in self:
            stored = get_readable(order)
            is_cart = stored.website_id and stored.state == 'draft'
            order.vipps_express_obstacle = is_cart and (
                stored._vipps_find_express_obstacle(stored._vipps_find_express_provider())
            )

    #=== BUSINESS METHODS - OFFER ===#

    def _vipps_get_express_provider(self):
        """ Return the provider whose button is shown with the cart, if there is one. """
        provider = self and self._vipps_find_express_provider()
        is_offered = bool(provider) and not self._vipps_find_express_obstacle(provider)
        return provider if is_offered else self.env['payment.provider']

    def _vipps_find_express_provider(self):
        amount = self._vipps_get_goods_amount()
        return self.env['payment.provider']._vipps_find_for_express(
            self.company_id, self.partner_id, amount, self.currency_id, self.website_id
        )

    def _vipps_get_goods_amount(self):
        """ Return the total without the delivery, and without what makes it free, in the currency
        of the order. """
        delivery_lines = self.order_line.filtered('is_delivery')
        if 'reward_id' in delivery_lines._fields:
            delivery_lines |= self.order_line.filtered(
                lambda line: line.reward_id.reward_type == 'shipping'
            )
        return self.currency_id.round(
            self.amount_total - sum(delivery_lines.mapped('price_total'))
        )

    def _vipps_get_cart_lines(self):
        return self.order_line.filtered(lambda line: line.product_id and not line.is_delivery)

    def _vipps_find_express_obstacle(self, provider):
        """ Return the reason why Express is not offered for the cart; None if it is.

        :param payment.provider provider: The one that would offer it, empty if there is none.
        :return: The reason, for the staff.
        :rtype: str | None
        """
        lines = self._vipps_get_cart_lines()
        if not lines or self.state != 'draft':
            return _("The cart is empty, or no longer a cart.")
        if self._vipps_get_goods_amount() <= 0:
            return _("There is nothing to pay.")
        if not provider:
            return _("Express is switched off, or not for this website, currency, country or"
                     " amount.")
        if self.env['payment.transaction']._vipps_get_held_order_amount(self) or any(
            tx.state == 'pending' for tx in self.transaction_ids
        ):
            return _("Another payment for this order was made or started.")
        used_reward = self._vipps_find_used_reward()
        if used_reward:
            return used_reward
        return provider._vipps_find_express_obstacle(
            self.website_id, self.partner_id, lines.product_id, self.fiscal_position_id,
            self.currency_id,
        )

    #=== BUSINESS METHODS - TRIALS ===#

    @contextmanager
    def _vipps_trying(self):
        """ Undo all changes afterwards. A coupon that waits in the session is left there: core
        would take it out when it is applied. """
        session = request.session if request else {}
        coupon_code = session.pop(WAITING, None)
        try:
            with self.env.cr.savepoint() as savepoint:
                yield self.with_context(
                    website_id=self.website_id.id, tracking_disable=True, mail_notrack=True,
                ).with_company(self.company_id)
                savepoint.rollback()
        finally:
            if coupon_code:
                session[WAITING] = coupon_code

    def _vipps_update_rewards(self):
        """ Have discounts, coupons and gift cards follow a change of the delivery. """
        if 'is_reward_line' in self.order_line._fields and any(
            self.order_line.mapped('is_reward_line')
        ):
            self._update_programs_and_rewards()

    def _vipps_read_cart(self):
        """ Return the total of the cart without a delivery, and the hash of all that it is made of.

        :rtype: tuple[float, str]
        """
        with self._vipps_trying() as order:
            order._remove_delivery_line()
            order._vipps_update_rewards()
            lines = sorted(
                str([
                    line.product_id.id, line.product_uom.id,
                    f'{line.product_uom_qty:.6f} {line.price_unit:.6f} {line.discount:.6f}',
                    f'{line.price_total:.6f}', sorted(line.tax_id.ids),
                    # Rewards are named in the language of the reader.
                    'is_reward_line' in line._fields and line.is_reward_line or line.name,
                ])
                for line in order.order_line if not line.display_type
            )
            content = [order.currency_id.name, order.pricelist_id.id, lines]
            digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
            return order.amount_total, digest

    def _vipps_check_stock(self):
        """ Ensure that the cart can be paid: other addons say whether all of it is there. The
        delivery method is chosen later.

        :raise ValidationError: If not; the sentence is for the customer.
        """
        with self._vipps_trying() as order:
            if not order.carrier_id:
                order.carrier_id = self.env['delivery.carrier']._vipps_get_for_express(
                    self.website_id
                )[:1]
            order._check_cart_is_ready_to_be_paid()

    #=== BUSINESS METHODS - START ===#

    def _vipps_start_express(self):
        """ Create a payment for the cart as it is, whose delivery is chosen in the app.

        :return: The transaction.
        :rtype: payment.transaction
        :raise ValidationError: If the customer cannot pay this way; the sentence says why.
        """
        self.ensure_one()
        provider = self._vipps_get_express_provider()
        if not provider:
            raise ValidationError(_(
                "This cart cannot be bought with one press. Nothing has been charged. Please use"
                " the checkout."
            ))
        self._vipps_check_stock()
        amount, digest = self._vipps_read_cart()
        currency, Tx = self.currency_id, self.env['payment.transaction'].sudo()
        orders = [Command.set(self.ids)]
        tx = Tx.create({
            'provider_id': provider.id,
            'payment_method_id': provider._vipps_get_payment_method(currency).id,
            'reference': Tx._compute_reference('vipps', sale_order_ids=orders),
            'amount': amount,
            'currency_id': currency.id,
            'partner_id': self.partner_invoice_id.id,
            'operation': 'online_redirect',
            # The one of core would look for the cart.
            'landing_route': (
                '/shop/confirmation' if self.vipps_is_express_cart else '/shop/payment/validate'
            ),
            'sale_order_ids': orders,
            'vipps_is_express': True,
            'vipps_express_offer': {
                'amount': amount, 'cart': digest, 'options': {},
                **self._vipps_prepare_express_delivery(provider),
            },
        })
        tx.partner_lang = self._get_lang()  # Guests share a contact.
        tx._log_sent_message()
        tx._vipps_with_patience()._vipps_start_payment()
        return tx

    @api.model
    def _vipps_create_own_cart(self, website, template_id, product_id, quantity, value_ids):
        """ Create an order for a product that is bought at once. The cart of the customer, if there
        is one, stays as it is.

        :param website website: The website, in the environment of the customer.
        :param int template_id: The product, as its template.
        :param int product_id: The variant; 0 if it is to be made.
        :param int quantity: The quantity.
        :param list[int] value_ids: The chosen values of the attributes.
        :return: The order, in sudo mode.
        :rtype: sale.order
        :raise UserError: If the product cannot be bought.
        """
        if not 0 < quantity <= const.MAX_EXPRESS_QUANTITY:
            raise UserError(_("The quantity is not possible."))
        template = self.env['product.template'].sudo().browse(template_id).exists()
        if not template.with_context(website_id=website.id).website_published or not (
            template.active and template.sale_ok
        ):
            raise UserError(_("The product is no longer available."))
        values = self.env['product.template.attribute.value'].sudo().browse(value_ids).exists()
        values = values.filtered(lambda value: value.product_tmpl_id == template)
        kept_values = values.filtered(lambda v: v.attribute_id.create_variant == 'no_variant')
        product = template.product_variant_ids.filtered(lambda p: p.id == product_id) or (
            template._create_product_variant(values)
        )
        if any(values.mapped('is_custom')):
            raise UserError(_("Please add this product to the cart, so that we get your words."))
        if not product or not product.with_env(website.env)._is_add_to_cart_allowed():
            raise UserError(_("The product is no longer available."))
        order = self.sudo().with_company(website.company_id).create(
            website._prepare_sale_order_values(self.env.user.partner_id)
        )
        bought = order._cart_update(
            product_id=product.id, add_qty=quantity,
            no_variant_attribute_values=[{'value': value.id} for value in kept_values],
        )
        if bought['quantity'] < quantity:
            raise UserError(order.shop_warning or _("There are not enough of it in stock."))
        order.vipps_is_express_cart = True
        return order


class ResPartner(models.Model):
    _inherit = 'res.partner'

    def _compute_last_website_so_id(self):
        """ Override of `website_sale`: the order of a product that is bought at once is nobody's
        cart. """
        super()._compute_last_website_so_id()
        for partner in self:
            order = partner.last_website_so_id
            if order.vipps_is_express_cart:
                partner.last_website_so_id = order.search([
                    ('partner_id', '=', partner.id), ('website_id', '=', order.website_id.id),
                    ('pricelist_id', '=', order.pricelist_id.id), ('state', '=', 'draft'),
                    ('vipps_is_express_cart', '=', False),
                ], order='write_date desc', limit=1)
