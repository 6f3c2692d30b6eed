# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..pos_tour_common import PosTourCommon
from .test_setup_guide import KEYS


@tagged('post_install', '-at_install', 'vipps_tour')
class TestSetupTours(PosTourCommon):

    def test_administrator_goes_from_an_empty_provider_to_a_paid_order(self):
        administrator = self._new_user(
            'vipps_administrator',
            'base.group_user,base.group_system,account.group_account_invoice,'
            'point_of_sale.group_pos_manager',
        )
        provider = self.vipps
        provider.write({
            'state': 'disabled', 'is_published': False, **dict.fromkeys(KEYS, False),
        })
        self._start_page(
            f'/web?simulator={self.simulator.url}'
            f'#id={provider.id}&model=payment.provider&view_type=form',
            'vipps_setup_guide', administrator,
        )
        self.assertEqual((provider.state, provider.is_published), ('test', True))
        self.assertTrue(provider.vipps_webhook_secret)
        tx = provider.vipps_guide_transaction_id
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('done', 'sale'))
        self.assertEqual(self._get_aggregate(tx)['captured'], 200)
