"""The people of the back office, and the checks that both sides agree after their work."""

from tools.rpc import RpcError

from .shop import NOK_UNIT, LiveTest, wait_until

# The parts of a payment: its own transaction, its captures, releases and refunds.
PARTS = """
    WITH RECURSIVE part AS (
        SELECT tx.*, NULL::varchar AS parent_operation
          FROM payment_transaction tx WHERE reference = %s
         UNION
        SELECT tx.*, part.operation
          FROM payment_transaction tx JOIN part ON tx.source_transaction_id = part.id
    )
    SELECT part.reference, part.state, part.operation, round(part.amount * 100)::int,
           part.vipps_psp_reference, move.state,
           round((CASE payment.payment_type WHEN 'inbound' THEN 1 ELSE -1 END)
                 * payment.amount * 100)::int
      FROM part
      LEFT JOIN account_payment payment ON payment.payment_transaction_id = part.id
      LEFT JOIN account_move move ON move.id = payment.move_id
     ORDER BY part.id
"""

# What the payments of a transaction and its parts have on the account of the money that Vipps
# MobilePay still has, and whether their entries balance.
LEDGER = """
    WITH RECURSIVE part AS (
        SELECT id FROM payment_transaction WHERE reference = %s
         UNION
        SELECT tx.id FROM payment_transaction tx JOIN part ON tx.source_transaction_id = part.id
    )
    SELECT COALESCE(round(sum(line.balance) FILTER (
               WHERE line.account_id = payment.outstanding_account_id
           ) * 100)::int, 0),
           COALESCE(round(sum(line.balance) * 100)::int, 0)
      FROM part
      JOIN account_payment payment ON payment.payment_transaction_id = part.id
      JOIN account_move_line line ON line.move_id = payment.move_id
"""

EVENTS = {'captured': 'CAPTURED', 'refunded': 'REFUNDED', 'cancelled': 'CANCELLED'}


