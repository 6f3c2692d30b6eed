# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.fields import Command
from odoo.http import root
from odoo.tests import new_test_user, tagged

from ... import const
from .express_common import ExpressCommon

PERCENT = {'discount': 10, 'discount_mode': 'percent'}
FIXED = {'discount': 50, 'discount_mode': 'per_order'}
PER_POINT = {'discount': 1, 'discount_mode': 'per_point'}
SHIPPING = {'reward_type': 'shipping'}


@tagged('post_install', '-at_install')
class TestExpressRewards(ExpressCommon):
    """ Discounts, coupons, gift cards and points: what the app shows is what the order is worth,
    and what the customer has not seen is not used. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classPatch(const, 'EXPRESS_RATE_SECONDS', 60)  # Nothing here is about slow carriers.
        cls.env['loyalty.program'].search([]).active = False
        cls.scarf = cls.env['product.product'].create({
            'name': "Scarf", 'type': 'consu', 'list_price': 90, 'taxes_id': [Command.clear()],
        })

    def _create_program(self, program_type, reward, rule=None, **values):
        return self.env['loyalty.program'].create({
            'name': program_type, 'program_type': program_type, 'trigger': 'auto',
            'applies_on': 'current',
            'rule_ids': [Command.clear(), *([Command.create(rule)] if rule is not None else [])],
            'reward_ids': [Command.clear(), Command.create({'required_points': 1, **reward})],
            **values,
        })

    def _create_card(self, program, points, **values):
        return self.env['loyalty.card'].create({
            'program_id': program.id, 'points': points, 'code': f'card-{program.id}', **values,
        })

    def _create_promotion(self, reward):
        self._create_program('promotion', reward, {})

    def _create_code(self, reward, **rule):
        self._create_program(
            'promo_code', reward, {'mode': 'with_code', 'code': 'SAVE', **rule},
            trigger='with_code',
        )

    def _create_coupon(self, reward=PERCENT):
        program = self._create_program('coupons', reward, trigger='with_code')
        return self._create_card(program, 1)

    def _create_gift_card(self, points=120):
        program = self._create_program('gift_card', PER_POINT, applies_on='future')
        return self._create_card(program, points)

    def _enter(self, code):
        self.env.flush_all()
        self.url_open(f'/shop/pricelist?promo={code}')
        self.env.invalidate_all()

    def _get_pending_code(self):
        return root.session_store.get(self.session.sid).get('pending_coupon_code')

    def _start(self):
        self._put_into_cart()
        return self._start_express()

    def _follow(self, tx):
        self._refresh(tx)
        self._run_job()
        self._run_job()
        return tx.sale_order_ids

    #=== What is seen is what is bought ===#

    def test_app_and_order_have_the_same_sums(self):
        gift = {'reward_type': 'product', 'reward_product_id': self.scarf.id}
        oslo = self.env['delivery.zip.prefix'].create({'name': '015'})
        part = {**SHIPPING, 'discount_max_amount': 30}
        for name, promotion, create_card, amount, home, parcel in (
            ("percentage", PERCENT, None, 180, 49, 29),
            ("free product", gift, None, 200, 49, 29),
            ("free delivery", SHIPPING, None, 200, 0, 0),
            ("part of the delivery", part, None, 200, 19, 0),
            ("coupon", None, self._create_coupon, 180, 49, 29),
            ("gift card", None, self._create_gift_card, 80, 49, 29),
            ("gift card and free delivery", SHIPPING, self._create_gift_card, 80, 0, 0),
            ("fixed discount and gift card", FIXED, self._create_gift_card, 30, 49, 29),
        ):
            for is_dynamic in (False, True):
                with self.subTest(name, is_dynamic=is_dynamic):
                    self._change_browser()
                    self.env['loyalty.program'].search([]).active = False
                    self.home.zip_prefix_ids = oslo if is_dynamic else False
                    if promotion:
                        self._create_promotion(promotion)
                    card = create_card and create_card()
                    self._put_into_cart()
                    if card:
                        self._enter(card.code)
                    tx = self._start_express()
                    shipping = self._get_shipping(tx)
                    self.assertEqual('dynamicOptions' in shipping, is_dynamic)
                    if is_dynamic:
                        self.simulator.choose_address(tx.vipps_payment_reference, 'home')
                        self.env.invalidate_all()
                    options = tx.vipps_express_offer['options'].values()
                    self.assertEqual(
                        (tx.amount, {option['name']: option['amount'] for option in options}),
                        (amount, {"Home delivery": home, "Parcel shop": parcel}),
                    )
                    self._approve_express(tx, self._get_option(tx, self.home))
                    order = self._follow(tx)
                    self.assertEqual((order.state, order.amount_total), ('sale', amount + home))
                    self.assertEqual((tx.state, tx.amount), ('done', amount + home))
                    self.assertEqual(
                        self._get_aggregate(tx)['captured'], round((amount + home) * 100)
                    )
                    self.assertFalse(order.activity_ids)
                    if card:
                        self.assertEqual(card.points, 0)

    def test_discount_of_a_code_is_kept(self):
        self._create_code(FIXED)
        self._put_into_cart()
        self._enter('SAVE')
        tx = self._start_express()
        self.assertEqual(tx.amount, 150)
        self._approve_express(tx, self._get_option(tx, self.home))
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 199, 'done'))

    def test_delivery_that_is_free_does_not_count_as_a_discount_of_the_goods(self):
        self._create_promotion(SHIPPING)
        self.product.list_price = 40
        order = self._put_into_cart()
        page = self._open_cart()
        order.set_delivery_line(self.home, 49)
        order._update_programs_and_rewards()
        self.assertEqual(order.amount_total, 40)
        self.assertFalse(order.with_user(self.salesman).vipps_express_obstacle)
        tx = self._start_express(page)
        self.assertEqual((tx.amount, tx.vipps_document_amount), (40, 40))
        self._approve_express(tx, self._get_option(tx, self.home))
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 40, 'done'))

    def test_cart_that_a_gift_card_pays_is_not_offered(self):
        card = self._create_gift_card(500)
        order = self._put_into_cart()
        self._enter(card.code)
        self.assertFalse(self._find_button(self._open_cart()))
        self.env.invalidate_all()
        self.assertIn("nothing to pay", order.with_user(self.salesman).vipps_express_obstacle)

    def test_points_are_earned_and_spent_once(self):
        user = new_test_user(self.env, 'vipps_shopper', 'base.group_portal')
        loyalty = self._create_program('loyalty', {**PERCENT, 'required_points': 9999}, {
            'reward_point_amount': 1, 'reward_point_mode': 'money',
        }, applies_on='both')
        wallet = self._create_program('ewallet', PER_POINT, {
            'product_ids': [Command.set(self.scarf.ids)],
        }, applies_on='future', trigger_product_ids=[Command.set(self.scarf.ids)])
        card = self._create_card(wallet, 70, partner_id=user.partner_id.id)
        self.authenticate('vipps_shopper', 'vipps_shopper')
        self._put_into_cart()
        self.env.flush_all()
        self.url_open(f'/shop/claimreward?reward_id={wallet.reward_ids.id}')
        tx = self._start_express()
        self.assertEqual(tx.amount, 130)
        self._approve_express(tx, self._get_option(tx, self.home))
        self._return(tx)
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 179, 'done'))
        self.assertEqual(card.points, 0)
        earned = self.env['loyalty.card'].search([('program_id', '=', loyalty.id)])
        self.assertEqual((earned.partner_id, earned.points), (user.partner_id, 200))

    def test_guest_earns_points_as_a_new_contact(self):
        loyalty = self._create_program('loyalty', {**PERCENT, 'required_points': 9999}, {
            'reward_point_amount': 1, 'reward_point_mode': 'money',
        }, applies_on='both')
        tx = self._start()
        self._approve_express(tx)
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total), ('sale', 229))
        card = self.env['loyalty.card'].search([('program_id', '=', loyalty.id)])
        self.assertEqual((card.partner_id, card.points), (order.partner_id, 200))

    #=== What is used up meanwhile ===#

    def test_reward_that_is_gone_at_the_approval_is_left_to_people(self):
        yesterday = fields.Date.today() - timedelta(days=1)
        for name, create, change, amount, reason in (
            ("used coupon", self._create_coupon, {'points': 0}, 180, "used up"),
            ("used gift card", self._create_gift_card, {'points': 50}, 80, "used up"),
            ("late coupon", self._create_coupon, {'expiration_date': yesterday}, 180, "changed"),
            ("late gift card", self._create_gift_card, {'expiration_date': yesterday}, 80,
             "changed"),
            ("ended program", self._create_coupon, None, 180, "changed"),
        ):
            with self.subTest(name):
                self._change_browser()
                card = create()
                self._put_into_cart()
                self._enter(card.code)
                tx = self._start_express()
                self._approve_express(tx)
                if change:
                    card.write(change)
                else:
                    card.program_id.active = False
                points = card.points
                self._follow(tx)
                self._check_waiting(tx, amount + 29, reason)
                self.assertEqual(card.points, points)

    #=== Programs with a limited number of uses ===#

    def _limit_promotion(self, uses):
        self.env['loyalty.program'].search([]).active = False
        self._create_program('promotion', PERCENT, {}, limit_usage=True, max_usage=uses)
        return self.env['loyalty.program'].search([])

    def _start_in_new_browser(self):
        self._change_browser(with_session=True)
        tx = self._start()
        self.assertEqual(tx.amount, 180)
        return tx

    def test_program_whose_uses_end_before_the_approval_is_left_to_people(self):
        program = self._limit_promotion(2)
        tx, other_tx = self._start_in_new_browser(), self._start_in_new_browser()
        program.max_usage = 1
        self._approve_express(other_tx)
        order = self._follow(other_tx)
        self.assertEqual((order.state, order.amount_total), ('sale', 209), "A cart is no use.")
        self._approve_express(tx)
        self._follow(tx)
        self._check_waiting(tx, 209, "used up")
        program.max_usage = 2
        tx._vipps_prepare_documents()
        self._run_job()
        self._run_job()
        self.assertEqual((tx.sale_order_ids.state, tx.state), ('sale', 'done'))

    def test_last_use_is_given_to_one_of_two_that_are_approved_at_once(self):
        program = self._limit_promotion(2)
        txs = [self._start_in_new_browser(), self._start_in_new_browser()]
        program.max_usage = 1
        for tx in txs:
            self._approve_express(tx)
            self._refresh(tx)
        self._run_job()
        self._run_job()
        self.assertEqual(
            sorted(tx.sale_order_ids.state for tx in txs), ['draft', 'sale'],
        )
        self.assertEqual([bool(tx.vipps_express_problem) for tx in txs].count(True), 1)

    def test_cart_with_a_program_whose_uses_ended_is_not_offered(self):
        program = self._limit_promotion(2)
        tx = self._start_in_new_browser()
        self._approve_express(tx)
        self._change_browser(with_session=True)
        order = self._put_into_cart()
        page = self._open_cart()
        self._follow(tx)
        program.max_usage = 1
        self.assertIn("cannot be bought", self._refuse_express(page))
        self.assertFalse(self._find_button(self._open_cart()))
        self.env.invalidate_all()
        self.assertEqual(order.amount_total, 180)
        self.assertIn("used up", order.with_user(self.salesman).vipps_express_obstacle)

    #=== What begins meanwhile, and what is abandoned ===#

    def test_program_that_begins_at_the_approval_changes_nothing(self):
        tx = self._start()
        self._create_promotion(PERCENT)
        self._create_promotion(SHIPPING)
        self._approve_express(tx)
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 229, 'done'))

    def test_coupon_of_an_abandoned_cart_is_kept(self):
        card = self._create_coupon()
        order = self._put_into_cart()
        self._enter(card.code)
        tx = self._start_express()
        self.simulator.decline(tx.vipps_payment_reference)
        self._return(tx)
        self.env.invalidate_all()
        self.assertEqual((order.amount_total, order.applied_coupon_ids), (180, card))
        self.assertEqual(card.points, 1)
        self.assertEqual(self._start_express().amount, 180)

    #=== Coupons that wait in the session ===#

    def _let_a_coupon_wait(self):
        self._create_code(PERCENT, minimum_amount=1000)
        self.url_open('/coupon/SAVE')
        self.assertEqual(self._get_pending_code(), 'SAVE')
        self.env['loyalty.rule'].search([('code', '=', 'SAVE')]).minimum_amount = 0

    def test_coupon_that_was_not_seen_in_the_app_is_not_taken(self):
        order = self._put_into_cart()
        page = self._open_cart()
        self._let_a_coupon_wait()
        tx = self._start_express(page)
        self.assertEqual((tx.amount, order.amount_total), (200, 200))
        self._approve_express(tx)
        self._return(tx)
        self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 229, 'done'))
        self.assertFalse(order.code_enabled_rule_ids)
        self.assertEqual(self._get_pending_code(), 'SAVE')

    def test_coupon_is_taken_for_a_product_that_is_bought_at_once(self):
        page = self._open_product()
        self._let_a_coupon_wait()
        self.simulator.fault('create', 'refuse', code='4140', times=1)
        self._refuse_express(page)
        self.assertEqual(self._get_pending_code(), 'SAVE', "Nothing was bought with it.")
        tx = self._start_express(page)
        self.assertEqual(tx.amount, 180)
        self.assertFalse(self._get_pending_code())
        self._approve_express(tx)
        order = self._follow(tx)
        self.assertEqual((order.state, order.amount_total, tx.state), ('sale', 209, 'done'))

    def test_coupon_waits_again_when_the_product_is_not_bought(self):
        self._create_code(PERCENT)
        for decide, look in (
            (self.simulator.decline, self._return),
            (self.simulator.decline, self._refresh),
            (self.simulator.expire, self._return),
            (self.simulator.expire, self._refresh),
            (self.simulator.cancel, self._refresh),
        ):
            with self.subTest(decide=decide.__name__, look=look.__name__):
                self._change_browser(with_session=True)
                self.url_open('/coupon/SAVE')
                tx = self._start_express(self._open_product())
                self.assertEqual(tx.amount, 180)
                self._open_cart()
                self.assertFalse(self._get_pending_code(), "The payment may be approved yet.")
                decide(tx.vipps_payment_reference)
                look(tx)
                self._open_cart()
                self.assertEqual(self._get_pending_code(), 'SAVE')
                self.assertEqual(self._put_into_cart().amount_total, 180)

    def test_coupon_of_a_product_that_is_bought_does_not_wait_again(self):
        self._create_code(PERCENT)
        self.url_open('/coupon/SAVE')
        tx = self._start_express(self._open_product())
        self._approve_express(tx)
        self.assertEqual(self._follow(tx).state, 'sale')
        self.assertEqual(self._put_into_cart().amount_total, 200)
        self.assertFalse(self._get_pending_code())

    def test_customer_who_comes_back_and_buys_again_has_the_coupon(self):
        self._create_code(PERCENT)
        self.url_open('/coupon/SAVE')
        page = self._open_product()
        txs = [self._start_express(page), self._start_express(page)]
        self.assertEqual([tx.amount for tx in txs], [180, 180])
        self.simulator.expire(txs[0].vipps_payment_reference)
        self._refresh(txs[0])
        self._open_cart()
        self.assertFalse(self._get_pending_code())
        self.simulator.decline(txs[1].vipps_payment_reference)
        self._refresh(txs[1])
        self._open_cart()
        self.assertEqual(self._get_pending_code(), 'SAVE')

    def test_coupon_that_came_later_is_the_one_that_waits(self):
        self._create_code(PERCENT)
        self.url_open('/coupon/SAVE')
        tx = self._start_express(self._open_product())
        self.url_open('/coupon/OTHER')
        self.simulator.decline(tx.vipps_payment_reference)
        self._refresh(tx)
        self._open_cart()
        self.assertEqual(self._get_pending_code(), 'OTHER')
