"""The customers and cashiers of `bench.load`, for the load generator locust.

Customers come at random moments, as many as the present phase wants, whether or not the shop keeps
up: the next free till or browser takes them. Each wait is written down as a line of JSON.
"""

import contextlib
import json
import os
import random
import time
import urllib.request
from types import SimpleNamespace

import gevent
from gevent.event import Event
from gevent.queue import Queue
from locust import User, constant, events, task
from websocket import WebSocketException

from bench.shopper import Shopper
from tools.chaos import BAD_LUCK
from tools.console import Failure
from tools.customer import ShopError
from tools.till import PAYMENT_MESSAGE, Cashier, Till

PLAN = json.loads(os.environ['VIPPS_BENCH_LOAD'])
STACK = SimpleNamespace(
    url=PLAN['url'], simulator_url=PLAN['simulator_url'],
    odoo=SimpleNamespace(database=PLAN['database']),
)
THINKING = (3, 9)  # seconds that customers take to approve
LOOK, POLL = 2, 3  # seconds between two looks of a till, and of the page of a customer
PATIENCE = 60  # seconds until a customer leaves
RETRY = 2  # seconds until a till is opened again
queues = {'till': Queue(), 'shop': Queue()}  # when the customers came that nobody has taken
closed = list(PLAN['tills'])  # pairs of a till that is to be opened and its cashier
ready = Queue()  # has an item for each that is open
records = open(PLAN['records'], 'a', buffering=1)


def write(**record):
    """Write down what happened now."""
    records.write(json.dumps({'at': time.time(), **record}) + '\n')


@events.test_start.add_listener
def begin(environment, **_details):
    """Let customers come as soon as all tills are open."""
    gevent.spawn(let_come)


def let_come():
    """Let customers come in one phase after the other."""
    for _till in PLAN['tills']:
        ready.get()
    write(name='start')
    end = time.time()
    for rate, seconds in PLAN['phases']:
        due = end + random.expovariate(rate)
        end += seconds
        while due < end:
            gevent.sleep(max(0, due - time.time()))
            kind = 'till' if random.random() < PLAN['till_share'] else 'shop'
            write(name=kind)
            queues[kind].put(due)
            due += random.expovariate(rate)
        gevent.sleep(max(0, end - time.time()))


def note(name, started, error=None):
    """Write down a wait that is over, also for locust."""
    seconds = time.time() - started
    write(name=name, seconds=seconds, error=error and (str(error) or type(error).__name__)[:120])
    events.request.fire(
        request_type='wait', name=name, response_time=seconds * 1000, response_length=0,
        exception=error, context={},
    )


@contextlib.contextmanager
def wait(name):
    """Note how long somebody waits, and why a customer leaves; yields when it `started`."""
    clock = SimpleNamespace(started=time.time())
    try:
        yield clock
    except (*BAD_LUCK, Failure) as error:
        note(name, clock.started, error)
        raise
    note(name, clock.started)


def approve(reference):
    """Let the customer approve in the app, after a while; returns when that was."""
    gevent.sleep(random.uniform(*THINKING))
    approved = time.time()
    url = f'{STACK.simulator_url}/control/payments/{reference}/approve'
    with urllib.request.urlopen(urllib.request.Request(url, b'{}'), timeout=PATIENCE):
        return approved


class Person(User):
    """Somebody who serves one customer after the other."""

    abstract = True
    wait_time = constant(0)
    kind = None  # of the customers

    @task
    def serve(self):
        """Serve the next customer, who leaves when something goes wrong."""
        came = queues[self.kind].get()
        note(f'{self.kind}: free', came)
        with contextlib.suppress(*BAD_LUCK, Failure):
            with gevent.Timeout(PATIENCE, TimeoutError("The customer has left.")):
                self.take_payment()


class TillUser(Person):
    """A cashier at a till, which is told by the bus and looks by itself, as its script does."""

    fixed_count = len(PLAN['tills'])
    kind = 'till'

    def on_start(self):
        """Open the till, again while the shop is too slow for so many."""
        config, login = closed.pop()
        while True:
            try:
                self.till = Till(Cashier(STACK, login), config)
                break
            except BAD_LUCK:
                gevent.sleep(RETRY)
        self.reference = None  # of the payment that is asked for
        self.news = Event()
        gevent.spawn(self.listen)
        ready.put(config)

    def listen(self):
        """Listen to the bus, again when it is lost."""
        while True:
            try:
                with self.till.listen() as bus:
                    while True:
                        for payload in bus.receive(PAYMENT_MESSAGE):
                            if payload.get('reference') == self.reference:
                                self.news.set()
            except (*BAD_LUCK, WebSocketException) as error:
                note('till: bus', time.time(), error)
                gevent.sleep(RETRY)

    def take_payment(self):
        """Show a QR code, wait until the payment is approved and known, and finish the order."""
        till = self.till
        order = till.new_order()
        till.add_payment(order)
        with wait('till: asked'):
            self.reference = till.ask(order)['reference']
        approving = gevent.spawn(approve, self.reference)
        try:
            with wait('till: paid') as clock:
                is_paid = False
                while not is_paid:
                    self.news.wait(LOOK)
                    self.news.clear()  # What comes during a look makes the till look once more.
                    is_paid = till.attempt('get', self.reference)['state'] == 'paid'
                clock.started = approving.get()
        finally:
            approving.kill()
        with wait('till: finished'):
            till.finish(order)


class ShopUser(Person):
    """A browser of a customer of the web shop."""

    fixed_count = PLAN['browsers']
    kind = 'shop'

    def take_payment(self):
        """Fill the cart, pay in the app, and come back until the page says that it is paid."""
        customer = Shopper(STACK.url, STACK.simulator_url, choose=random)
        with wait('shop: cart'):
            customer.call('/shop/cart/update_json', product_id=PLAN['product'], add_qty=1)
            customer.enter_address()
        with wait('shop: started'):
            values = customer.press_pay()
            landing = customer.follow(values)
        with wait('shop: paid') as clock:
            clock.started = approve(values['reference'])
            customer.open(landing.url)  # It sends those back who have approved.
            while not reads_paid(customer):
                gevent.sleep(POLL)


def reads_paid(customer):
    """Return whether the page says that it is paid; it asks again while Odoo is at work."""
    try:
        return customer.ask_for_status()['state'] == 'done'
    except ShopError as error:
        if str(error) != 'retry':
            raise
        return False
