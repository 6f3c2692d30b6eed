import logging
import threading

from werkzeug.datastructures import Headers
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from .api import Api
from .clock import Clock
from .control import Control
from .customers import ADDRESSES
from .pages import Pages
from .sales_units import NOK_UNIT
from .world import World

_logger = logging.getLogger(__name__)

API_PATHS = (
    '/accesstoken/', '/epayment/', '/order-management/', '/qr/', '/report/', '/settlement/',
    '/vipps-userinfo-api/', '/webhooks/',
)
POLL_INTERVAL = 0.02  # seconds; how long closing may take


class Simulator:
    """A Vipps MobilePay with an address of its own on this machine.

    Use it in a `with` statement, or call :meth:`start` and :meth:`close`. The methods return plain
    dictionaries, as the control endpoints do, and raise :class:`problems.Problem` when the payment
    does not exist or does not allow it.
    """

    def __init__(
        self, allow_loopback_http=False, time_factor=1, record=None, host='127.0.0.1', port=0
    ):
        """Listen, without answering yet.

        :param bool allow_loopback_http: Take http URLs to this machine as `returnUrl` and for
            webhooks, the one exception from the rules of the API.
        :param float time_factor: How fast time goes; 0: only by :meth:`advance`.
        :param str record: A file, or an existing folder for one, that gets every exchange and
            delivery as a line of JSON, without secrets.
        :param str host: An address of this machine that others cannot reach.
        :param int port: The port; one that is free by default.
        """
        self._world = World(Clock(time_factor), allow_loopback_http, record)
        self._api = Api(self._world, lambda: self.url)
        self._control = Control(self._world)
        self._pages = Pages(self._world, lambda: self.url)
        self._server = make_server(
            host, port, self._answer, threaded=True, request_handler=_RequestHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': POLL_INTERVAL}, daemon=True
        )
        shown_host = f'[{host}]' if ':' in host else host
        self.url = f'http://{shown_host}:{self._server.server_port}'

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.close()

    def start(self):
        """Begin to answer and to deliver; returns itself."""
        self._world.deliveries.start()
        self._thread.start()
        return self

    def close(self):
        """Stop answering and delivering."""
        self._world.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._world.journal.close()

    @property
    def payments(self):
        """All payments, oldest first."""
        with self._world.lock:
            self._world.settle()
            return [payment.summary() for payment in self._world.payments.values()]

    @property
    def exchanges(self):
        """The calls of merchants and our answers, without secrets."""
        with self._world.lock:
            return list(self._world.journal.exchanges)

    @property
    def deliveries(self):
        """The attempts to deliver events, with their outcomes."""
        with self._world.lock:
            return list(self._world.deliveries.log)

    @property
    def settlement(self):
        """The ledgers and payouts, see :class:`settlement.Settlement`; new after a reset."""
        return self._world.settlement

    def payment(self, reference):
        """Return state, aggregate, events, request and category of a payment."""
        with self._world.lock:
            return self._world.find_by_reference(reference).summary()

    def choose_address(self, reference, address):
        """Let the customer choose where to deliver; the merchant is asked for the options.

        :param address: A name in `customers.ADDRESSES`, or an address as the API writes it.
        """
        payment = self._find(reference)
        self._world.express.choose_address(payment, ADDRESSES.get(str(address), address))
        return self.payment(reference)

    def approve(self, reference, option=None):
        """Let the customer approve a payment; `option` is the id of the delivery, the default one
        if not given."""
        self._world.express.approve(self._find(reference), option)
        return self.payment(reference)

    def decline(self, reference):
        """Let the customer decline a payment."""
        return self._decide(reference, 'decline')

    def expire(self, reference):
        """Let the time of a payment run out."""
        return self._decide(reference, 'expire')

    def capture(self, reference, amount=None):
        """Capture in the merchant's portal; `amount` in minor units, all by default."""
        return self._modify(reference, 'capture', amount)

    def refund(self, reference, amount=None):
        """Refund in the merchant's portal; `amount` in minor units, all by default."""
        return self._modify(reference, 'refund', amount)

    def cancel(self, reference):
        """Cancel in the merchant's portal."""
        return self._modify(reference, 'cancel')

    def make_code(self, phone=None):
        """Return a new one-time personal code, of the customer with that phone number."""
        with self._world.lock:
            return self._world.customers.make_code(phone)

    @property
    def stickers(self):
        """The stickers that can be scanned, see :class:`codes.Sticker`."""
        with self._world.lock:
            return list(self._world.codes.stickers.values())

    def check_in(self, qr_id, msn=NOK_UNIT.msn, **options):
        """Let a customer scan a sticker; see :meth:`world.World.check_in`."""
        with self._world.lock:
            return self._world.check_in(msn, qr_id, **options)

    def set_customer(self, phone, known):
        """Say whether somebody has a phone number."""
        with self._world.lock:
            self._world.customers.set_known(phone, known)

    def fault(self, operation, kind, **fields):
        """Let something go wrong; see :class:`faults.Fault`."""
        with self._world.lock:
            self._world.faults.add(operation=operation, kind=kind, **fields)

    def clear_faults(self):
        """Let nothing go wrong any more."""
        with self._world.lock:
            self._world.faults.clear()

    def set_unit(self, msn, **properties):
        """Change a sales unit, or add one; see :class:`sales_units.SalesUnit`."""
        self._world.set_unit(msn, **properties)

    def now(self):
        """Return the simulated time, in seconds since the epoch."""
        with self._world.lock:
            return self._world.clock.now()

    def advance(self, seconds):
        """Jump ahead in time."""
        self._world.advance(seconds)

    def limit_rates(self, enabled=True):
        """Switch the rate limits on or off."""
        with self._world.lock:
            self._world.rate_limits.enabled = enabled

    def wait_for_deliveries(self, timeout=10):
        """Wait until every event has been accepted or given up; returns whether that came true."""
        return self._world.deliveries.wait(timeout)

    def reset(self):
        """Forget everything that happened; access tokens stay valid."""
        self._world.reset()

    def _find(self, reference):
        with self._world.lock:
            return self._world.find_by_reference(reference)

    def _decide(self, reference, decision):
        with self._world.lock:
            payment = self._world.find_by_reference(reference)
            self._world.decide(payment, decision)
            return payment.summary()

    def _modify(self, reference, operation, amount=None):
        with self._world.lock:
            payment = self._world.find_by_reference(reference)
            self._world.modify(payment, operation, amount)
            return payment.summary()

    def _answer(self, environ, start_response):
        request = Request(environ)
        if request.path.startswith('/control/'):
            response = self._control.handle(request)
        elif request.path.startswith(API_PATHS):
            response = self._api.handle(request, environ['simulator.headers'])
        else:
            response = self._pages.handle(request)
        return response(environ, start_response)


class _RequestHandler(WSGIRequestHandler):
    """One connection per request, and no line in the log for each."""

    protocol_version = 'HTTP/1.0'

    def make_environ(self):
        environ = super().make_environ()
        # WSGI, and newer versions of the server, know no names with underscores (`client_id`).
        environ['simulator.headers'] = Headers(self.headers.items())
        return environ

    def log(self, type, message, *args):
        if type == 'error':
            _logger.error(message, *args)