class BackOfficeTest(LiveTest):
    """Payments that people capture, release and refund by hand. Amounts are in minor units."""

    expected_in_log = (
        r'odoo\.http: ',  # What people are told when something cannot be done (now).
        r'account_move_unique_name',  # Two posted at once: the job of core does one of them later.
    )

    @classmethod
    def setUpClass(cls):
        """Hire two accountants, and leave the captures to them."""
        super().setUpClass()
        cls.capture_by('manual')
        cls.addClassCleanup(cls.capture_by, 'automatic')
        cls.kari, cls.ola = (cls.hire(login) for login in ('kari', 'ola'))

    @classmethod
    def capture_by(cls, mode):
        """Set when payments are captured that are started from now on."""
        cls.rpc('payment.provider', 'write', [cls.provider], {'vipps_capture_mode': mode})

    # Payments

    def reserve(self):
        """Return the reference of a payment that a customer has approved."""
        reference = self.start_told_payment()
        self.decide(reference)
        wait_until(lambda: self.transaction(reference)['state'] == 'authorized')
        return reference

    def reserve_and_capture(self, amount):
        """Return the reference of a payment of which a part is captured and in the books."""
        reference = self.reserve()
        self.capture(reference, amount)
        self.wait_for_books(reference)
        return reference

    def total(self, reference):
        """Return the amount of a payment."""
        return self.payment(reference)['amount']['value']

    def sums(self, reference):
        """Return the sums captured, refunded and cancelled at Vipps MobilePay."""
        aggregate = self.payment(reference)['aggregate']
        return {name: aggregate[f'{name}Amount']['value'] for name in EVENTS}

    def in_portal(self, operation, reference, amount=None):
        """Operate in the portal of Vipps MobilePay."""
        body = {} if amount is None else {'amount': amount}
        self.control('POST', f'payments/{reference}/{operation}', **body)

    # What people do

    def open_capture(self, reference, amount, who=None):
        """Open the window to capture a payment; returns a function that presses its button."""
        who = who or self.kari
        tx = self.transaction(reference)['id']
        action = who('payment.transaction', 'action_capture', [tx])
        wizard = who('payment.capture.wizard', 'create', {
            'transaction_ids': [(6, 0, [tx])], 'amount_to_capture': amount / 100,
        }, context=action['context'])
        return lambda: who('payment.capture.wizard', 'action_capture', [wizard])

    def open_refund(self, reference, amount, who=None):
        """Open the window to refund the first capture; returns a function that presses its
        button."""
        who = who or self.kari
        payment = self.captured_payments(reference)[0]
        action = who('account.payment', 'action_refund_wizard', [payment])
        wizard = who('payment.refund.wizard', 'create', {
            'payment_id': payment, 'amount_to_refund': amount / 100,
        }, context={**(action.get('context') or {}), 'active_id': payment})
        return lambda: who('payment.refund.wizard', 'action_refund', [wizard])

    def captured_payments(self, reference):
        """Return the ids of the posted payments of the captures, the oldest first."""
        return self.rpc('account.payment', 'search', [
            ('state', '=', 'posted'), ('payment_type', '=', 'inbound'),
            '|', ('payment_transaction_id.reference', '=', reference),
            ('payment_transaction_id.source_transaction_id.reference', '=', reference),
        ], order='id')

    def capture(self, reference, amount, who=None):
        """Capture a part of a payment."""
        self.open_capture(reference, amount, who)()

    def refund(self, reference, amount, who=None):
        """Refund a part of the first capture."""
        self.open_refund(reference, amount, who)()

    def void(self, reference, who=None):
        """Release the rest of a payment."""
        (who or self.kari)(
            'payment.transaction', 'action_void', [self.transaction(reference)['id']]
        )

    def attempt(self, action):
        """Do something that may be refused; returns the sentence that says why, or None."""
        try:
            action()
        except RpcError as error:
            return str(error)
        return None

    # What everybody agrees on in the end

    def parts(self, reference):
        """Return the transactions of a payment that moved money: the name of the event that each
        stands for, the amount, the event's reference, and its state and amount in the books."""
        rows = self.stack.execute((PARTS, [reference]))
        root_operation = rows[0][2]
        has_children = any(operation == root_operation for _r, _s, operation, *_more in rows[1:])
        found = []
        for name, state, operation, amount, psp_reference, move_state, booked in rows:
            if name == reference and (has_children or state not in ('done', 'cancel')):
                continue
            self.assertIn(state, ('done', 'cancel', 'authorized'), name)
            event = 'CANCELLED' if state == 'cancel' else (
                'REFUNDED' if operation == 'refund' else 'CAPTURED'
            )
            found.append((event, abs(amount), psp_reference, move_state and (move_state, booked)))
        return found

    def disagreements(self, reference):
        """Return in words where Odoo and Vipps MobilePay differ about a payment."""
        payment, parts = self.payment(reference), self.parts(reference)
        found = []
        for name, event_name in EVENTS.items():
            theirs = payment['aggregate'][f'{name}Amount']['value']
            ours = sum(amount for event, amount, *_more in parts if event == event_name)
            if theirs != ours:
                found.append(f"{name}: {theirs}, in Odoo {ours}")
        events = {
            event['pspReference']: (event['name'], event['amount']['value'])
            for event in payment['events']
            if event['name'] in EVENTS.values() and event['success']
        }
        told = {}
        for event_name, amount, psp_reference, _booked in parts:
            name, before = told.get(psp_reference, (event_name, 0))
            # Only a refund in the portal can be of several captures.
            if before and event_name != 'REFUNDED':
                found.append(f"{psp_reference} more than once")
            told[psp_reference] = name, before + amount
        if told != events:
            found.append(f"events: {events}, in Odoo {told}")
        return found + self.unbooked(reference, parts)

    def unbooked(self, reference, parts):
        """Return the differences between a payment and its books, in words."""
        found = []
        for event_name, amount, _psp_reference, booked in parts:
            expected = {
                'CAPTURED': ('posted', amount), 'REFUNDED': ('posted', -amount), 'CANCELLED': None,
            }[event_name]
            if booked != expected:
                found.append(f"{event_name} {amount} is booked as {booked}")
        (outstanding, unbalanced), = self.stack.execute((LEDGER, [reference]))
        sums = self.sums(reference)
        if (outstanding, unbalanced) != (sums['captured'] - sums['refunded'], 0):
            found.append(f"ledger: {outstanding} outstanding, {unbalanced} unbalanced")
        return found

    def wait_for_books(self, reference):
        """Wait until the captures are in the books."""
        wait_until(lambda: not self.unbooked(reference, self.parts(reference)))

    def assert_agreed(self, reference, captured=0, refunded=0, cancelled=0):
        """Check that both sides have these sums, each with its transaction and its entry in the
        books."""
        expected = {'captured': captured, 'refunded': refunded, 'cancelled': cancelled}
        self.assertEqual(self.sums(reference), expected)
        try:
            wait_until(lambda: not self.disagreements(reference))
        except AssertionError:
            self.fail(f"{reference}: {self.disagreements(reference)}")
        self.assertEqual(self.payment(reference)['amount']['currency'], NOK_UNIT.currency)

    def compare(self):
        """Have all payments compared, as every night."""
        self.rpc('payment.provider', 'action_vipps_compare_payments', [self.provider])
        self.run_job('cron_sync_payments')
