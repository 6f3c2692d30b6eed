# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import random

from odoo.fields import Command
from odoo.tests import tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install')
class TestDeliveryDiscount(DeliveryCommon):
    """ Discounts, rewards and gift cards that are lines of their own. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.discount = cls.env['product.product'].create({
            'name': "Discount", 'type': 'service', 'invoice_policy': 'order',
            'taxes_id': [Command.clear()],
        })
        cls.env['loyalty.program'].search([]).active = False

    def _discount(self, amount, **values):
        return self._line(self.discount, 1, -amount, **values)

    def _reward(self, order, program_type='promotion', points=0, **values):
        """ Apply the reward of a new program to an order. """
        program = self.env['loyalty.program'].create({
            'name': program_type, 'program_type': program_type, 'trigger': 'auto',
            'applies_on': 'future' if points else 'current',
            'rule_ids': [Command.clear(), Command.create({
                'product_ids': [Command.set(self.course.ids if points else [])],
            })],
            'reward_ids': [Command.clear(), Command.create({
                'reward_type': 'discount', 'required_points': 1, **values,
            })],
        })
        if points:
            card = self.env['loyalty.card'].create({
                'program_id': program.id, 'points': points, 'partner_id': order.partner_id.id,
                'code': f'card-{program.id}',
            })
            order._try_apply_code(card.code)
            order._apply_program_reward(program.reward_ids, card)
        else:
            order._update_programs_and_rewards()
            for coupon, rewards in order._get_claimable_rewards().items():
                if rewards & program.reward_ids:
                    order._apply_program_reward(rewards & program.reward_ids, coupon)
        self.assertTrue(order.order_line.reward_id & program.reward_ids)
        return program.reward_ids.discount_line_product_id

    def test_a_fixed_discount_is_spread_whatever_it_is_invoiced_on(self):
        for policy in ('order', 'delivery'):
            with self.subTest(policy=policy):
                self.discount.invoice_policy = policy
                tx = self._buy(
                    self._line(self.sweater), self._line(self.mittens, price=900),
                    self._discount(200),
                )
                self._deliver(tx.sale_order_ids, sweater=1)
                self.assertSums(tx, 8000, 72000)
                self._deliver(tx.sale_order_ids)
                self.assertSums(tx, 80000, 0)

    def test_a_share_of_the_discount_is_given_when_the_rest_is_given_up(self):
        for policy in ('order', 'delivery'):
            with self.subTest(policy=policy):
                self.discount.invoice_policy = policy
                tx = self._buy(self._line(self.sweater, 2), self._discount(50))
                self._deliver(tx.sale_order_ids, backorder=False, sweater=1)
                self.assertSums(tx, 7500, 0)
                self.assertEqual(self._get_aggregate(tx)['cancelled'], 7500)

    def test_a_discount_with_a_tax_lowers_the_price_of_what_has_that_tax(self):
        taxed = {'tax_id': [Command.set(self.tax.ids)]}
        tx = self._buy(
            self._line(self.sweater, price=100, **taxed), self._line(self.mittens, price=300),
            self._discount(20, **taxed),
        )
        order = tx.sale_order_ids
        self._deliver(order, mittens=1)
        self.assertSums(tx, 30000, 10000)
        self._deliver(order)
        self.assertSums(tx, 40000, 0)

    def test_a_discount_that_is_more_than_what_has_its_tax_never_lowers_a_capture_below_zero(self):
        taxed = {'tax_id': [Command.set(self.tax.ids)]}
        tx = self._buy(
            self._line(self.sweater, price=80, **taxed), self._line(self.mittens, price=300),
            self._discount(160, **taxed),
        )
        order = tx.sale_order_ids
        self.assertEqual(order.amount_total, 200)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 5000, 15000)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_the_discount_of_the_wizard_is_spread(self):
        for discount_type, value in (('so_discount', 0.1), ('amount', 40)):
            with self.subTest(discount_type=discount_type):
                order = self._create_order(
                    order_line=[self._line(self.sweater), self._line(self.mittens, price=300)],
                )
                self.env['sale.order.discount'].create({
                    'sale_order_id': order.id, 'discount_type': discount_type,
                    'discount_percentage': value, 'discount_amount': value,
                }).action_apply_discount()
                self.assertEqual(order.amount_total, 360)
                tx = self._pay(order)
                self._deliver(order, sweater=1)
                self.assertSums(tx, 9000, 27000)
                self._deliver(order)
                self.assertSums(tx, 36000, 0)

    #=== Rewards ===#

    def test_a_reward_in_percent_is_spread_over_the_goods_and_not_over_the_fee(self):
        order = self._create_order(order_line=[
            self._line(self.sweater, 4), self._line(self.fee, 1, 49, is_delivery=True),
        ])
        self._reward(order, discount=10, discount_mode='percent', discount_applicability='order')
        self.assertEqual(order.amount_total, 409)
        tx = self._pay(order)
        self.assertSums(tx, 0, 40900)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 9000 + 4900, 27000)
        self._deliver(order)
        self.assertSums(tx, 40900, 0)

    def test_a_reward_of_a_fixed_amount_is_spread_for_each_tax(self):
        taxed = {'tax_id': [Command.set(self.tax.ids)]}
        order = self._create_order(order_line=[
            self._line(self.sweater, 2, **taxed), self._line(self.mittens, 1, price=250),
        ])
        self._reward(
            order, discount=50, discount_mode='per_order', discount_applicability='order'
        )
        self.assertEqual(order.amount_total, 450)
        tx = self._pay(order)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 11250, 33750)
        self._deliver(order, mittens=1)
        self.assertSums(tx, 33750, 11250)
        self._deliver(order)
        self.assertSums(tx, 45000, 0)

    def test_a_reward_for_some_products_lowers_the_price_of_those(self):
        order = self._create_order(order_line=[
            self._line(self.sweater), self._line(self.mittens, price=300),
        ])
        self._reward(
            order, discount=50, discount_mode='percent', discount_applicability='specific',
            discount_product_ids=[Command.set(self.mittens.ids)],
        )
        self.assertEqual(order.amount_total, 250)
        tx = self._pay(order)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 15000)
        self._deliver(order)
        self.assertSums(tx, 25000, 0)

    def test_a_reward_for_the_cheapest_product_lowers_the_price_of_that(self):
        order = self._create_order(order_line=[
            self._line(self.sweater), self._line(self.mittens, price=300),
        ])
        self._reward(
            order, discount=50, discount_mode='percent', discount_applicability='cheapest',
        )
        self.assertEqual(order.amount_total, 350)
        tx = self._pay(order)
        self._deliver(order, mittens=1)
        self.assertSums(tx, 30000, 5000)
        self._deliver(order)
        self.assertSums(tx, 35000, 0)

    def test_free_shipping_is_given_with_the_fee(self):
        order = self._create_order(order_line=[
            self._line(self.sweater, 2), self._line(self.fee, 1, 49, is_delivery=True),
        ])
        self._reward(order, reward_type='shipping')
        self.assertEqual(order.amount_total, 200)
        tx = self._pay(order)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 10000)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_a_free_product_is_no_reason_to_wait_with_what_is_paid(self):
        order = self._create_order(order_line=[self._line(self.sweater, 2)])
        self._reward(order, reward_type='product', reward_product_id=self.mittens.id)
        self.assertEqual(order.amount_total, 200)
        tx = self._pay(order)
        self._deliver(order, sweater=1)
        self.assertSums(tx, 10000, 10000)
        self._deliver(order, mittens=1)
        self.assertSums(tx, 10000, 10000)
        self._deliver(order)
        self.assertSums(tx, 20000, 0)

    def test_a_gift_card_and_a_wallet_are_spread_over_everything(self):
        for program_type in ('gift_card', 'ewallet'):
            with self.subTest(program_type=program_type):
                order = self._create_order(order_line=[
                    self._line(self.sweater, tax_id=[Command.set(self.tax.ids)]),
                    self._line(self.mittens, price=75),
                ])
                self._reward(
                    order, program_type, points=100, discount=1, discount_mode='per_point',
                )
                self.assertEqual(order.amount_total, 100)
                tx = self._pay(order)
                self._deliver(order, mittens=1)
                self.assertSums(tx, 3750, 6250)
                self._deliver(order)
                self.assertSums(tx, 10000, 0)

    #=== Any sequence ===#

    def test_any_sequence_of_shipments_ends_with_the_total(self):
        generator = random.Random(17)
        for i in range(8):
            rounding = generator.choice(('round_per_line', 'round_globally'))
            self.company.tax_calculation_rounding_method = rounding
            tx, total = self._buy_at_random(generator, i)
            order = tx.sale_order_ids
            with self.subTest(lines=order.order_line.mapped('price_total'), rounding=rounding):
                captured = 0
                while tx.state == 'authorized':
                    waiting = order.picking_ids.filtered(
                        lambda p: p.state not in ('done', 'cancel')
                    ).move_ids
                    self.assertTrue(waiting, "All is shipped, and something is still reserved.")
                    move = generator.choice(waiting)
                    self._deliver(order, **{
                        move.product_id.name.lower():
                            generator.randint(1, int(move.product_uom_qty)),
                    })
                    sums = self._get_aggregate(tx)
                    self.assertGreaterEqual(sums['captured'], captured)
                    captured = sums['captured']
                # What is captured in full early, like with free goods at the end, is no less.
                self.assertSums(tx, total, 0)
                self.assertEqual(sums['cancelled'], 0)

    def _buy_at_random(self, generator, i):
        """ Return the transaction of an order with odd prices, taxes and discounts. """
        def price(maximum):
            return generator.randint(100, maximum) / 100

        def tax():
            return {'tax_id': [Command.set(generator.choice((self.tax.ids, [])))]}

        lines = [
            self._line(
                product, generator.randint(1, 4), price(40000), discount=generator.randint(0, 33),
                **tax(),
            )
            for product in (self.sweater, self.mittens, self.sweater)
        ]
        if generator.random() < .5:
            lines.append(self._line(self.fee, 1, price(9900), is_delivery=True, **tax()))
        for _i in range(generator.randint(0, 2)):
            lines.append(self._discount(price(2000), **tax()))
        order = self._create_order(order_line=lines)
        if generator.random() < .7:
            self._reward(
                order, discount=generator.randint(1, 40), discount_mode='percent',
                discount_applicability='order',
            )
        if order.amount_total < 1:
            order.order_line[0].price_unit += 1000
        return self._pay(order), round(order.amount_total * 100)
