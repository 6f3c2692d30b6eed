# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import SUPERUSER_ID, fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ...source import Source
from ..checklist_common import ChecklistCommon
from ..common import KEYS


@tagged('post_install', '-at_install')
class TestChecklist(ChecklistCommon):
    """ What a payment manager reads before going live. """

    has_second_company = True

    def test_nothing_is_ticked_before_anything_happened(self):
        rows = self._read()
        self.assertGreater(len(rows), 20)
        for name, row in rows.items():
            with self.subTest(name=name):
                self.assertFalse(row.xpath('.//i[contains(@class, "fa-check")]'))
                self.assertTrue(row.xpath('th/div/text()')[0].strip())

    def test_captured_payment_is_seen_with_its_reference(self):
        tx = self._authorize()
        self._capture(tx, user=self.accountant)
        self._assert_seen(
            tx, 'create', 'get', 'approved', 'capture_all', 'in_time', 'end_captured',
        )
        rows = self._read()
        self.assertEqual(self._get_cells('capture_part', rows)[1], "Not seen yet")
        self.assertEqual(self._get_cells('end_refunded', rows)[1], "Not seen yet")
        self.assertIn(f'id={tx.id}&', rows['capture_all'].xpath('.//a/@href')[0])

    def test_parts_are_told_from_the_whole(self):
        tx = self._authorize()
        self._capture(tx, 100)
        self._refund(tx._vipps_get_captures().payment_id, 40)
        self._assert_seen(tx, 'capture_part', 'refund_part')
        rows = self._read()
        for name in ('capture_all', 'refund_all', 'cancel', 'end_cancelled'):
            self.assertEqual(self._get_cells(name, rows)[1], "Not seen yet", name)
        self._refund(tx._vipps_get_captures().payment_id, 60)
        self._assert_seen(tx, 'refund_all')

    def test_each_end_of_a_payment_is_seen(self):
        released = self._authorize()
        released.action_void()
        self._assert_seen(released, 'cancel', 'end_cancelled')
        for decide, name in (
            (self.simulator.decline, 'aborted'), (self.simulator.expire, 'expired'),
            (self.simulator.cancel, 'terminated'),
        ):
            tx = self._start()
            decide(tx.vipps_payment_reference)
            self._refresh(tx)
            self._assert_seen(tx, name, 'explained')

    def test_history_that_was_read_is_seen(self):
        tx = self._authorize()
        tx._vipps_update()
        self._assert_seen(tx, 'events')

    def test_operations_of_staff_are_told_from_those_of_jobs(self):
        self.vipps.vipps_capture_mode = 'automatic'
        tx = self._start()
        self._approve(tx)
        tx.with_user(SUPERUSER_ID)._vipps_sync()
        self.assertEqual(tx.state, 'done')
        self.assertEqual(self._get_cells('operated')[1], "Not seen yet")
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._authorize()
        self._capture(tx, user=self.accountant)
        self._assert_seen(tx, 'operated')

    def test_events_and_questions_are_told_apart(self):
        tx = self._start()
        self._approve(tx)
        tx.with_context(vipps_source=Source('webhook'))._vipps_sync()
        rows = self._read()
        self.assertEqual(self._get_cells('polled', rows)[1], "Not seen yet")
        self.assertEqual(self._get_cells('webhook', rows)[1], "Not seen yet")
        self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'AUTHORIZED', 'psp_reference': 'psp-1',
            'reference': tx.vipps_payment_reference, 'state': 'processed',
        })
        self._assert_seen(tx, 'webhook')
        tx = self._start()
        self._approve(tx)
        tx.with_context(vipps_source=Source('return'))._vipps_sync()
        self._assert_seen(tx, 'polled', 'returned')

    def test_reservation_past_its_deadline_takes_the_tick_away(self):
        tx = self._authorize()
        self._capture(tx)
        self._assert_seen(tx, 'in_time')
        late_tx = self._authorize()
        late_tx.vipps_capture_deadline = fields.Datetime.now() - timedelta(days=1)
        row = self._read()['in_time']
        self.assertIn(late_tx.reference, row.text_content())
        self.assertFalse(row.xpath('.//i[contains(@class, "fa-check")]'))

    def test_customer_from_another_country_is_seen(self):
        self._authorize()
        self.assertEqual(self._get_cells('neighbour')[1], "Not seen yet")
        self.partner.country_id = self.env.ref('base.se')
        self._assert_seen(self._authorize(), 'neighbour')

    def test_payment_at_a_till_is_seen(self):
        tx = self._start()
        self.assertEqual(self._get_cells('present')[1], "Not seen yet")
        tx.vipps_user_flow = 'QR'
        self._assert_seen(tx, 'present')

    def test_production_and_test_are_apart(self):
        tx = self._authorize()
        tx.vipps_environment = 'production'
        production, test = self._get_cells('approved')
        self.assertIn(tx.reference, production)
        self.assertEqual(test, "Not seen yet")

    def test_newest_example_is_shown_and_an_old_one_is_marked(self):
        self._authorize()
        tx = self._authorize()
        self._assert_seen(tx, 'approved')
        self.assertNotIn("older than a month", self._get_cells('approved')[1])
        self.env.flush_all()
        self.env.cr.execute("UPDATE payment_transaction SET create_date = '2024-01-01'")
        self.assertIn("older than a month", self._get_cells('approved')[1])

    def test_last_call_stands_for_the_headers(self):
        self.assertEqual(self._get_cells('headers'), ["Built in"] * 2)
        self.env['vipps.api.call'].sudo().create({
            'provider_id': self.vipps.id, 'environment': 'test', 'operation': 'get',
            'outcome': 'success',
        })
        self.assertIn("Last call", self._get_cells('headers')[1])

    def test_terms_are_seen_when_the_shop_asks_for_them(self):
        self._assert_missing('terms', "switch on Accept Terms")
        self.env.ref('website_sale.accept_terms_and_conditions').active = True
        self.assertEqual(self._get_cells('terms'), ["Built in"] * 2)

    def test_payments_of_others_are_not_counted(self):
        other = self.vipps.copy({'company_id': self.company_data_2['company'].id, **KEYS})
        other.state = 'test'
        tx = self._authorize()
        tx.provider_id = other
        self.assertEqual(self._get_cells('approved')[1], "Not seen yet")
        with self.assertRaises(AccessError):
            self._read(other)

    def test_only_payment_managers_and_administrators_read_it(self):
        self.vipps.with_user(self.manager).action_vipps_open_checklist()
        for groups in (
            'base.group_portal', 'base.group_user', 'account.group_account_invoice',
            'sales_team.group_sale_manager', 'point_of_sale.group_pos_manager',
        ):
            user = new_test_user(self.env, f'checklist_{groups}', groups)
            with self.subTest(groups=groups):
                with self.assertRaises(AccessError):
                    self.vipps.with_user(user).action_vipps_open_checklist()
                with self.assertRaises(AccessError):
                    self.vipps.with_user(user).read(['vipps_checklist'])

    def test_page_takes_few_queries_however_many_payments_there_are(self):
        tx = self._authorize()
        self._read()
        self.env.invalidate_all()
        start = self.cr.sql_log_count
        self._read()
        queries = self.cr.sql_log_count - start
        for _i in range(3):
            tx = self._authorize()
        self._assert_seen(tx, 'approved')
        self.env.invalidate_all()
        start = self.cr.sql_log_count
        self._read()
        self.assertLessEqual(self.cr.sql_log_count - start, queries + 2)
