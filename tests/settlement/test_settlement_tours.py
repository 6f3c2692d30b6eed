# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...simulator.sales_units import NOK_UNIT
from ..pos_tour_common import PosTourCommon
from .settlement_common import SettlementCommon

ACTIONS = {
    'ledgers': 'mobilepay_vipps.action_vipps_settlement_ledger',
    'payouts': 'mobilepay_vipps.action_vipps_settlement_payout',
}


@tagged('post_install', '-at_install', 'vipps_tour')
class TestTours(SettlementCommon, PosTourCommon):
    """ An accountant in a browser. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant = cls._new_user(
            'vipps_chief',
            'account.group_account_manager,account.group_account_user,'
            'sales_team.group_sale_salesman_all_leads',
        )

    def _sell_order(self, amount):
        order = self._create_order(amount)
        tx = self._authorize(amount=amount, sale_order_ids=[Command.set(order.ids)])
        self._capture(tx, amount)
        self._follow_up()

    def _start_on(self, name, tour, size=None):
        self._start_page(f'/web#action={ACTIONS[name]}', tour, self.accountant, size)

    def test_an_accountant_sets_up_a_ledger(self):
        self._sell_order(200)
        ledger = self.vipps._vipps_find_ledgers()
        self._start_on('ledgers', 'vipps_settlement_set_up')
        self.assertTrue(ledger._is_set_up())
        self.assertEqual(self._get_entries().mapped('state'), ['matched'])

    def test_an_accountant_goes_from_a_payout_to_the_order_and_back(self):
        for amount in (200, 349, 79.5):
            self._sell_order(amount)
        self._set_up()
        self._configure(payout_text='Payment from Vipps MobilePay')
        self._settle(days=1)
        payout = self.env['vipps.settlement.payout'].search([])
        lines = [self._receive(payout.amount, "Transfer") for _number in range(2)]
        self._start_on('payouts', 'vipps_settlement_drill_down')
        self.assertEqual((payout.state, payout.bank_line_id), ('arrived', lines[0]))

    def _serve(self, name, content):
        """ Let the browser find a file. """
        self.env['ir.attachment'].create({
            'name': name, 'raw': content.encode(), 'url': f'/vipps_tour/{name}', 'public': True,
            'mimetype': 'text/csv',
        })

    def test_an_accountant_imports_a_file(self):
        """ A wrong one first. In Odoo Community, it is a manager who does this. """
        manager = self._new_user(
            'vipps_file_manager',
            'account.group_account_manager,sales_team.group_sale_salesman_all_leads',
        )
        self._configure(automatic=False)
        for amount in (200, 349, 79.5):
            self._sell_order(amount)
        self.settlement.close(NOK_UNIT.msn)
        self._set_up().sudo().provider_id = False  # Without access.
        self._serve('entries.csv', self.settlement.export(NOK_UNIT.msn, 'nb'))
        self._serve('old.csv', "Salgsdato,Salgssted,Vippsnummer,Ordre-ID,Oppgjørs-ID\n")
        with mute_logger('odoo.http'):  # The refusal.
            self._start_page(
                f'/web#action={ACTIONS["payouts"]}', 'vipps_settlement_import', manager,
            )
        entries = self._get_entries()
        self.assertEqual(set(entries.mapped('source')), {'file'})
        self.assertEqual(len(entries.filtered('payment_id')), 3)

    def test_an_accountant_looks_at_a_payout_on_a_phone(self):
        self._sell_order(200)
        self._set_up()
        self._settle(days=1)
        self._start_on('payouts', 'vipps_settlement_phone', '390,844')
