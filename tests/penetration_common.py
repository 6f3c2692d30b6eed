# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import contextmanager

from odoo.fields import Command

from .test_rpc import ACCESS_ERROR, RpcCommon

# The answers of Odoo to a user without the right, or to a record that is not shown.
REFUSALS = (ACCESS_ERROR, 'odoo.exceptions.MissingError')


class PenetrationCommon(RpcCommon):
    """ A record of each model, and payment managers of its company and of another one. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env['res.company'].create({'name': "Another Shop"})
        cls.users = {**cls.users, **{
            name: cls._new_user(
                f'vipps_{name}',
                'base.group_user,base.group_allow_export,mobilepay_vipps.group_payment_manager',
                company,
            ) for name, company in (('manager', cls.company), ('stranger', cls.other_company))
        }}

    def setUp(self):
        super().setUp()
        self.order = self._create_order()
        invoice = self._create_invoice()
        invoice_tx = self._authorize(invoice_ids=[Command.set(invoice.ids)])
        invoice_tx._send_capture_request()
        credit_note = invoice._reverse_moves()
        credit_note.action_post()
        self.env['vipps.api.call'].sudo().search([]).unlink()
        ledger, entry, payout = self._create_settlement(self.tx)
        self.records = {
            record._name: record for record in (
                self.vipps,
                self._authorize(sale_order_ids=[Command.set(self.order.ids)]),
                self.event,
                self.env.ref('base.module_mobilepay_vipps'),
                self.order,
                credit_note,
                invoice_tx.payment_id,
                self.env['vipps.audit.event'].sudo().search(
                    [('provider_id', '=', self.vipps.id)], limit=1
                ),
                self.env['payment.capture.wizard'].create({
                    'transaction_ids': [Command.set(self.tx.ids)],
                }),
                self.env['payment.refund.wizard'].create({'payment_id': invoice_tx.payment_id.id}),
                self.env['vipps.refund.wizard'].create({'move_id': credit_note.id}),
                self.env['vipps.key.rotation'].create({'provider_id': self.vipps.id}),
                self.env['vipps.personal.data'].create({'partner_id': self.partner.id}),
                ledger, entry, payout,
            ) if record
        }

    def _get_ids(self, model):
        return self.records.get(model, self.env['payment.provider']).ids

    @contextmanager
    def _assert_nothing_changes(self):
        state = self._read_state()
        yield
        self.assertEqual(self._read_state(), state)
