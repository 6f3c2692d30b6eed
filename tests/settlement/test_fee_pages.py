# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .fetching_common import FetchingCommon


@tagged('post_install', '-at_install')
class TestFeePages(FetchingCommon):
    """ The pages of fees, which nobody books. """

    def _post_fees(self, *amounts, **values):
        self._post(*amounts, topic='fees', entry_type='capture-fee', **values)

    def test_all_amounts_that_stay_wrong_in_a_page_are_filled(self):
        """ Two in the middle, and the one at the end. """
        ledger = self._set_up()
        self._post(1000)
        self._post_fees(-100)
        for before in (-150, -700):
            self._post_fees(-200, changes={'balanceBefore': before, 'balanceAfter': before - 200})
            self._post_fees(-300)
        self._post_fees(-400, changes={'balanceAfter': -999})
        self._settle()
        self.assertTrue(ledger.gap)
        self._press(ledger, 'action_go_on')
        self._post_fees(-500)
        self._settle()
        fillers = self.env['vipps.settlement.entry'].search([
            ('topic', '=', 'fees'), ('entry_type', '=', 'gap'),
        ], order='sequence')
        self.assertEqual(fillers.mapped('amount'), [-0.5, -0.5, 6.01])
        self._check_books(ledger)
        self.assertEqual(ledger.fees_balance, -14.99)

    def test_an_empty_page_of_the_funds_keeps_nothing_from_the_fees(self):
        ledger = self._set_up()
        self._post_fees(-100)
        self.simulator.fault('report_feed', 'edited', changes={'tryLater': False})
        self._settle()
        self.assertEqual(ledger.fees_balance, -1)
        self.assertEqual(self._count_asked(), 2)
        self.assertTrue(ledger.fetch_at)
