# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressPurchase(ExpressCommon):
    """ From the button on the cart to the confirmed order. """

    def test_guest_buys_the_cart_with_one_press(self):
        order = self._put_into_cart(2)
        public_partner = order.partner_id
        tx = self._start_express()
        self.assertEqual((tx.amount, tx.state, tx.sale_order_ids), (400, 'draft', order))
        request = self._get_payment(tx)['request']
        self.assertEqual(request['amount']['value'], 40000)
        self.assertEqual(request['profile']['scope'], 'name email phoneNumber address')
        self.assertEqual(request['shipping']['allowedCountries'], ['NO'])
        self.assertEqual(
            {
                (group['type'], option['name'], option['amount']['value'])
                for group in request['shipping']['fixedOptions'] for option in group['options']
            },
            {('HOME_DELIVERY', "Home delivery", 4900), ('PICKUP_POINT', "Parcel shop", 2900)},
        )
        self._approve_express(tx, self._get_option(tx, self.home))
        answer = self._return(tx)
        self.assertEqual(answer.headers['Location'].partition('/payment')[1:], (
            '/payment', '/status',
        ))
        self._run_job()

        self.assertEqual(order.state, 'sale')
        self.assertEqual(order.amount_total, 449)
        delivery = order.order_line.filtered('is_delivery')
        self.assertEqual((delivery.price_total, order.carrier_id), (49, self.home))
        self.assertEqual((tx.amount, tx.state), (449, 'done'))
        self.assertEqual(self._get_aggregate(tx)['captured'], 44900)
        partner = order.partner_id
        self.assertNotEqual(partner, public_partner)
        self.assertEqual(order.partner_shipping_id, partner)
        self.assertEqual(
            (partner.street, partner.zip, partner.city, partner.country_id.code),
            ("Robert Levins gate 5", '0154', "Oslo", 'NO'),
        )
        self.assertTrue(partner.email and partner.phone.startswith('+'))
        self.assertEqual(tx.partner_id, partner)
        self.assertEqual(tx.payment_id.partner_id, partner)
        self.assertEqual(public_partner.name, self.website.user_id.partner_id.name)
        self.assertFalse(order.activity_ids)
