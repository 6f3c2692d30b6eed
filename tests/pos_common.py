# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import copy
import itertools
import json
import uuid

from odoo import fields
from odoo.fields import Command

from .common import TransactionCommon

# It logs every order that it refuses.
SYNCHRONIZATION = 'odoo.addons.point_of_sale.models.pos_order'


class PosCommon(TransactionCommon):
    """ A Point of Sale in NOK with a cashier without other rights, and the requests of its till.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cashier = cls._new_user('vipps_cashier', 'base.group_user,point_of_sale.group_pos_user')
        cls.company.country_id = cls.country_norway
        bank_journal = cls.env['account.journal'].create({
            'name': "Vipps at the till", 'type': 'bank', 'code': 'VTILL',
            'company_id': cls.company.id,
        })
        cash_journal = cls.env['account.journal'].create({
            'name': "Till cash", 'type': 'cash', 'code': 'TCASH', 'company_id': cls.company.id,
        })
        cls.pos_method, cls.cash_method = cls.env['pos.payment.method'].create([{
            'name': "Vipps",
            'journal_id': bank_journal.id,
            'use_payment_terminal': 'vipps',
            'company_id': cls.company.id,
        }, {
            'name': "Cash", 'journal_id': cash_journal.id, 'company_id': cls.company.id,
        }])
        cls.config = cls._create_config("Shop")
        cls.session = cls._open_session(cls.config)
        cls.pos_product = cls.env['product.product'].create({
            'name': "Cinnamon Bun", 'list_price': 45, 'taxes_id': [Command.clear()],
            'available_in_pos': True, 'type': 'service',
        })
        cls.sequence = itertools.count(1)

    @classmethod
    def _create_config(cls, name, **values):
        return cls.env['pos.config'].create({
            'name': name,
            'company_id': cls.company.id,
            'module_pos_restaurant': False,  # A restaurant opens with its tables.
            'payment_method_ids': [Command.set((cls.pos_method | cls.cash_method).ids)],
            **values,
        })

    @classmethod
    def _open_session(cls, config):
        config.open_ui()
        session = config.current_session_id
        session.set_cashbox_pos(0, None)
        return session

    #=== What the browser sends ===#

    def _prepare_ui_order(self, amount=45, lines=None, payments=None, session=None, **values):
        """ Return an order as a till sends it; without payments all of it is paid with Vipps. """
        session = session or self.session
        number = next(self.sequence)
        uid = f'{session.id:05}-{1:03}-{number:04}'
        payments = [self._prepare_ui_payment(amount)] if payments is None else payments
        return {
            'id': uid,
            'data': {
                'name': f'Order {uid}',
                'uid': uid,
                'pos_session_id': session.id,
                'sequence_number': number,
                'user_id': self.cashier.id,
                'partner_id': False,
                'date_order': fields.Datetime.to_string(fields.Datetime.now()),
                'fiscal_position_id': False,
                'pricelist_id': session.config_id.pricelist_id.id,
                'amount_total': amount,
                'amount_tax': 0,
                'amount_paid': sum(payment['amount'] for payment in payments),
                'amount_return': 0,
                'to_invoice': False,
                'lines': [Command.create(line) for line in lines or [
                    self._prepare_ui_line(amount)
                ]],
                'statement_ids': [Command.create(payment) for payment in payments],
                **values,
            },
        }

    def _prepare_ui_line(self, amount, **values):
        return {
            'product_id': self.pos_product.id,
            'price_unit': abs(amount),
            'qty': 1 if amount >= 0 else -1,
            'price_subtotal': amount,
            'price_subtotal_incl': amount,
            'tax_ids': [Command.clear()],
            'full_product_name': self.pos_product.name,
            **values,
        }

    def _prepare_ui_payment(self, amount, method=None, **values):
        method = method or self.pos_method
        is_vipps = method == self.pos_method
        return {
            'name': fields.Datetime.to_string(fields.Datetime.now()),
            'amount': amount,
            'payment_method_id': method.id,
            'payment_status': 'pending' if is_vipps else '',
            'vipps_uuid': str(uuid.uuid4()) if is_vipps else False,
            **values,
        }

    def _save_draft(self, ui_order, user=None):
        """ Save an order as draft, as a till does before it asks for a payment. """
        return self._sync(ui_order, draft=True, user=user)

    def _sync(self, ui_order, draft=False, user=None):
        """ Send an order to the server, and return it; the till then knows it by its id. """
        orders = self.env['pos.order'].with_user(user or self.cashier).create_from_ui(
            [copy.deepcopy(ui_order)], draft
        )
        self.env.flush_all()
        self.env.invalidate_all()
        order = self.env['pos.order'].browse([order['id'] for order in orders])
        ui_order['data']['server_id'] = order.id or ui_order['data'].get('server_id')
        return order

    def _finish(self, ui_order, user=None):
        """ Validate an order whose payments are done, as the browser sees it. """
        for _command, _id, payment in ui_order['data']['statement_ids']:
            if payment['payment_status']:
                payment['payment_status'] = 'done'
        return self._sync(ui_order, user=user)

    def _call(self, name, *args, session=None, user=None, **kwargs):
        """ Call a method of the session, as the cashier. """
        session = (session or self.session).with_user(user or self.cashier)
        status = getattr(session, name)(*args, **kwargs)
        self.env.flush_all()
        self.env.invalidate_all()
        return status

    def _get_uuid(self, ui_order, index=0):
        return ui_order['data']['statement_ids'][index][2]['vipps_uuid']

    def _ask(self, ui_order, flow='qr', phone=False, code=False, index=0, **kwargs):
        """ Save an order and ask the customer for one of its payments; return the status. """
        order = self._save_draft(ui_order)
        status = self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_order, index), flow, phone, **kwargs
        )
        return self._call('vipps_start_attempt', status['reference'], code, **kwargs)

    def _ask_and_approve(self, ui_order, **kwargs):
        """ Ask the customer for a payment, and let the customer approve it. """
        status = self._ask(ui_order, **kwargs)
        self.simulator.approve(status['reference'])
        return self._look(status['reference'])

    def _look(self, reference, **kwargs):
        """ Return the status of an attempt, read again even after a missing answer. """
        self._get_attempt(reference).vipps_last_read = False
        self.env['vipps.api.call'].sudo().search([]).unlink()
        return self._call('vipps_get_attempt', reference, **kwargs)

    def _sell(self, amount=45, session=None, **kwargs):
        """ Return a finished order that was paid with Vipps. """
        ui_order = self._prepare_ui_order(amount, session=session, **kwargs)
        self._ask_and_approve(ui_order, session=session)
        return self._finish(ui_order)

    def _prepare_ui_refund(self, order, amount=None, payments=None, session=None):
        """ Return the order that gives products of a finished order back. """
        amount = order.amount_total if amount is None else amount
        return self._prepare_ui_order(
            -amount,
            lines=[self._prepare_ui_line(-amount, refunded_orderline_id=order.lines[:1].id)],
            payments=payments,
            session=session,
        )

    def _get_request(self, reference):
        """ Return the request that Vipps MobilePay got. """
        return self.simulator.payment(reference)['request']

    def _get_attempt(self, reference):
        return self.env['payment.transaction'].sudo().search([('reference', '=', reference)])

    def _get_messages(self):
        """ Return the channels and the messages that the tills got by the bus. """
        self.env.cr.precommit.run()
        messages = [
            (json.loads(row.channel), json.loads(row.message))
            for row in self.env['bus.bus'].sudo().search([], order='id')
        ]
        return [
            (channel[-1], message['payload']) for channel, message in messages
            if message['type'] == 'VIPPS_PAYMENT'
        ]

    def _close(self, session=None, user=None, cash=0, diffs=None):
        """ Close a session from the till, with what was counted otherwise than it was paid, and
        return the answer. """
        session = (session or self.session).with_user(user or self.cashier)
        answer = {'successful': True}
        if session.config_id.cash_control:
            answer = session.post_closing_cash_details(cash)
        if answer['successful']:
            session.update_closing_control_state_session("")
            answer = session.close_session_from_ui(list((diffs or {}).items()))
        self.env.flush_all()
        self.env.invalidate_all()
        return answer

    def _reopen(self, **method_values):
        """ Open another session after the payment method was changed. """
        self._close()
        self.pos_method.write(method_values)
        self.session = self._open_session(self.config)

    def _refund_in_till(self, order, amount, session=None):
        ui_refund = self._prepare_ui_refund(order, amount, session=session)
        self.assertEqual(self._ask(ui_refund, flow=False, session=session)['state'], 'refunded')
        return self._finish(ui_refund)

    def _get_paying_tx(self, order):
        return order.payment_ids.sudo().vipps_transaction_id
