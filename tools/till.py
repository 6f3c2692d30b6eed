"""A Point of Sale in a browser: every call over HTTP, and the bus over a websocket."""

import contextlib
import datetime
import itertools
import json
import time
import uuid

from .customer import Customer, ShopError
from .waiting import PATIENCE

PAYMENT_MESSAGE, CHECK_IN_MESSAGE = 'VIPPS_PAYMENT', 'VIPPS_CHECK_IN'


def create_configs(rpc, count):
    """Create Points of Sale that take nothing but Vipps MobilePay; returns their ids."""
    method, = rpc('pos.payment.method', 'search', [('use_payment_terminal', '=', 'vipps')])
    return rpc('pos.config', 'create', [
        {'name': f"Till {number + 1}", 'payment_method_ids': [(6, 0, [method])]}
        for number in range(count)
    ])


class Cashier(Customer):
    """A browser in which a cashier has logged in."""

    def __init__(self, stack, login):
        """Log in.

        :param tools.stack.Stack stack: The shop.
        :param str login: The cashier's, who has the same password.
        """
        super().__init__(stack.url, stack.simulator_url)
        self.user = self.call(
            '/web/session/authenticate', db=stack.odoo.database, login=login, password=login
        )['uid']


class Till:
    """A till in a tab of the browser of a cashier; amounts are in major units."""

    def __init__(self, cashier, config):
        """Open the session of a Point of Sale or join it, and load it.

        :param Cashier cashier: The cashier.
        :param int config: The Point of Sale.
        """
        self.calls = []  # the names of the methods that were called
        self._cashier = cashier
        self.call('pos.config', 'open_ui', [config])
        found = self.call('pos.session', 'search_read', [
            ('config_id', '=', config), ('state', '!=', 'closed'), ('rescue', '=', False),
        ], ['state'])
        self.session = found[0]['id']
        if found[0]['state'] == 'opening_control':
            self.call('pos.session', 'set_cashbox_pos', [self.session], 0, None)
        login_number = self.call('pos.session', 'login', [self.session])
        self.data = self.call('pos.session', 'load_pos_data', [self.session])
        self._names = (
            f'{self.session:05}-{login_number:03}-{number:04}' for number in itertools.count(1)
        )

    def call(self, model, method, *arguments, **named):
        """Call a method as the cashier.

        :raise ShopError: When Odoo answers with an error; the text is what the cashier reads.
        """
        self.calls.append(method)
        return self._cashier.call(
            f'/web/dataset/call_kw/{model}/{method}', model=model, method=method, args=arguments,
            kwargs=named,
        )

    # Orders

    def new_order(self, amount=199, **values):
        """Return an order over one product, or one that gives it back if the amount is negative;
        without payments."""
        product = self._find('product.product', 'display_name', "Wool socks")
        tax, = product['taxes_id']
        rate = next(t['amount'] for t in self.data['account.tax'] if t['id'] == tax) / 100
        net_amount = round(amount / (1 + rate), 2)
        name = next(self._names)
        return Order(name, {
            'name': f'Order {name}',
            'uid': name,
            'pos_session_id': self.session,
            'sequence_number': int(name.rpartition('-')[2]),
            'user_id': self._cashier.user,
            'partner_id': False,
            'date_order': datetime.datetime.utcnow().strftime('%Y-%m-%d %H:%M:%S'),
            'fiscal_position_id': False,
            'pricelist_id': False,
            'amount_total': amount,
            'amount_tax': round(amount - net_amount, 2),
            'amount_return': 0,
            'to_invoice': False,
            'lines': [(0, 0, {
                'product_id': product['id'],
                'full_product_name': product['display_name'],
                'price_unit': abs(amount),
                'qty': 1 if amount > 0 else -1,
                'discount': 0,
                'price_subtotal': net_amount,
                'price_subtotal_incl': amount,
                'tax_ids': [(6, 0, [tax])],
                **values,
            })],
        })

    def new_refund(self, order, amount=None):
        """Return the order that gives the product of a finished order back, with its payment."""
        line, = self.call('pos.order', 'read', [order.server_id], ['lines'])[0]['lines']
        refund = self.new_order(-(amount or order.amount), refunded_orderline_id=line)
        self.add_payment(refund)
        return refund

    def add_payment(self, order, amount=None, method="Vipps"):
        """Add a payment to an order, for the amount that is left by default; returns its key."""
        found = self._find('pos.payment.method', 'name', method)
        is_vipps = found['use_payment_terminal'] == 'vipps'
        paid = sum(payment['amount'] for payment in order.payments)
        order.payments.append({
            'name': order.data['date_order'],
            'amount': order.amount - paid if amount is None else amount,
            'payment_method_id': found['id'],
            'payment_status': 'pending' if is_vipps else '',
            'vipps_uuid': str(uuid.uuid4()) if is_vipps else False,
        })
        return order.payments[-1]['vipps_uuid']

    def save(self, order, draft=True):
        """Send an order to the server, which does not look at those that are finished already."""
        for found in self.call('pos.order', 'create_from_ui', [order.to_json()], draft):
            order.server_id = found['id']

    def finish(self, order):
        """Validate an order that is paid."""
        for payment in order.payments:
            if payment['vipps_uuid']:
                payment['payment_status'] = 'done'
        self.save(order, draft=False)

    def _find(self, model, field, value):
        return next(record for record in self.data[model] if record[field] == value)

    # Payments

    def attempt(self, action, *arguments, **named):
        """Call `vipps_<action>_attempt` of the session; returns the status."""
        return self.call(
            'pos.session', f'vipps_{action}_attempt', [self.session], *arguments, **named
        )

    def create(self, order, flow='qr', phone=False, index=0):
        """Save an order and store an attempt to take one of its payments."""
        self.save(order)
        return self.attempt(
            'create', order.server_id, order.payments[index]['vipps_uuid'], flow, phone
        )

    def ask(self, order, flow='qr', phone=False, code=False, index=0):
        """Ask the customer for a payment of an order, or refund it; returns the status."""
        status = self.create(order, flow, phone, index)
        return self.attempt('start', status['reference'], code)

    def list_attempts(self, *arguments):
        """Return the attempts that are open, or paid for no finished order."""
        return self.call('pos.session', 'vipps_list_attempts', [self.session], *arguments)

    def list_check_ins(self):
        """Return the customers who have scanned the sticker and were not asked to pay yet."""
        return self.call('pos.session', 'vipps_list_check_ins', [self.session])

    def dismiss_check_in(self, check_in):
        """Forget a customer who has scanned the sticker and left; returns who waits now."""
        return self.call('pos.session', 'vipps_dismiss_check_in', [self.session], check_in)

    def close(self):
        """Close the session; returns the answer, which may say why not."""
        config = self.data['pos.config']
        if config['cash_control']:
            counted = self.call(
                'pos.session', 'get_closing_control_data', [self.session]
            )['default_cash_details']['amount']
            answer = self.call(
                'pos.session', 'post_closing_cash_details', [self.session], counted_cash=counted
            )
            if not answer['successful']:
                return answer
        with contextlib.suppress(ShopError):  # The next answer says why not.
            self.call('pos.session', 'update_closing_control_state_session', [self.session], "")
        return self.call('pos.session', 'close_session_from_ui', [self.session], [])

    # The bus

    @contextlib.contextmanager
    def listen(self):
        """Yield the bus, subscribed to the channel of the session."""
        import websocket  # The demo, which does not listen, runs without packages.

        url, session = self._cashier.shop_url, self.data['pos.session']
        connection = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/websocket", origin=url, timeout=PATIENCE,
            cookie='; '.join(f'{c.name}={c.value}' for c in self._cashier.cookies),
        )
        with contextlib.closing(connection):
            connection.send(json.dumps({
                'event_name': 'subscribe',
                'data': {
                    'channels': [f"pos_session-{session['id']}-{session['access_token']}"],
                    'last': 0,
                },
            }))
            yield Bus(connection)


