# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from lxml import etree

from odoo.fields import Datetime
from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestPaymentReport(TransactionCommon):

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant.groups_id += cls.env.ref('base.group_allow_export')

    def _capture(self, tx, amount=None):
        self.simulator.capture(tx.vipps_payment_reference, amount)
        self._refresh(tx)

    def _search(self, action_name, user=None):
        """ Return what a menu lists, as a user. """
        action = self.env.ref(f'mobilepay_vipps.{action_name}')
        Transaction = self.env[action.res_model].with_user(user or self.accountant)
        tree = Transaction.get_view(self._get_view(action, 'tree').id, 'tree')['arch']
        order = tree.split('default_order="')[1].split('"')[0]
        return Transaction.search(safe_eval(action.domain), order=order)

    def _get_view(self, action, mode):
        return action.view_ids.filtered(lambda v: v.view_mode == mode).view_id

    #=== Reserved, not captured ===#

    def test_reserved_payments_are_listed_by_deadline_with_what_remains(self):
        txs = [self._authorize(amount=100) for _i in range(3)]
        self._capture(txs[0], 4000)
        for tx, days in zip(txs, (9, 2, 5), strict=True):
            tx.vipps_capture_deadline = Datetime.now() + timedelta(days=days)
        captured_tx = self._authorize(amount=100)
        self._capture(captured_tx)
        open_tx = self._start(amount=100)

        listed = self._search('action_vipps_reserved')
        self.assertEqual(list(listed & (txs[0] | txs[1] | txs[2])), [txs[1], txs[2], txs[0]])
        self.assertFalse(listed & (captured_tx | open_tx | txs[0].child_transaction_ids))
        self.assertEqual(txs[0].vipps_remaining_amount, 60)

    def test_a_deadline_is_near_when_the_days_of_its_provider_have_begun(self):
        self.vipps.vipps_deadline_warning_days = 4
        near_tx, far_tx, released_tx, open_tx = (
            self._authorize(), self._authorize(), self._authorize(), self._start()
        )
        self.simulator.cancel(released_tx.vipps_payment_reference)
        self._refresh(released_tx)
        (near_tx | released_tx).vipps_capture_deadline = Datetime.now() + timedelta(days=3)
        far_tx.vipps_capture_deadline = Datetime.now() + timedelta(days=5)
        txs = (near_tx | far_tx | released_tx | open_tx).with_user(self.accountant)
        self.env.invalidate_all()
        self.assertEqual(txs.filtered('vipps_is_deadline_near'), near_tx)
        for is_near, expected in ((True, near_tx), (False, txs - near_tx)):
            for operator, value in (('=', is_near), ('!=', not is_near)):
                self.assertEqual(
                    txs.search([
                        ('id', 'in', txs.ids), ('vipps_is_deadline_near', operator, value),
                    ]),
                    expected,
                )

    #=== Report ===#

    def _read_report(self, groupby, user=None):
        action = self.env.ref('mobilepay_vipps.action_vipps_report')
        return self.env[action.res_model].with_user(user or self.accountant).read_group(
            safe_eval(action.domain),
            ['vipps_authorized_amount', 'vipps_captured_amount', 'vipps_refunded_amount',
             'vipps_remaining_amount', 'vipps_difference_count'],
            groupby, lazy=False,
        )

    def test_an_accountant_opens_every_view_of_the_lists_and_the_report(self):
        order = self._create_order(price=100)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        for name in ('action_vipps_reserved', 'action_vipps_report'):
            action = self.env.ref(f'mobilepay_vipps.{name}')
            Transaction = self.env[action.res_model].with_user(self.accountant)
            Transaction.get_views(
                [(self._get_view(action, mode).id, mode) for mode in action.view_mode.split(',')]
                + [(action.search_view_id.id, 'search')]
            )
            tree = etree.fromstring(self._get_view(action, 'tree').arch)
            row = Transaction.web_search_read([('id', '=', tx.id)], {
                field.get('name'): {'fields': {'display_name': {}}} for field in tree.iter('field')
            })['records'][0]
            self.assertEqual(row['sale_order_ids'][0]['display_name'], order.name)
            self.assertEqual(row['provider_id']['display_name'], self.vipps.name)
        menus = self.env['ir.ui.menu'].with_user(self.accountant)._visible_menu_ids()
        for name in ('menu_vipps_reservations', 'menu_vipps_payments', 'menu_vipps_differences'):
            self.assertIn(self.env.ref(f'mobilepay_vipps.{name}').id, menus)

    def test_the_report_sums_payments_once_and_never_over_currencies(self):
        before = {row['currency_id'][0]: row for row in self._read_report(['currency_id'])}
        tx = self._authorize(amount=100)
        self._capture(tx, 4000)
        self.simulator.refund(tx.vipps_payment_reference, 1000)
        self._refresh(tx)
        self._authorize(amount=50).vipps_difference = "Something differs"
        self.env.flush_all()
        rows = {row['currency_id'][0]: row for row in self._read_report(['currency_id'])}
        self.assertEqual(set(rows), set(before) | {self.currency_nok.id})
        row, row_before = rows[self.currency_nok.id], before.get(self.currency_nok.id, {})
        self.assertEqual(
            [
                row[name] - row_before.get(name, 0) for name in (
                    'vipps_authorized_amount', 'vipps_captured_amount', 'vipps_refunded_amount',
                    'vipps_remaining_amount', 'vipps_difference_count',
                )
            ],
            [150, 40, 10, 110, 1],
        )
        context = safe_eval(self.env.ref('mobilepay_vipps.action_vipps_report').context)
        self.assertTrue(context['search_default_group_currency'])

    def test_the_report_is_grouped_as_an_accountant_wants_it(self):
        self._authorize(amount=100)
        for groupby in (
            'create_date:day', 'vipps_payment_state', 'vipps_market', 'company_id', 'provider_id',
            'currency_id', 'partner_id', 'vipps_capture_deadline:week',
        ):
            with self.subTest(groupby=groupby):
                self.assertTrue(self._read_report([groupby]))

    def test_the_report_is_exported(self):
        tx = self._authorize(amount=100)
        self._capture(tx, 4000)
        self.simulator.refund(tx.vipps_payment_reference, 1000)
        self._refresh(tx)
        row, = tx.with_user(self.accountant).export_data([
            'create_date', 'reference', 'sale_order_ids', 'partner_id', 'vipps_payment_state',
            'vipps_authorized_amount', 'vipps_captured_amount', 'vipps_refunded_amount',
            'vipps_remaining_amount', 'currency_id', 'vipps_difference', 'vipps_market',
        ])['datas']
        self.assertEqual(row[5:10], [100, 40, 10, 60, 'NOK'])

    def test_nothing_of_another_company_is_listed_or_summed(self):
        other_company = self.company_data_2['company']
        accountant = self._new_user(
            'vipps_other_accountant',
            'base.group_user,account.group_account_invoice',
            other_company,
        )
        self._authorize(amount=100)
        self.assertTrue(self._search('action_vipps_reserved'))
        self.assertFalse(self._search('action_vipps_reserved', accountant))
        self.assertFalse(self._read_report(['currency_id'], accountant))

    def test_payments_are_found_by_the_order_and_by_any_psp_reference(self):
        order = self._create_order(price=100)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        self._capture(tx, 4000)
        Transaction = self.env['payment.transaction'].with_user(self.accountant)
        arch = self.env.ref('mobilepay_vipps.payment_transaction_report_search').arch
        domains = [
            part.split('"')[0] for part in arch.split('filter_domain="')[1:]
        ]
        texts = (order.name, tx._vipps_get_captures().vipps_psp_reference)
        for domain, text in zip(domains, texts, strict=True):
            with self.subTest(text=text):
                self.assertIn(tx, Transaction.search(safe_eval(domain, {'self': text})))
