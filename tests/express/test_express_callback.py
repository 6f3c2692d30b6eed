# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.delivery.models.delivery_carrier import DeliveryCarrier

from .express_common import ExpressCommon


@tagged('post_install', '-at_install')
class TestExpressCallback(ExpressCommon):
    """ The app asks for the deliveries to an address. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bergen = cls._create_carrier(
            "Bergen by bike", 99, zip_prefix_ids=[Command.create({'name': '50'})],
        )

    def _ask_for(self, tx, address='work', fault=None, **values):
        """ Choose an address in the app, and return the status and the offered prices. """
        self.env.flush_all()
        if fault:
            self.simulator.fault('shipping', fault, **values)
        payment = self.simulator.choose_address(tx.vipps_payment_reference, address)
        question = payment['questions'][-1]
        prices = {
            option['name']: option['amount']['value']
            for group in (question['answer'] or {}).get('groups', ()) for option in group['options']
        }
        self.env.invalidate_all()
        return question['status'], prices

    def _start(self, **values):
        self._put_into_cart()
        return self._start_express()

    def test_deliveries_depend_on_the_address(self):
        tx = self._start()
        self.assertEqual(set(self._get_shipping(tx)), {'dynamicOptions', 'allowedCountries'})
        common = {"Home delivery": 4900, "Parcel shop": 2900}
        self.assertEqual(self._ask_for(tx, 'work'), (200, {**common, "Bergen by bike": 9900}))
        self.assertEqual(self._ask_for(tx, 'home'), (200, common))

    def test_chosen_delivery_becomes_the_line_of_the_order(self):
        tx = self._start()
        self._ask_for(tx, 'work')
        self._approve_express(tx, self._get_option(tx, self.bergen))
        self._refresh(tx)
        self._run_job()
        order = tx.sale_order_ids
        self.assertEqual((order.state, order.amount_total), ('sale', 299))
        self.assertEqual((order.carrier_id, tx.state), (self.bergen, 'done'))
        self.assertEqual(order.partner_shipping_id.city, "Bergen")
        self.assertEqual(order.partner_shipping_id.street2, "c/o Fjord AS")

    def test_question_leaves_nothing_behind(self):
        tx = self._start()
        order = tx.sale_order_ids
        names = ['partner_shipping_id', 'carrier_id', 'order_line', 'amount_total', 'write_date']
        before = order.read(names)
        partners = self.env['res.partner'].with_context(active_test=False).search_count([])
        messages = order.message_ids
        self._ask_for(tx)
        self.assertEqual(order.read(names), before)
        self.assertEqual(
            self.env['res.partner'].with_context(active_test=False).search_count([]), partners
        )
        self.assertEqual(order.message_ids, messages)

    def test_both_spellings_and_both_forms_of_the_token_are_taken(self):
        tx = self._start()
        self.assertEqual(self._ask_for(tx, fault='camel')[0], 200)
        self.assertEqual(self._ask_for(tx, fault='token', token='bearer')[0], 200)

    @mute_logger('odoo.addons.base.models.ir_rule')
    def test_wrong_token_is_refused(self):
        tx = self._start()
        for token in ('wrong', 'missing'):
            with self.subTest(token=token):
                self.assertEqual(self._ask_for(tx, fault='token', token=token), (404, {}))
        self.assertFalse(tx.vipps_express_offer['options'])

    def test_wrong_signature_and_other_payment_are_refused(self):
        tx = self._start()
        url = self._get_shipping(tx)['dynamicOptions']['callbackUrl']
        headers = {'Authorization': tx._vipps_get_shipping_token()}
        body = {
            'reference': tx.vipps_payment_reference, 'Country': 'NO', 'PostCode': '0154',
            'City': "Oslo", 'AddressLine1': "Storgata 1", 'AddressLine2': None,
        }
        self.assertEqual(self.opener.post(url, json=body, headers=headers).status_code, 200)
        self.assertEqual(self.opener.post(url + '0', json=body, headers=headers).status_code, 404)
        other = url.replace(tx.vipps_payment_reference, 'another-reference')
        self.assertEqual(self.opener.post(other, json=body, headers=headers).status_code, 404)
        for wrong in (
            {**body, 'reference': 'another-reference'}, {**body, 'Country': None}, [], "x",
            {**body, 'country': 'SE'},
        ):
            with self.subTest(wrong=wrong):
                answer = self.opener.post(url, json=wrong, headers=headers)
                self.assertEqual((answer.status_code, answer.json()), (400, {}))
        answer = self.opener.post(url, data=b'{', headers=headers)
        self.assertEqual(answer.status_code, 400)

    def test_address_in_a_country_without_express_is_refused(self):
        tx = self._start()
        status, prices = self._ask_for(tx, fault='edited', changes={'Country': 'SE'})
        self.assertEqual((status, prices), (400, {}))

    def test_place_without_a_delivery_method_is_refused(self):
        (self.home | self.parcel).is_published = False
        tx = self._start()
        self.assertEqual(self._ask_for(tx, 'home')[0], 400)
        self.assertEqual(self._ask_for(tx, 'work')[0], 200)

    def test_cart_that_was_changed_meanwhile_gets_no_answer(self):
        tx = self._start()
        self.make_jsonrpc_request('/shop/cart/update_json', {
            'product_id': self.product.id, 'add_qty': 1,
        })
        self.assertEqual(self._ask_for(tx)[0], 400)
        tx.sale_order_ids.order_line.product_uom_qty = 1
        self.assertEqual(self._ask_for(tx)[0], 200)

    def test_late_question_is_refused(self):
        tx = self._start()
        self._ask_for(tx)
        self._approve_express(tx)
        tx._vipps_sync()
        url = self._get_shipping(tx)['dynamicOptions']['callbackUrl']
        answer = self.opener.post(url, json={
            'reference': tx.vipps_payment_reference, 'Country': 'NO', 'PostCode': '0154',
        }, headers={'Authorization': tx._vipps_get_shipping_token()})
        self.assertEqual(answer.status_code, 400)

    def test_question_that_comes_twice_has_one_answer(self):
        tx = self._start()
        self._ask_for(tx, fault='duplicate')
        first, second = self._get_payment(tx)['questions'][-2:]
        self.assertEqual(first['answer'], second['answer'])
        self.assertEqual(len(tx.vipps_express_offer['options']), 3)

    def test_carrier_that_raises_is_left_out(self):
        tx, rate = self._start(), DeliveryCarrier.rate_shipment

        def rate_shipment(carrier, order):
            if carrier.name == "Home delivery":
                raise ValueError(order.partner_shipping_id.street)
            return rate(carrier, order)

        with patch.object(DeliveryCarrier, 'rate_shipment', rate_shipment), self.assertLogs(
            'odoo.addons.mobilepay_vipps.models.express.delivery', 'WARNING'
        ) as logs:
            status, prices = self._ask_for(tx)
        self.assertEqual((status, set(prices)), (200, {"Parcel shop", "Bergen by bike"}))
        self.assertNotIn("Torgallmenningen", ' '.join(logs.output))

    def test_carriers_that_take_too_long_are_left_out(self):
        tx = self._start()
        path = 'odoo.addons.mobilepay_vipps.models.express.delivery.monotonic'
        with patch(path, side_effect=[0, 0, *[9] * 9]), mute_logger(
            'odoo.addons.mobilepay_vipps.models.express.delivery'
        ):
            status, prices = self._ask_for(tx)
        self.assertEqual((status, len(prices)), (200, 1))

    def test_service_of_a_carrier_is_not_asked_when_half_of_the_time_is_used(self):
        tx = self._start()
        path = 'odoo.addons.mobilepay_vipps.models.express'
        with patch(f'{path}.delivery.monotonic', side_effect=[0, 0, *[.7] * 9]), patch(
            f'{path}.delivery.OWN_TYPES', ()
        ), mute_logger(f'{path}.delivery'):
            status, prices = self._ask_for(tx)
        self.assertEqual((status, len(prices)), (200, 1))

    def test_error_of_ours_is_no_server_error(self):
        tx = self._start()
        with patch.object(
            type(self.env['sale.order']), '_vipps_rate_express', side_effect=KeyError,
        ), mute_logger('odoo.addons.mobilepay_vipps.controllers.express'):
            self.assertEqual(self._ask_for(tx)[0], 400)

    def test_price_of_an_earlier_address_can_still_be_chosen(self):
        tx = self._start()
        self._ask_for(tx, 'work')
        option = self._get_option(tx, self.home)
        self.home.product_id.list_price = 59
        self._ask_for(tx, 'home')
        self.assertEqual(len(tx.vipps_express_offer['options']), 4)
        self.assertIn(option, tx.vipps_express_offer['options'])
