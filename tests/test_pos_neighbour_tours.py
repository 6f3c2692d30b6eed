# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestPosNeighbourTours(PosTourCommon):
    """ Tills with what shops install beside ours. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.auto_validate_terminal_payment = False

    def _reopen(self, **values):
        """ Close the session, set up the till in another way, and open it again. """
        self.session.action_pos_session_closing_control()
        self.config.write(values)
        self._open_session(self.config)

    def test_a_guest_pays_while_the_waiter_is_at_another_table(self):
        self._reopen(module_pos_restaurant=True)
        self._start_tour('vipps_pos_restaurant')
        self.assertEqual(self._get_payments(), [('AUTHORIZED', 4500), ('TERMINATED', 0)])
        self.assertEqual(self._get_finished(), [(45, 0)])
