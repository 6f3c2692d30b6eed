# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged

from ...models.jobs.task import FOLLOW_UP, KINDS_BY_JOB, MAX_TRIES
from ..common import TransactionCommon

READING_LOGGER = 'odoo.addons.mobilepay_vipps.models.transaction.sync'


@tagged('post_install', '-at_install')
class TestAppLink(TransactionCommon):
    """ The customer finds the order, and then the parcel, in the app. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.warehouse_user = cls._new_user(
            'vipps_warehouse', 'base.group_user,stock.group_stock_user',
        )
        cls.product.detailed_type = 'product'
        cls.carrier = cls.env['delivery.carrier'].create({
            'name': "Posten", 'delivery_type': 'fixed',
            'product_id': cls.env['product.product'].create({
                'name': "Delivery", 'type': 'service',
            }).id,
        })

    def setUp(self):
        super().setUp()
        # The carriers of the community edition know no tracking links.
        self.startPatcher(patch.object(
            type(self.carrier), 'fixed_get_tracking_link',
            lambda carrier, picking: f'https://track.example.com/?id={picking.carrier_tracking_ref}'
        ))
        stock = self.env['stock.warehouse'].search(
            [('company_id', '=', self.company.id)], limit=1
        ).lot_stock_id
        self.env['stock.quant']._update_available_quantity(self.product, stock, 10)

    #=== What happens ===#

    def _reserve(self, quantity=1):
        """ Return an order that a customer confirmed by paying, and its transaction. """
        order = self._create_order(carrier_id=self.carrier.id)
        order.order_line.product_uom_qty = quantity
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('authorized', 'sale'))
        return order, tx

    def _ship(self, order, tracking_ref=None, quantity=1):
        """ Let the warehouse ship what is waiting; returns the delivery. """
        picking = order.picking_ids.filtered(lambda p: p.state not in ('done', 'cancel'))
        picking = picking.with_user(self.warehouse_user)
        picking.carrier_tracking_ref = tracking_ref
        picking.move_ids.write({'quantity': quantity, 'picked': True})
        picking.with_context(skip_backorder=True).button_validate()
        self.assertEqual(picking.state, 'done')
        return picking

    def _follow_up(self):
        """ Let the job follow up, but set no links yet. """
        kinds = tuple(kind for kind in KINDS_BY_JOB[FOLLOW_UP] if kind != 'app_link')
        with patch.dict(KINDS_BY_JOB, {FOLLOW_UP: kinds}):
            super()._follow_up()

    def _set_links(self, hours=0):
        """ Run the jobs some hours later. """
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(hours=hours)):
            self._run_due()
            self.env['vipps.task']._cron_follow_up()
        self.env.invalidate_all()

    def _get_link(self, tx):
        return self._get_payment(tx)['category']

    def _assert_linked_to(self, tx, kind, category, url, calls):
        """ Check the link, and that it took so many calls to get there. """
        self.assertEqual(self._get_link(tx), {'category': category, 'orderDetailsUrl': url})
        self.assertEqual(tx.vipps_app_link, kind)
        self.assertEqual(len(self._get_calls('category', tx)), calls)

    def _assert_linked_to_order(self, tx, order, calls=1):
        path = f'/my/orders/{order.id}?access_token={order.access_token}'
        self._assert_linked_to(
            tx, 'order', 'ORDER_CONFIRMATION', f'{order.get_base_url()}{path}', calls
        )

    def _assert_tracked(self, tx, tracking_ref, calls):
        url = f'https://track.example.com/?id={tracking_ref}'
        self._assert_linked_to(tx, 'delivery', 'DELIVERY', url, calls)

    #=== The order ===#

    def test_a_confirmed_order_is_linked_by_the_job(self):
        order, tx = self._reserve()
        self.assertEqual(self._get_calls('category'), [])  # The customer did not wait for it.
        self._set_links()
        self._assert_linked_to_order(tx, order)

    def test_the_link_is_set_once(self):
        order, tx = self._reserve()
        for _look in range(3):
            self._refresh(tx)
            self._set_links()
        self._assert_linked_to_order(tx, order)

    def test_an_order_that_nobody_has_shared_yet_gets_its_token_first(self):
        order, tx = self._reserve()
        order.access_token = False
        self._set_links()
        self.assertTrue(order.access_token)
        self._assert_linked_to_order(tx, order)

    def test_the_link_leads_to_the_website_of_the_order(self):
        website = self.env['website'].create({
            'name': "Sokker", 'domain': 'https://sokker.example.com',
            'company_id': self.company.id,
        })
        order, tx = self._reserve()
        order.website_id = website
        self._set_links()
        self.assertTrue(
            self._get_link(tx)['orderDetailsUrl'].startswith('https://sokker.example.com/my/orders')
        )

    def test_an_order_that_is_not_confirmed_is_not_linked(self):
        order = self._create_order()
        tx = self._start_order(order, amount=100)  # Too little to confirm it.
        self._approve(tx)
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('authorized', 'draft'))
        self._set_links()
        self.assertEqual(self._get_calls('category'), [])
        order.with_user(self.salesman).sudo().action_confirm()
        self._refresh(tx)
        self._set_links()
        self._assert_linked_to_order(tx, order)

    def test_an_order_that_is_cancelled_in_the_meantime_is_not_linked(self):
        order, tx = self._reserve()
        order._action_cancel()
        self._set_links()
        self.assertEqual(self._get_calls('category'), [])

    def test_a_payment_without_an_order_has_no_link(self):
        tx = self._start_invoice(self._create_invoice())
        self._approve(tx)
        self._refresh(tx)
        self._set_links()
        self.assertEqual(self._get_calls('category'), [])

    def test_an_address_that_the_app_cannot_open_is_not_sent(self):
        for url in ('http://odoo.internal', 'https://odoo.local'):
            with self.subTest(url=url):
                self._reserve()
                with patch.object(type(self.env['sale.order']), 'get_base_url', return_value=url):
                    self._set_links()
                self.assertEqual(self._get_calls('category'), [])

    #=== The delivery ===#

    def test_what_is_shipped_is_tracked_instead(self):
        order, tx = self._reserve()
        self._set_links()
        self._ship(order, 'P1')
        self.assertEqual(len(self._get_calls('category')), 1)  # The warehouse did not wait for it.
        for _look in range(3):
            self._set_links()
            self._assert_tracked(tx, 'P1', calls=2)
            self._refresh(tx)

    def test_what_is_captured_and_then_shipped_is_tracked(self):
        order, tx = self._reserve()
        tx.action_capture()
        self._set_links()
        self._ship(order, 'P1')
        self._set_links()
        self._assert_tracked(tx, 'P1', calls=2)

    def test_a_tracking_number_that_comes_later_is_linked_then(self):
        order, tx = self._reserve()
        picking = self._ship(order)
        self._set_links()
        self._assert_linked_to_order(tx, order)
        picking.carrier_tracking_ref = 'P1'
        self._set_links()
        self._assert_tracked(tx, 'P1', calls=2)
        picking.carrier_tracking_ref = 'P2'  # It was a slip of the pen.
        self._set_links()
        self._assert_tracked(tx, 'P2', calls=3)

    def test_the_delivery_that_was_shipped_last_is_tracked(self):
        order, tx = self._reserve(quantity=2)
        self._ship(order, 'P1')
        self._set_links()
        self._assert_tracked(tx, 'P1', calls=1)
        self._ship(order, 'P2')
        self._set_links()
        self._assert_tracked(tx, 'P2', calls=2)

    def test_of_several_parcels_the_first_is_tracked(self):
        order, tx = self._reserve()
        with patch.object(
            type(self.carrier), 'fixed_get_tracking_link',
            lambda *_args: '[["A", "https://track.example.com/?id=A"], ["B", "https://b.example"]]',
        ):
            self._ship(order, 'A,B')
            self._set_links()
        self._assert_tracked(tx, 'A', calls=1)

    def test_a_carrier_without_tracking_links_leaves_the_link_to_the_order(self):
        with patch.object(type(self.carrier), 'fixed_get_tracking_link', lambda *_args: False):
            order, tx = self._reserve()
            self._ship(order, 'P1')
            self._set_links()
            self._assert_linked_to_order(tx, order)
            self._ship_back(order)
            self._set_links()
        self._assert_linked_to_order(tx, order)

    def _ship_back(self, order):
        picking = order.picking_ids
        wizard = self.env['stock.return.picking'].with_context(
            active_id=picking.id, active_model='stock.picking'
        ).create({})
        returned = self.env['stock.picking'].browse(wizard.create_returns()['res_id'])
        returned.carrier_tracking_ref = 'R1'
        returned.move_ids.write({'quantity': 1, 'picked': True})
        returned.button_validate()
        self.assertEqual(returned.state, 'done')

    def test_what_comes_back_is_not_tracked(self):
        order, tx = self._reserve()
        self._ship(order, 'P1')
        self._ship_back(order)
        self._set_links()
        self._assert_tracked(tx, 'P1', calls=1)

    #=== Failures ===#

    def _get_facts(self, tx):
        """ Return what a failure must not change. """
        self.env.invalidate_all()
        facts = tx.read()[0]
        for name in ('vipps_task_ids', 'write_uid', 'write_date'):
            facts.pop(name, None)
        return facts, tx.sale_order_ids.message_ids, self._get_activities()

    def test_a_failure_changes_nothing_and_is_tried_again(self):
        for fault in (
            {'kind': 'status', 'status': 500}, {'kind': 'status', 'status': 404},
            {'kind': 'refuse', 'code': '5090'}, {'kind': 'lost'}, {'kind': 'garbage'},
        ):
            with self.subTest(**fault), self._without_pauses():
                order, tx = self._reserve()
                facts = self._get_facts(tx)
                self.simulator.fault('category', times=None, **fault)
                with self.assertLogs(READING_LOGGER, logging.INFO) as log:
                    self._set_links()
                self.assertEqual({record.levelno for record in log.records}, {logging.INFO})
                self.assertNotIn(order.access_token, ''.join(log.output))
                self.assertEqual(self._get_facts(tx), facts)
                self.simulator.clear_faults()
                self._set_links(hours=1)
                self.assertEqual(self._get_link(tx)['category'], 'ORDER_CONFIRMATION')

    def test_what_fails_for_long_is_left_until_there_is_another_link(self):
        order, tx = self._reserve()
        self.simulator.fault('category', 'status', status=403, times=None)
        for days in range(10):
            self._set_links(hours=24 * days)
        self.assertEqual(len(self._get_calls('category')), MAX_TRIES['app_link'] - 1)
        self.assertFalse(self._get_tasks(tx, 'app_link'))
        self.simulator.clear_faults()
        self._refresh(tx)
        self._set_links(hours=24 * 10)
        self.assertIsNone(self._get_link(tx))
        self._ship(order, 'P1')
        self._set_links()
        self._assert_tracked(tx, 'P1', calls=MAX_TRIES['app_link'])

    def test_failures_are_tried_again_in_growing_intervals(self):
        _order, tx = self._reserve()
        self.simulator.fault('category', 'status', status=403, times=None)
        waits = []
        while task := self._get_tasks(tx, 'app_link'):
            due = task.due
            with freeze_time(due):
                self.env['vipps.task']._cron_follow_up()
            self.env.invalidate_all()
            waits += [task.due - due for task in task.exists()]
        self.assertEqual(waits, sorted(waits))
        self.assertGreater(len(waits), 3)

    def test_the_job_does_not_wait_for_one_that_does_not_answer(self):
        first, second = (self._reserve()[1] for _order in range(2))
        self.simulator.fault('category', 'lost', times=None)
        with self._without_pauses():
            self._set_links()
        self.assertEqual(
            {call['reference'] for call in self._get_calls('category')},
            {first.vipps_payment_reference},
        )
        self.simulator.clear_faults()
        self._set_links()
        self.assertIsNotNone(self._get_link(second))

    def test_payments_are_read_first(self):
        _order, tx = self._reserve()
        open_tx = self._start()
        self._get_tasks(open_tx, 'sync').due = open_tx.create_date
        before = len(self.simulator.exchanges)
        self._set_links()
        self.assertEqual(
            [call['reference'] for call in self.simulator.exchanges[before:]],
            [open_tx.vipps_payment_reference, tx.vipps_payment_reference],
        )
