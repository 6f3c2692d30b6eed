# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields
from odoo.tests import tagged

from ..pos_tour_common import PosTourCommon


@tagged('post_install', '-at_install', 'vipps_tour')
class TestHealthTours(PosTourCommon):
    """ What a payment manager and a cashier see when Vipps MobilePay does not answer. """

    def setUp(self):
        super().setUp()
        self._authorize()
        self._insert_call('refused', status=400, code='6140')
        for number in range(6):
            self._insert_call('no_answer', reference=str(number))

    def _insert_call(self, outcome, **values):
        self.env['vipps.api.call'].sudo()._store({
            'provider_id': self.vipps.id, 'environment': 'test', 'operation': 'get',
            'reference': None, 'outcome': outcome, 'status': None, 'code': None, 'trace_id': None,
            'duration': 100, 'clock_offset': 0, 'create_date': fields.Datetime.now(), **values,
        })

    def test_manager_finds_out_what_is_wrong_and_what_is_behind_a_number(self):
        manager = self._new_user(
            'vipps_manager', 'base.group_user,mobilepay_vipps.group_payment_manager',
        )
        self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'CREATED', 'reference': 'failed-payment',
            'psp_reference': 'psp', 'state': 'failed',
        })
        self._start_page(
            '/web#action=mobilepay_vipps.action_vipps_health', 'vipps_health', manager
        )

    def test_cashier_is_told_that_vipps_does_not_answer_and_that_it_does_again(self):
        self._start_tour('vipps_pos_availability')
