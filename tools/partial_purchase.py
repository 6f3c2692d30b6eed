"""A purchase that is captured in part, refunded in part, and released for the rest."""

from .cache import ADDON
from .purchase import FULL_CAPTURE, Purchase, major
from .steps import expect
from .waiting import wait_until

SUMS = ('authorized', 'captured', 'refunded', 'remaining')


class PartialPurchase(Purchase):
    """One purchase, and the operations of the staff on its payment afterwards, from Odoo only."""

    def __init__(self, stack):
        """Prepare to buy from a running stack, which captures by hand from then on."""
        super().__init__(stack, FULL_CAPTURE)
        self._id = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        return [
            ("captured by hand", self._set_manual),
            *self._approving(),
            ("order confirmed", self._check_order),
            ("part captured", self._capture),
            ("part refunded", self._refund),
            ("rest released", self._release),
            ("Odoo agrees", self._check_sums),
            ("books balance", self._check_books),
        ]

    def _set_manual(self):
        """Let the provider leave captures to the staff."""
        provider = self.stack.rpc.reference(f'{ADDON}.payment_provider_vipps')
        self.stack.rpc('payment.provider', 'write', [provider], {'vipps_capture_mode': 'manual'})
        return "Odoo: payment.provider", None

    def _capture(self):
        """Capture half of it, in the window that the order's button opens."""
        self._id = self._transaction()['id']
        order = self._order()
        amount = round(order['amount_total'] / 2, 2)
        action = self.stack.rpc('sale.order', 'payment_action_capture', [order['id']])
        self._confirm(action, {'amount_to_capture': amount}, 'action_capture')
        captured = major(self._payment()['aggregate']['capturedAmount'])
        expect(captured == amount, captured)
        return "Simulator: aggregate", captured

    def _refund(self):
        """Refund a part of that, in the window that the button of its payment opens."""
        payment, = wait_until(self._get_payments)
        amount = round(payment['amount'] / 4, 2)
        action = self.stack.rpc('account.payment', 'action_refund_wizard', [payment['id']])
        action['context'] = {'active_model': 'account.payment', 'active_id': payment['id']}
        self._confirm(action, {'amount_to_refund': amount}, 'action_refund')
        refunded = major(self._payment()['aggregate']['refundedAmount'])
        expect(refunded == amount, refunded)
        return "Simulator: aggregate", refunded

    def _release(self):
        """Release the rest of the reservation, by the order's button."""
        self.stack.rpc('sale.order', 'payment_action_void', [self._order()['id']])
        aggregate = self._payment()['aggregate']
        released = major(aggregate['cancelledAmount'])
        expect(
            aggregate['capturedAmount']['value'] + aggregate['cancelledAmount']['value']
            == aggregate['authorizedAmount']['value'], aggregate,
        )
        return "Simulator: aggregate", released

    def _check_sums(self):
        """Have Odoo's transaction say the same as Vipps MobilePay's side."""
        names = [f'vipps_{name}_amount' for name in SUMS]
        found, = self.stack.rpc('payment.transaction', 'read', [self._id], names)
        aggregate = self._payment()['aggregate']
        expected = [
            *(major(aggregate[f'{name}Amount']) for name in SUMS[:3]), 0,
        ]
        expect([found[name] for name in names] == expected, found)
        return "Odoo: payment.transaction", found['vipps_captured_amount']

    def _check_books(self):
        """Check that the books hold the captured amount less the refunded one."""
        payments = wait_until(self._get_payments, lambda found: len(found) == 2)
        moves = [payment['move_id'][0] for payment in payments]
        self.entries = self._read_items(moves)
        debit, credit = (
            round(sum(line[side] for line in self.entries), 2) for side in ('debit', 'credit')
        )
        expect(self.entries and debit == credit, self.entries)
        kept = sum(
            payment['amount'] if payment['payment_type'] == 'inbound' else -payment['amount']
            for payment in payments
        )
        aggregate = self._payment()['aggregate']
        expect(round(kept, 2) == round(
            major(aggregate['capturedAmount']) - major(aggregate['refundedAmount']), 2
        ), payments)
        return "Odoo: account.move.line", round(kept, 2)

    def _get_payments(self):
        """Return the posted payments in the books."""
        return self.stack.rpc(
            'account.payment', 'search_read', [
                ('state', '=', 'posted'), ('vipps_payment_reference', '=', self.reference),
            ], ['amount', 'payment_type', 'move_id'], order='id',
        )

    def _confirm(self, action, values, button):
        """Fill in the window that an action opens, and press its button."""
        context = action['context']
        wizard = self.stack.rpc(action['res_model'], 'create', values, context=context)
        self.stack.rpc(action['res_model'], button, [wizard], context=context)
