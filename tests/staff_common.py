# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import html

from odoo.tests import new_test_user

from .common import TransactionCommon


class StaffCommon(TransactionCommon):
    """ Staff and customers in front of payments that were operated on in the portal, too. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_salesman = cls._new_user(
            'vipps_other_salesman', 'base.group_user,sales_team.group_sale_salesman',
        )
        cls.customer = new_test_user(
            cls.env, 'vipps_customer', 'base.group_portal', partner_id=cls.partner.id
        )
        for user in (cls.accountant, cls.salesman):
            user.tz = 'Europe/Oslo'

    def _authorize_order(self, amount=100, **values):
        order = self._create_order(price=amount, user_id=self.salesman.id, **values)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        return order, tx

    def _do(self, tx, operation, *amount):
        """ Do something in the portal of Vipps MobilePay, and have it read. """
        getattr(self.simulator, operation)(tx.vipps_payment_reference, *amount)
        self._refresh(tx)

    def _get_rows(self, timeline):
        """ Return the texts of the cells of a timeline. """
        return [
            [" ".join(cell.text_content().split()) for cell in row.iter('td')]
            for row in html.fromstring(timeline).iter('tr') if row.find('td') is not None
        ]
