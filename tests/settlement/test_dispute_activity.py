# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from ...simulator.sales_units import NOK_UNIT
from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestDisputeActivity(SettlementCommon):
    """ A person learns of a dispute, until it is decided. """

    def setUp(self):
        super().setUp()
        self.order = self._create_order(price=200, user_id=self.salesman.id)
        self.tx = self._sell(200, sale_order_ids=[Command.set(self.order.ids)])
        self.ledger = self._set_up()
        self._settle(days=1)
        self.bookkeeper.groups_id += self.env.ref('account.group_account_user')

    def _dispute(self, won=False):
        self.settlement.dispute(NOK_UNIT.msn, self.tx.vipps_payment_reference, won=won)
        self._settle()

    def _get_dispute_activities(self):
        self.env.invalidate_all()
        return self.order.activity_ids.filtered('vipps_problem')

    def test_the_salesperson_gets_an_activity_with_order_and_customer(self):
        self._dispute()
        activity, = self._get_dispute_activities()
        self.assertEqual(activity.user_id, self.salesman)
        self.assertEqual(activity.summary, f"Payment {self.tx.reference} is disputed")
        for part in (self.order.name, self.partner.name, "200.00", "press Done"):
            self.assertIn(part, activity.note.replace('\xa0', ' '))
        self._settle()
        self.assertEqual(self._get_dispute_activities(), activity)

    def test_the_activity_ends_when_the_dispute_is_won(self):
        self._dispute()
        self._dispute(won=True)
        self.assertFalse(self._get_dispute_activities())
        self.assertEqual(
            set(self._get_entries('retained-disputed-capture').mapped('state')), {'matched'},
        )

    def test_the_activity_ends_when_the_entry_is_done(self):
        self._dispute()
        entry = self._get_entries('retained-disputed-capture')
        self.assertEqual(entry.state, 'check')
        entry.with_user(self.bookkeeper).action_done()
        self.assertFalse(self._get_dispute_activities())

    def test_other_entries_that_are_done_end_no_dispute(self):
        self.settlement.add_entry(
            NOK_UNIT.msn, topic='funds', entryType='correction', amount=500,
        )
        self._dispute()
        self._get_entries('correction').with_user(self.bookkeeper).action_done()
        self.assertTrue(self._get_dispute_activities())

    def test_a_payment_that_is_disputed_again_gets_a_new_activity(self):
        for _i in range(2):
            self._dispute()
            self.assertEqual(len(self._get_dispute_activities()), 1)
            self._dispute(won=True)
            self.assertFalse(self._get_dispute_activities())
            self._sell(50)  # Else all of it is in one second, and the balances are the same.

    def test_a_dispute_that_is_won_before_odoo_reads_it_leaves_nothing(self):
        self.settlement.dispute(NOK_UNIT.msn, self.tx.vipps_payment_reference)
        self.settlement.dispute(NOK_UNIT.msn, self.tx.vipps_payment_reference, won=True)
        self._settle()
        self.assertFalse(self._get_dispute_activities())
        self.assertEqual(
            set(self._get_entries('retained-disputed-capture').mapped('state')), {'matched'},
        )

    def test_the_health_job_leaves_the_activity_alone(self):
        tx = self._sell(300)
        self._settle()
        self.settlement.dispute(NOK_UNIT.msn, tx.vipps_payment_reference)
        self._settle()
        activity = self._get_activities().filtered(
            lambda a: a.vipps_problem == f'dispute:{tx.id}'
        )
        self.assertTrue(activity)
        self.env['payment.provider']._cron_vipps_watch_health()
        self.assertTrue(activity.exists())