class Order:
    """An order as the browser keeps it."""

    def __init__(self, name, data):
        """Start without payments, unknown to the server."""
        self.name = name
        self.data = data
        self.payments = []
        self.server_id = False

    @property
    def amount(self):
        """The amount to pay."""
        return self.data['amount_total']

    def to_json(self):
        """Return the order as it is sent to the server."""
        return {'id': self.name, 'to_invoice': False, 'data': {
            **self.data,
            'server_id': self.server_id,
            'amount_paid': sum(payment['amount'] for payment in self.payments),
            'statement_ids': [(0, 0, payment) for payment in self.payments],
        }}


class Bus:
    """The bus messages of a till."""

    def __init__(self, connection):
        """Listen to a websocket that is open and subscribed."""
        self.payloads = []  # of our messages, in order
        self._connection = connection

    def wait_for(self, reference):
        """Wait until the till is told to look at a payment; returns the payload.

        :raise LookupError: When it is not; shows what it was told.
        """
        for payload in self.receive(PAYMENT_MESSAGE):
            if payload.get('reference') == reference:
                return payload
        raise LookupError(f"The till is not told of {reference}, but {self.payloads}.")

    def wait_for_check_in(self):
        """Wait until the till is told to look at who has scanned the sticker; returns True.

        :raise LookupError: When it is not.
        """
        for _payload in self.receive(CHECK_IN_MESSAGE):
            return True
        raise LookupError("The till is not told of anybody who scans.")

    def receive(self, kind):
        """Yield the payloads of the messages of a kind, for a while."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for message in json.loads(self._connection.recv()):
                if message['message']['type'] == kind:
                    self.payloads.append(message['message']['payload'])
                    yield self.payloads[-1]
