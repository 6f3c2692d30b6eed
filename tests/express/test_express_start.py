# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import contextmanager
from unittest.mock import patch

from lxml import html

from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ... import const
from ...models.express import provider
from ...models.jobs.own_transaction import in_own_transaction
from ...models.provider import alert
from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressStart(ExpressCommon):
    """ The press of the button. """

    #=== The cart ===#

    def test_services_need_no_address(self):
        self.product.type = 'service'
        order = self._put_into_cart()
        tx = self._start_express()
        request = self._get_payment(tx)['request']
        self.assertEqual(request['profile']['scope'], 'name email phoneNumber')
        self.assertNotIn('shipping', request)
        self._approve_express(tx)
        self._refresh(tx)
        self._run_job()
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 200, 'done'))
        self.assertFalse(order.partner_id.is_public)

    def test_delivery_that_was_chosen_before_is_not_paid_twice(self):
        order = self._put_into_cart()
        order.set_delivery_line(self.home, 49)
        tx = self._start_express(self._find_express_page(order))
        self.assertEqual(tx.amount, 200)
        self.assertEqual(self._get_payment(tx)['request']['amount']['value'], 20000)
        self._approve_express(tx, self._get_option(tx, self.parcel))
        self._refresh(tx)
        self.assertEqual((order.amount_total, order.carrier_id), (229, self.parcel))
        self.assertEqual(len(order.order_line.filtered('is_delivery')), 1)
        self.assertEqual(order.state, 'sale')

    def _find_express_page(self, order):
        """ Return the cart as it was opened before the delivery was chosen. """
        lines, carrier = order.order_line.filtered('is_delivery'), order.carrier_id
        price = lines.price_unit
        page = self._open_cart()  # Core removes the delivery here.
        order.set_delivery_line(carrier, price)
        return page

    def test_abandoned_cart_is_as_before(self):
        order = self._put_into_cart()
        page = self._open_cart()
        order.set_delivery_line(self.home, 49)
        names = ['partner_id', 'partner_shipping_id', 'partner_invoice_id', 'carrier_id', 'state',
                 'amount_total', 'pricelist_id', 'fiscal_position_id', 'order_line']
        before, lines = order.read(names), order.order_line.read(['price_unit', 'name'])
        partners = self.env['res.partner'].search_count([])
        tx = self._start_express(page)
        self.simulator.decline(tx.vipps_payment_reference)
        answer = self._return(tx)
        self.env.invalidate_all()
        self.assertEqual(tx.state, 'cancel')
        self.assertEqual(order.read(names), before)
        self.assertEqual(order.order_line.read(['price_unit', 'name']), lines)
        self.assertEqual(self.env['res.partner'].search_count([]), partners)
        result, page = self._get_result(answer)
        self.assertEqual(result, 'failed')
        self.assertEqual(self._get_link(page, "Try Again"), '/shop/cart')
        self.assertEqual(self._start_express().sale_order_ids, order)

    def test_second_press_cancels_the_first_payment(self):
        order = self._put_into_cart()
        first_tx, second_tx = self._start_express(), self._start_express()
        self.assertEqual(first_tx.state, 'cancel')
        self.assertEqual(self._get_payment(first_tx)['state'], 'TERMINATED')
        self._approve_express(second_tx)
        self._refresh(second_tx)
        self.assertEqual(order.state, 'sale')

    def test_second_approval_of_one_cart_is_released(self):
        order = self._put_into_cart()
        with patch.object(
            type(self.env['payment.transaction']), '_vipps_cancel_open_attempts', lambda tx: None
        ):
            first_tx, second_tx = self._start_express(), self._start_express()
        for tx in (first_tx, second_tx):
            self._approve_express(tx)
        first_tx._vipps_sync()
        second_tx._vipps_sync()
        self._follow_up()
        self._run_job()
        self.assertEqual((first_tx.state, second_tx.state), ('done', 'cancel'))
        self.assertEqual(self._get_aggregate(second_tx)['cancelled'], 22900)
        self.assertEqual((order.state, order.amount_total), ('sale', 229))

    def test_cart_without_stock_is_refused_in_words(self):
        self.product.write({'type': 'product', 'allow_out_of_stock_order': True})
        order = self._put_into_cart(3)
        self.product.allow_out_of_stock_order = False
        sentence = self._refuse_express()
        self.assertIn("3", sentence)
        self.assertFalse(self.env['payment.transaction'].search([
            ('sale_order_ids', 'in', order.ids),
        ]))
        self.assertFalse(order.carrier_id)

    def test_cart_that_is_not_offered_is_refused(self):
        self._put_into_cart()
        page = self._open_cart()
        self.product.vipps_is_express_excluded = True
        self.assertIn("Please use the checkout", self._refuse_express(page))

    def test_empty_cart_leads_to_the_cart(self):
        self._put_into_cart()
        page = self._open_cart()
        self.env['sale.order'].search([('website_id', '=', self.website.id)]).unlink()
        answer = self._press(page)
        self.assertTrue(answer.headers['Location'].endswith('/shop/cart'))

    def test_press_on_another_page_is_refused(self):
        self._put_into_cart()
        with mute_logger('odoo.http'):
            answer = self._press(csrf_token='nonsense')
        self.assertEqual(answer.status_code, 400)
        self.assertFalse(self._get_calls('create'))

    def test_payment_whose_creation_is_unknown_can_be_tried_again(self):
        order = self._put_into_cart()
        self.simulator.fault('create', 'lost_answer', times=None)
        self.simulator.fault('get', 'status', status=500, times=None)
        with self._without_pauses():
            answer = self._press()
        page = html.fromstring(answer.text).get_element_by_id('o_vipps_payment_result')
        self.assertEqual(page.get('data-result'), 'unavailable')
        self.simulator.clear_faults()
        tx = order.transaction_ids
        answer = self.url_open(const.REDIRECT_ROUTE, data={
            'reference': tx.reference, 'retry': '1',
        }, allow_redirects=False)
        self.assertEqual(answer.headers['Location'], tx.vipps_redirect_url)

    def test_receipt_leaves_the_delivery_to_the_app(self):
        order = self._put_into_cart()
        page = self._open_cart()
        order.set_delivery_line(self.home, 49)
        receipt = self._get_payment(self._start_express(page))['request']['receipt']
        self.assertEqual([line['name'] for line in receipt['orderLines']], ["Wool Sweater"])

    #=== 5020 ===#

    @contextmanager
    def _after_the_request(self):
        """ Do after the request what is to be done although it is rolled back. """
        followers = []

        def keep(env, do, is_always=False):
            self.assertTrue(is_always)
            followers.append(do)

        with patch.object(alert, 'after_transaction', keep), \
                patch.object(provider, 'after_transaction', keep):
            yield
        for do in followers:
            in_own_transaction(self.env.registry, do)
        self.env.invalidate_all()

    def test_express_is_switched_off_if_the_sales_unit_may_not_use_it(self):
        order = self._put_into_cart()
        self.simulator.fault('create', 'refuse', code='5020')
        with self._after_the_request():
            self.assertIn("Nothing has been charged", self._refuse_express())
        activity, = self._get_activities()
        self.assertEqual(activity.vipps_problem, 'express_refused')
        self.assertFalse(self.vipps.allow_express_checkout)
        self.assertFalse(order.transaction_ids)
        self.assertFalse(self._find_button(self._open_cart()))
        self.vipps._vipps_watch_health()
        self.assertTrue(activity.exists())
        self.vipps.allow_express_checkout = True
        self.vipps._vipps_watch_health()
        self.assertFalse(activity.exists())
        self.assertTrue(self._find_button(self._open_cart()))

    def test_other_refusal_does_not_switch_it_off(self):
        self._put_into_cart()
        self.simulator.fault('create', 'refuse', code='4140')
        with self._after_the_request():
            self._refuse_express()
        self.assertTrue(self.vipps.allow_express_checkout)

    def test_data_that_the_order_needs_are_not_left_out(self):
        self._put_into_cart()
        self.simulator.fault('create', 'refuse', code='5030')
        self._refuse_express()
        self.assertEqual(len(self._get_calls('create')), 1)

    #=== The product page ===#

    def test_product_is_bought_in_an_order_of_its_own(self):
        other = self.env['product.product'].create({
            'name': "Mittens", 'website_published': True, 'list_price': 70, 'type': 'consu',
            'taxes_id': [Command.clear()],
        })
        cart = self._put_into_cart(product=other)
        tx = self._start_express(self._open_product(), add_qty='2')
        order = tx.sale_order_ids
        self.assertNotEqual(order, cart)
        self.assertEqual((tx.amount, order.order_line.product_uom_qty), (400, 2))
        self._approve_express(tx)
        self._return(tx)
        self.assertEqual((order.state, order.amount_total), ('sale', 429))
        self.assertEqual((cart.state, cart.amount_total), ('draft', 70))
        self.assertTrue(self._open_cart().xpath('//a[contains(., "Mittens")]'))

    def test_own_order_is_cancelled_with_its_payment(self):
        tx = self._start_express(self._open_product())
        order = tx.sale_order_ids
        self.simulator.decline(tx.vipps_payment_reference)
        self._return(tx)
        self.assertEqual(order.state, 'cancel')
        self.assertEqual(tx._vipps_get_retry_url(has_cart=False), self.product.website_url)

    def test_own_order_of_a_running_payment_is_not_cancelled(self):
        tx = self._start_express(self._open_product())
        order = tx.sale_order_ids
        other_tx = self._create_transaction(
            'direct', sale_order_ids=[Command.set(order.ids)], reference="other", amount=1,
        )
        other_tx._set_canceled()
        self.assertEqual(order.state, 'draft')
        other_tx = self._create_transaction(
            'direct', sale_order_ids=[Command.set(order.ids)], reference="third", amount=1,
            state='pending',
        )
        tx._set_canceled()
        self.assertEqual((tx.state, order.state), ('cancel', 'draft'))

    def test_own_order_does_not_become_the_cart(self):
        new_test_user(self.env, 'vipps_shopper', 'base.group_portal')
        self.authenticate('vipps_shopper', 'vipps_shopper')
        tx = self._start_express(self._open_product())
        self.authenticate('vipps_shopper', 'vipps_shopper')
        page = self._open_cart()
        self.assertFalse(page.xpath('//a[contains(., "Wool Sweater")]'))
        self.assertFalse(self._find_button(page))
        cart = self._put_into_cart()
        self.assertNotEqual(cart, tx.sale_order_ids)
        self.assertEqual(tx.sale_order_ids.order_line.product_uom_qty, 1)

    def test_all_values_of_one_attribute_are_bought(self):
        attribute = self.env['product.attribute'].create({
            'name': "Extras", 'display_type': 'multi', 'create_variant': 'no_variant',
            'value_ids': [Command.create({'name': name}) for name in ("Patch", "Zip", "Hood")],
        })
        line = self.env['product.template.attribute.line'].create({
            'product_tmpl_id': self.product.product_tmpl_id.id, 'attribute_id': attribute.id,
            'value_ids': [Command.set(attribute.value_ids.ids)],
        })
        values = line.product_template_value_ids[:2]
        tx = self._start_express(self._open_product(), **{f'ptal-{line.id}': values.ids})
        self.assertEqual(
            tx.sale_order_ids.order_line.product_no_variant_attribute_value_ids, values
        )

    def test_enter_presses_no_button_of_ours(self):
        button, = self._find_button(self._open_product())
        form = next(button.iterancestors('form'))
        first = form.xpath('.//button[@type="submit"]')[0]
        self.assertFalse(first.get('formaction'))
        self.assertEqual(form.get('action'), '/shop/cart/update')
        self.assertEqual(button.xpath('ancestor::div[@id="o_wsale_cta_wrapper"]/@id'), [
            'o_wsale_cta_wrapper',
        ])

    def test_hidden_product_is_not_named(self):
        page = self._open_product()
        hidden = self.env['product.template'].create({'name': "Secret plan", 'list_price': 70})
        variants = hidden.product_variant_ids
        sentences = set()
        for template_id in (hidden.id, hidden.id + 999):
            answer = self._press(page, product_template_id=str(template_id), product_id='0')
            self.assertNotIn('secret-plan', answer.text)
            sentences.add(html.fromstring(answer.text).get_element_by_id(
                'o_vipps_express_refused'
            ).text_content())
        self.assertEqual(len(sentences), 1)
        self.assertEqual(hidden.product_variant_ids, variants)

    def test_own_order_is_not_left_behind_by_a_refusal(self):
        orders = self.env['sale.order'].search_count([])
        page = self._open_product()
        self.simulator.fault('create', 'refuse', code='5020')
        self._refuse_express(page)
        self.assertEqual(self.env['sale.order'].search_count([]), orders)

    def test_nonsense_of_browsers_is_refused(self):
        page = self._open_product()
        hidden = self.env['product.product'].create({'name': "Hidden", 'list_price': 70})
        for values in (
            {'add_qty': '0'}, {'add_qty': '-3'}, {'add_qty': '99999999999'}, {'add_qty': 'x'},
            {'product_template_id': 'x1'}, {'product_template_id': '99999999'},
            {'product_template_id': str(hidden.product_tmpl_id.id), 'product_id': str(hidden.id)},
            {'product_id': str(hidden.id), 'product_template_id': '0'},
        ):
            with self.subTest(values=values):
                self._refuse_express(page, **values)
        self.assertFalse(self._get_calls('create'))


@tagged('post_install', '-at_install')
class TestExpressLimit(ExpressCommon):

    def test_presses_are_limited(self):
        self._put_into_cart()
        page = self._open_cart()
        with patch.object(const, 'MAX_STARTS_PER_DOCUMENT', 1), mute_logger(
            'odoo.addons.mobilepay_vipps.models.jobs.rate_limit'
        ):
            self._start_express(page)
            self.assertIn("too often", self._refuse_express(page))
        self.assertEqual(len(self._get_calls('create')), 1)
