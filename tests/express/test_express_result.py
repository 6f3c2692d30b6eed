# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressResult(ExpressCommon):
    """ What the customer approved becomes the order, or somebody is told. """

    def _start(self, **values):
        self._put_into_cart()
        return self._start_express()

    def _approve_edited(self, tx, **changes):
        self.simulator.fault('approval', 'edited', changes=changes)
        self._approve_express(tx)
        self._refresh(tx)
        self._run_job()

    #=== Everything fits ===#

    def test_webhook_job_and_return_lead_to_the_same(self):
        for lead in ('job', 'event', 'return'):
            self._change_browser()
            tx = self._start()
            self._approve_express(tx)
            if lead == 'job':
                self._run_job()
            elif lead == 'event':
                tx._vipps_sync()
            elif lead == 'return':
                self._return(tx)
            self._follow_up()
            self._run_job()
            order = tx.sale_order_ids
            self.assertEqual((order.state, order.amount_total), ('sale', 229))
            self.assertEqual((tx.state, tx.amount), ('done', 229))
            self.assertEqual(len(order.order_line.filtered('is_delivery')), 1)

    def test_order_is_captured_by_the_capture_mode(self):
        self.product.invoice_policy = 'delivery'
        for mode in ('manual', 'on_delivery'):
            self._change_browser()
            self.vipps.vipps_capture_mode = mode
            tx = self._start()
            self._approve_express(tx)
            self._refresh(tx)
            self._run_job()
            self.assertEqual((tx.state, tx.amount), ('authorized', 229))
            self.assertEqual(tx.sale_order_ids.state, 'sale')
            self.assertEqual(self._get_aggregate(tx)['captured'], 0)
            self.assertFalse(tx.sale_order_ids.activity_ids)
        self._capture(tx)
        self._follow_up()
        self.assertEqual(self._get_aggregate(tx)['captured'], 22900)

    def test_customer_gets_one_mail(self):
        tx = self._start()
        self._approve_express(tx)
        self._refresh(tx)
        self._run_job()
        self._follow_up(with_mails=True)
        order = tx.sale_order_ids
        mails = self.env['mail.mail'].sudo().search([
            ('model', '=', 'sale.order'), ('res_id', '=', order.id),
        ])
        self.assertEqual(mails.recipient_ids, order.partner_id)
        self.assertEqual(len(mails), 1)

    def test_taxes_of_goods_and_delivery_are_right_to_the_ore(self):
        tax = self.env['account.tax'].create({
            'name': "VAT 25", 'amount': 25, 'company_id': self.company.id,
        })
        self.product.write({'list_price': 159.99, 'taxes_id': [Command.set(tax.ids)]})
        for carrier, price in ((self.home, 39.93), (self.parcel, 23.31)):
            carrier.product_id.write({'taxes_id': [Command.set(tax.ids)], 'list_price': price})
        tx = self._start()
        offered = {
            option['name']: option['amount']['value']
            for group in self._get_shipping(tx)['fixedOptions'] for option in group['options']
        }
        self.assertEqual(offered, {"Home delivery": 4991, "Parcel shop": 2914})
        self._approve_express(tx, self._get_option(tx, self.home))
        self._refresh(tx)
        self._run_job()
        order = tx.sale_order_ids
        self.assertEqual(order.order_line.filtered('is_delivery').price_total, 49.91)
        self.assertEqual((order.state, order.amount_total), ('sale', 249.9))
        self.assertEqual(self._get_aggregate(tx)['captured'], 24990)

    def test_delivery_is_free_above_a_total(self):
        self.home.write({'free_over': True, 'amount': 150})
        tx = self._start()
        self._approve_express(tx, self._get_option(tx, self.home))
        self._refresh(tx)
        self.assertEqual((tx.sale_order_ids.state, tx.amount), ('sale', 200))
        self.assertEqual(tx.sale_order_ids.carrier_id, self.home)

    #=== Customers ===#

    def test_guest_with_the_address_of_a_known_contact_is_a_new_one(self):
        first_tx = self._start()
        self._approve_express(first_tx)
        self._refresh(first_tx)
        known = first_tx.sale_order_ids.partner_id
        known.write({'name': "Known Customer", 'street': "Secret street 1"})
        before = known.read()
        self._change_browser()
        tx = self._start()
        self._approve_express(tx)
        self._refresh(tx)
        partner = tx.sale_order_ids.partner_id
        self.assertNotEqual(partner, known)
        self.assertEqual(partner.email, known.email)
        self.env.invalidate_all()
        self.assertEqual(known.name, "Known Customer")
        self.assertEqual(known.street, before[0]['street'])

    def test_known_customer_keeps_everything_and_gets_an_address(self):
        user = new_test_user(
            self.env, 'vipps_shopper', 'base.group_portal', email='shopper@example.com',
        )
        partner = user.partner_id
        partner.write({
            'name': "Known Customer", 'street': "Storgata 1", 'zip': '0155', 'city': "Oslo",
            'country_id': self.country_norway.id, 'phone': '11111111', 'lang': 'en_US',
        })
        names = ['name', 'email', 'street', 'zip', 'city', 'phone', 'country_id']
        before = partner.read(names)
        self.authenticate('vipps_shopper', 'vipps_shopper')
        for index in range(2):
            tx = self._start()
            self._approve_express(tx)
            self._refresh(tx)
            order = tx.sale_order_ids
            self.assertEqual((order.state, order.partner_id), ('sale', partner))
            self.assertEqual(order.partner_invoice_id, partner)
            address = order.partner_shipping_id
            self.assertEqual((address.parent_id, address.type), (partner, 'delivery'))
            self.assertEqual((address.street, address.zip), ("Robert Levins gate 5", '0154'))
            self.assertEqual(len(partner.child_ids), 1, index)
        self.env.invalidate_all()
        self.assertEqual(partner.read(names), before)

    def test_address_without_a_country_is_in_the_country_of_express(self):
        tx = self._start()
        self._approve_edited(tx, address={
            'addressLine1': "Storgata 3", 'addressLine2': "Storgata 3", 'city': "Oslo",
            'postCode': '0155',
        })
        partner = tx.sale_order_ids.partner_id
        self.assertEqual(tx.sale_order_ids.state, 'sale')
        self.assertEqual(partner.country_id, self.country_norway)
        self.assertFalse(partner.street2)

    def test_data_that_come_later_are_waited_for(self):
        tx = self._start()
        self.simulator.fault('approval', 'only_event')
        self._approve_express(tx)
        self._refresh(tx)
        order = tx.sale_order_ids
        self.assertEqual((tx.state, order.state), ('authorized', 'draft'))
        self.assertEqual(tx._vipps_get_result(), 'authorized')
        self.assertFalse(order.activity_ids)
        self.assertEqual(self._get_aggregate(tx)['captured'], 0)

    #=== Something does not fit ===#

    def test_cart_that_became_dearer_is_left_to_people(self):
        tx = self._start()
        order = tx.sale_order_ids
        self._approve_express(tx)
        order.order_line.product_uom_qty = 2
        self._refresh(tx)
        self._run_job()
        self._check_waiting(tx, 229, "was changed after")

    def test_cart_that_became_cheaper_is_left_to_people(self):
        self._put_into_cart(2)
        tx = self._start_express()
        self._approve_express(tx)
        tx.sale_order_ids.order_line.product_uom_qty = 1
        self._refresh(tx)
        self._run_job()
        self._check_waiting(tx, 429, "was changed after")

    def test_other_goods_for_the_same_price_are_left_to_people(self):
        tx = self._start()
        self._approve_express(tx)
        scarf = self.env['product.product'].create({'name': "Scarf", 'list_price': 200})
        tx.sale_order_ids.order_line = [Command.clear(), Command.create({
            'product_id': scarf.id, 'price_unit': 200, 'tax_id': [Command.clear()],
        })]
        self._refresh(tx)
        self._check_waiting(tx, 229, "was changed after")

    def test_restored_cart_is_confirmed(self):
        tx = self._start()
        order = tx.sale_order_ids
        self._approve_express(tx)
        order.order_line.product_uom_qty = 2
        self._refresh(tx)
        activity = self._check_waiting(tx, 229, "was changed after")
        order.order_line.product_uom_qty = 1
        self._follow_up()
        self._run_job()
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 229, 'done'))
        self.assertFalse(activity.exists())
        self.assertFalse(tx.vipps_express_problem)

    def test_address_that_the_staff_corrected_is_kept(self):
        tx = self._start()
        order = tx.sale_order_ids
        self._approve_express(tx)
        order.order_line.product_uom_qty = 2
        self._refresh(tx)
        self._check_waiting(tx, 229, "was changed after")
        address = self.env['res.partner'].create({
            'name': "Corrected", 'type': 'delivery', 'parent_id': order.partner_id.id,
            'zip': '0155', 'city': "Oslo", 'country_id': self.country_norway.id,
        })
        order.partner_shipping_id = address
        order.order_line.product_uom_qty = 1
        self._follow_up()
        self._run_job()
        self.assertEqual((order.state, order.partner_shipping_id), ('sale', address))

    def test_option_that_was_not_offered_is_left_to_people(self):
        tx = self._start()
        self._approve_edited(tx, shippingOptionId='99-1', shippingCost=100)
        self._check_waiting(tx, 201, "was not offered")

    def test_price_that_was_not_offered_is_left_to_people(self):
        tx = self._start()
        self._approve_edited(tx, shippingCost=1000)
        self._check_waiting(tx, 210, "another price")

    def test_foreign_address_is_left_to_people(self):
        tx = self._start()
        self._approve_edited(tx, address={
            'addressLine1': "Drottninggatan 20", 'city': "Stockholm", 'country': 'SE',
            'postCode': '111 51',
        })
        self._check_waiting(tx, 229, "an address in a country")

    def test_delivery_method_that_was_deleted_is_left_to_people(self):
        tx = self._start()
        self._approve_express(tx)
        self.parcel.unlink()
        self._refresh(tx)
        self._check_waiting(tx, 229, "was deleted")

    def test_price_that_changed_since_the_offer_is_the_offered_one(self):
        tx = self._start()
        self._approve_express(tx)
        self.parcel.product_id.list_price = 99
        self._refresh(tx)
        self._run_job()
        self.assertEqual((tx.sale_order_ids.state, tx.amount), ('sale', 229))

    def test_person_confirms_the_order_and_it_is_captured(self):
        tx = self._start()
        order = tx.sale_order_ids
        self._approve_edited(tx, shippingCost=1000)
        activity = self._check_waiting(tx, 210, "another price")
        order.set_delivery_line(self.parcel, 10)
        order.with_user(self.salesman).action_confirm()
        self.env.cr.flush()
        self._run_job()
        self.assertEqual((order.state, tx.state), ('sale', 'done'))
        self.assertEqual(self._get_aggregate(tx)['captured'], 21000)
        self.assertFalse(activity.exists())

    def test_person_cancels_the_order_and_it_is_released(self):
        tx = self._start()
        order = tx.sale_order_ids
        self._approve_edited(tx, shippingCost=1000)
        activity = self._check_waiting(tx, 210, "another price")
        order._action_cancel()
        self.env.cr.flush()
        self._run_job()
        self.assertEqual(self._get_aggregate(tx)['cancelled'], 21000)
        self.assertEqual(tx.state, 'cancel')
        self.assertFalse(activity.exists())

    def test_payment_captured_in_the_portal_is_booked_and_its_order_waits(self):
        tx = self._start()
        self.simulator.fault('approval', 'edited', changes={'shippingCost': 1000})
        self._approve_express(tx)
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        order = tx.sale_order_ids
        self.assertEqual((tx.state, tx.amount, order.state), ('done', 210, 'draft'))
        self.assertEqual(tx.payment_id.amount, 210)
        self.assertFalse(tx.payment_id.partner_id.is_public)
        self.assertIn("another price", ' '.join(order.activity_ids.mapped('note')))

    def test_payment_captured_in_the_portal_confirms_its_order(self):
        tx = self._start()
        self._approve_express(tx)
        self.simulator.capture(tx.vipps_payment_reference)
        self._refresh(tx)
        self._run_job()
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('done', 'sale'))
        self.assertEqual(tx.payment_id.amount, 229)

    def test_less_than_the_goods_is_an_error(self):
        tx = self._start()
        self._approve_express(tx)
        self.simulator.fault('get', 'edited', changes={
            'aggregate': {
                f'{name}Amount': {'currency': 'NOK', 'value': 100 if name == 'authorized' else 0}
                for name in ('authorized', 'captured', 'refunded', 'cancelled')
            },
        })
        with mute_logger('odoo.addons.mobilepay_vipps.models.transaction.difference'):
            self._refresh(tx)
        self.assertEqual(tx.state, 'error')
        self.assertEqual(tx.sale_order_ids.state, 'draft')

    def test_amount_with_the_delivery_in_the_answer_is_taken_too(self):
        tx = self._start()
        self._approve_express(tx)
        self.simulator.fault('get', 'edited', changes={
            'amount': {'currency': 'NOK', 'value': 22900},
        }, times=None)
        self._refresh(tx)
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('authorized', 'sale'))

    #=== Personal data ===#

    def test_address_is_erased_with_the_shared_data(self):
        tx = self._start()
        self._approve_express(tx)
        self._refresh(tx)
        self.assertTrue(tx.vipps_express_choice['address'])
        tx._vipps_forget()
        self.assertFalse(tx.vipps_express_choice or tx.vipps_user_details)
        tx._vipps_sync()
        self.assertFalse(tx.vipps_express_choice)
