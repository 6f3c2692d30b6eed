# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tests.common import JsonRpcException
from odoo.tools import mute_logger

from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosGuests(PosCommon, HttpCase):
    """ Guests change an order from their phone (`pos_self_order`) while the waiter asks for it. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest_user = cls._new_user(
            'vipps_guest', 'base.group_user,point_of_sale.group_pos_manager',
        )
        cls.config.write({
            'self_ordering_default_user_id': cls.guest_user.id,
            'self_ordering_mode': 'mobile',
            'self_ordering_service_mode': 'counter',
        })

    def _send(self, order, quantities):
        """ Send what a guest's phone shows of an order, and return the answer. """
        lines = [{
            'id': line.id, 'uuid': line.uuid, 'product_id': line.product_id.id, 'qty': quantity,
            'attribute_value_ids': [], 'full_product_name': line.full_product_name,
        } for line, quantity in zip(order.lines, quantities, strict=False)]
        lines += [{
            'uuid': f'guest-{number}', 'product_id': self.pos_product.id, 'qty': quantity,
            'attribute_value_ids': [], 'full_product_name': self.pos_product.name,
        } for number, quantity in enumerate(quantities[len(order.lines):])]
        answer = self.make_jsonrpc_request('/pos-self-order/update-existing-order', {
            'order': {'id': order.id, 'access_token': order.access_token, 'lines': lines},
            'access_token': self.config.access_token, 'table_identifier': False,
        })
        self.env.invalidate_all()
        return answer

    def _ask_for_buns(self):
        ui_order = self._prepare_ui_order(
            90, access_token='guests-order',
            lines=[self._prepare_ui_line(45, uuid=f'line-{number}') for number in range(2)],
        )
        return ui_order, self._ask(ui_order)

    def test_what_a_guest_adds_waits_for_its_own_payment(self):
        ui_order, status = self._ask_for_buns()
        order = self.env['pos.order'].browse(status['order_id'])
        self._send(order, [1, 1, 1])
        self.assertEqual(order.amount_total, 135)
        self.simulator.approve(status['reference'])
        self.assertEqual(self._look(status['reference'])['amount'], 90)
        status = self._call('vipps_attach_attempt', status['reference'])
        self.assertEqual((status['is_attached'], order.state), (False, 'draft'))
        self.assertIn("not fully paid", status['notice'])

    def test_a_guest_makes_no_order_less_than_its_payment(self):
        _ui_order, status = self._ask_for_buns()
        order = self.env['pos.order'].browse(status['order_id'])
        for _state in ('waiting', 'paid'):
            with self.assertRaisesRegex(JsonRpcException, "UserError"), mute_logger('odoo.http'):
                self._send(order, [1])
            self.env.invalidate_all()
            self.assertEqual(order.amount_total, 90)
            if self._look(status['reference'])['state'] == 'waiting':
                self.simulator.approve(status['reference'])


@tagged('post_install', '-at_install')
class TestPosEmployees(PosCommon):
    """ Tills on which employees take turns (`pos_hr`): the user who is logged in is none of them.
    """

    def test_employees_without_a_user_take_and_refund_payments(self):
        employees = self.env['hr.employee'].create([
            {'name': name, 'company_id': self.company.id, 'pin': '1234'}
            for name in ("Kari", "Ola")
        ])
        self.session = self._open_session(self._create_config(
            "Kiosk", payment_method_ids=[Command.set(self.pos_method.ids)],
            module_pos_hr=True, basic_employee_ids=[Command.set(employees.ids)],
        ))
        shared_user = self.cashier.copy({'login': 'vipps_shared_till'})
        ui_order = self._prepare_ui_order(employee_id=employees[0].id)
        order = self._save_draft(ui_order, user=shared_user)
        status = self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_order), 'qr', user=shared_user
        )
        self._call('vipps_start_attempt', status['reference'], user=shared_user)
        self.simulator.approve(status['reference'])
        self.assertEqual(self._look(status['reference'], user=shared_user)['state'], 'paid')
        ui_order['data']['employee_id'] = employees[1].id
        order = self._finish(ui_order, user=shared_user)
        self.assertEqual((order.state, order.employee_id), ('paid', employees[1]))
        with self.assertRaises(UserError):
            order.with_user(shared_user).action_pos_order_cancel()
