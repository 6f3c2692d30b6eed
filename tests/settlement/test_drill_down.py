# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from ..pos_common import PosCommon
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestDrillDown(SettlementCommon):
    """ From the payout to the order and back, and the lists of what does not fit. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.invoicer = cls._new_user(
            'vipps_invoicer', 'base.group_user,account.group_account_invoice',
        )
        cls.salesperson = cls._new_user('vipps_seller', 'sales_team.group_sale_salesman_all_leads')

    def _sell_order(self, amount=200, part=None):
        order = self._create_order(amount)
        tx = self._authorize(amount=amount, sale_order_ids=[(6, 0, order.ids)])
        self._capture(tx, part or amount)
        self._follow_up()
        return order, tx

    def _open_payout(self, records, user=None):
        """ Return the payout that a button opens. """
        records = records.with_user(user or self.invoicer)
        self.assertEqual(records.vipps_payout_count, 1)
        action = records.action_vipps_open_payouts()
        self.assertEqual(action['views'], [(False, 'form')])
        return self.env[action['res_model']].browse(action['res_id'])

    #=== Links ===#

    def test_each_document_leads_to_its_payout(self):
        order, tx = self._sell_order(part=150)
        capture = tx.child_transaction_ids
        self._set_up()
        self._settle(days=1)
        payout = self.env['vipps.settlement.payout'].search([])
        entry = self._get_entries('capture')
        self.assertEqual(entry.payment_id, capture.payment_id)
        for record in (order, tx, capture, capture.payment_id):
            with self.subTest(record=record):
                self.assertEqual(self._open_payout(record), payout)
        payment = capture.payment_id.with_user(self.invoicer)
        self.assertEqual(payment.vipps_settled_on, entry.ledger_date)
        self.assertEqual(payment.vipps_fee_amount, entry.fee_amount)
        self.assertLess(payment.vipps_fee_amount, 0)
        self.assertEqual(payment.vipps_net_amount, 150 + entry.fee_amount)
        action = entry.with_user(self.invoicer).action_open_documents()
        self.assertEqual((action['res_model'], action['res_id']), ('sale.order', order.id))

    def test_two_payouts_are_listed(self):
        order, tx = self._sell_order(part=150)
        self._set_up()
        self._settle(days=1)
        self._capture(tx, 50)
        self._follow_up()
        self._settle(days=1)
        payouts = self.env['vipps.settlement.payout'].search([])
        self.assertEqual(order.with_user(self.invoicer).vipps_payout_count, 2)
        action = order.with_user(self.invoicer).action_vipps_open_payouts()
        self.assertEqual(payouts.search(action['domain']), payouts)

    def test_what_is_not_paid_out_has_no_link(self):
        order, tx = self._sell_order()
        self.assertFalse(tx.vipps_payout_count)
        self._set_up()
        self._settle()
        self.env.invalidate_all()
        self.assertFalse(order.vipps_payout_count)
        self.assertTrue(tx.payment_id.vipps_settled_on)
        with self.assertRaisesRegex(UserError, "not paid this out"):
            order.with_user(self.invoicer).action_vipps_open_payouts()

    def test_salespersons_see_nothing_of_it(self):
        order, _tx = self._sell_order()
        self._set_up()
        self._settle(days=1)
        order = order.with_user(self.salesperson)
        self.assertNotIn('vipps_payout_count', order.fields_get())
        with self.assertRaises(AccessError):
            order.action_vipps_open_payouts()

    def test_documents_of_others_look_nothing_up(self):
        order = self._create_order()
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, sale_order_ids=[(6, 0, order.ids)],
        )
        payment = self.env['account.payment'].create({
            'amount': 100, 'partner_id': self.partner.id, 'payment_transaction_id': tx.id,
            'journal_id': self.company_data['default_journal_bank'].id,
        })

        def refuse(*args, **kwargs):
            raise AssertionError("An entry is looked up.")

        with patch.object(type(self.env['vipps.settlement.entry']), '_read_group', refuse):
            for record in (order, tx, payment):
                self.assertEqual(record.vipps_payout_count, 0)
            self.assertFalse(payment.vipps_settled_on or payment.vipps_fee_amount)

    #=== Lists ===#

    def _list_unsettled(self, **values):
        return self.env['payment.transaction'].with_user(self.invoicer).search([
            ('vipps_is_unsettled', '=', True),
        ])

    def test_captures_that_are_not_settled_are_listed_after_days(self):
        order, tx = self._sell_order()
        _order, other_tx = self._sell_order(part=150)
        capture = other_tx.child_transaction_ids
        self.assertFalse(self._list_unsettled(), "There is no ledger.")
        self._configure(access=False)
        ledger = self.env['vipps.settlement.ledger'].sudo().create({
            'number': '9', 'msn': NOK_UNIT.msn, 'provider_id': self.vipps.id,
            'company_id': self.company.id, 'currency_id': self.currency_nok.id,
        })
        ledger._set_up()
        ledger.start_date = fields.Date.today() - timedelta(days=20)
        self.assertFalse(self._list_unsettled(), "They are new.")
        txs = tx | other_tx | capture
        txs.last_state_change = fields.Datetime.now() - timedelta(days=6)
        self.assertEqual(self._list_unsettled(), tx | capture)
        self.assertTrue(tx.vipps_is_unsettled)
        self.assertFalse(other_tx.vipps_is_unsettled)
        ledger.start_date = fields.Date.today() - timedelta(days=6)
        self.assertFalse(self._list_unsettled(), "They are from before the ledger.")
        ledger.start_date = fields.Date.today() - timedelta(days=20)
        ledger.number = f'9{NOK_UNIT.msn}'
        self._configure(access=True)
        self._settle(days=1)
        txs.last_state_change = fields.Datetime.now() - timedelta(days=6)
        self.assertFalse(self._list_unsettled())

    def test_entries_of_other_systems_are_listed(self):
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='capture', amount=5000, reference='other-1',
        )
        self._sell(100)
        self._set_up()
        self._settle(days=1)
        action = self.env.ref('mobilepay_vipps.action_vipps_foreign_entry').sudo()
        entries = self.env['vipps.settlement.entry'].with_user(self.invoicer).search(
            [('state', '=', 'foreign')]
        )
        self.assertEqual(action.domain, "[('state', '=', 'foreign')]")
        self.assertEqual(entries.mapped('reference'), ['other-1'])


@tagged('post_install', '-at_install')
class TestTillDrillDown(PosCommon, SettlementCommon):
    """ From the payout to the order and the session of a till, and back. """

    def test_orders_and_sessions_of_tills_lead_to_their_payout(self):
        invoicer = self._new_user(
            'vipps_invoicer', 'account.group_account_invoice,point_of_sale.group_pos_manager',
        )
        self._set_up()
        order = self._sell(45)
        self._follow_up()
        self._close()
        self._follow_up()
        self._settle(days=1)
        payout, entry = self.env['vipps.settlement.payout'].search([]), self._get_entries('capture')
        tx = order.payment_ids.sudo().vipps_transaction_id
        self.assertEqual((entry.transaction_id, entry.payout_id), (tx, payout))
        self.assertEqual(entry.payment_id.pos_session_id, self.session)
        for record in (order, self.session, tx, entry.payment_id):
            with self.subTest(record=record):
                record = record.with_user(invoicer)
                self.assertEqual(record.vipps_payout_count, 1)
                self.assertEqual(record.action_vipps_open_payouts()['res_id'], payout.id)
        self.assertEqual(entry.payment_id.vipps_settled_on, entry.ledger_date)
        action = entry.with_user(invoicer).action_open_documents()
        self.assertEqual((action['res_model'], action['res_id']), ('pos.order', order.id))
