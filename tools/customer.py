"""A customer of the shop, in a browser of their own: every step over HTTP, as a browser does it."""

import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from .waiting import wait_until

TIMEOUT = 120  # seconds; the first page of a new database is slow
ADDRESS = {
    'name': "Kari Nordmann",
    'email': 'kari.nordmann@example.com',
    'phone': '+47 912 34 567',
    'street': "Karl Johans gate 1",
    'zip': '0154',
    'city': "Oslo",
}


class ShopError(Exception):
    """The shop refused a call of its own page; the text is the one that the customer reads."""


class Page(HTMLParser):
    """A page as the browser got it: address, status, text, forms and links."""

    def __init__(self, url, status, html):
        """Read the page."""
        super().__init__()
        self.url = url
        self.status = status
        self.elements = []  # the tag and the attributes of each
        self.forms = []  # the `action` of each and its `fields`
        self.options = {}  # of all lists to choose from: what is sent, by what is read
        self._words = []
        self.feed(html)
        self.text = ' '.join(' '.join(self._words).split())

    def handle_starttag(self, tag, attributes):
        """Note an element, and the values it adds to a form."""
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == 'form':
            self.forms.append({'action': attributes.get('action') or self.url, 'fields': {}})
        elif tag == 'input' and self.forms and attributes.get('name'):
            self.forms[-1]['fields'][attributes['name']] = attributes.get('value') or ''

    def handle_data(self, data):
        """Note text to read, and options to choose from."""
        tag, attributes = self.elements[-1] if self.elements else ('', {})
        if tag in ('script', 'style'):
            return
        self._words.append(data)
        if tag == 'option' and data.strip():
            self.options[data.strip()] = attributes.get('value')

    def find(self, **attributes):
        """Return the attributes of the first element that has these; `_` stands for `-`.

        :raise LookupError: When there is none; shows what the page says.
        """
        wanted = {name.replace('_', '-'): value for name, value in attributes.items()}
        for _tag, present in self.elements:
            if wanted.items() <= present.items():
                return present
        raise LookupError(f"{self.url} ({self.status}) has no {wanted}: {self.text[:1000]}")

    def form(self, action, **fields):
        """Return the form that is sent to that path with at least these fields.

        :raise LookupError: When there is none; shows what the page says.
        """
        for form in self.forms:
            path = urllib.parse.urlsplit(form['action']).path
            if path == action and fields.items() <= form['fields'].items():
                return form
        raise LookupError(f"{self.url} ({self.status}) has no such form: {self.text[:1000]}")


class Customer:
    """A browser with cookies of its own, and the steps of a purchase."""

    def __init__(self, shop_url, simulator_url):
        """Open the browser.

        :param str shop_url: The address of the shop.
        :param str simulator_url: The address of the simulator, whose phone page is the app.
        """
        self.shop_url = shop_url
        self.simulator_url = simulator_url
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, url, fields=None):
        """Go to an address, or send a form there; redirections are followed.

        :param str url: The address, or a path in the shop.
        :param dict fields: The fields of the form.
        :rtype: Page
        """
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        return Page(*self._send(urllib.request.Request(self._absolute(url), data)))

    def call(self, route, **parameters):
        """Call a route of the shop as its pages do; returns the result.

        :raise ShopError: When the shop answers with an error.
        """
        body = {'jsonrpc': '2.0', 'method': 'call', 'params': parameters}
        answer = json.loads(self._send(urllib.request.Request(
            self._absolute(route), json.dumps(body).encode(), {'Content-Type': 'application/json'}
        ))[2])
        if 'error' in answer:
            raise ShopError(answer['error']['data']['message'])
        return answer.get('result')  # Odoo leaves out what is None.

    def add_to_cart(self, name):
        """Put one piece of the product with that name in the cart."""
        found = self.open('/shop?' + urllib.parse.urlencode({'search': name}))
        product = self.open(found.find(itemprop='name', content=name)['href'])
        product_id = int(product.find(name='product_id')['value'])
        self.call('/shop/cart/update_json', product_id=product_id, add_qty=1)

    def enter_address(self, **changes):
        """Check out from the cart and fill in where to send the goods: `ADDRESS` with changes."""
        page = self.open('/shop/checkout?express=1')
        form = page.form('/shop/address')
        self.open('/shop/address', {
            **form['fields'], **ADDRESS, 'country_id': page.options['Norway'], **changes,
        })

    def start_payment(self, provider_code='vipps'):
        """Choose how to pay and press the button.

        :return: The values of the transaction; to be given to `follow`.
        :rtype: dict
        :raise ShopError: When the shop says why not.
        """
        page = self.open('/shop/payment')
        form = page.find(id='o_payment_form')
        method = page.find(name='o_payment_radio', data_provider_code=provider_code)
        return self.call(
            form['data-transaction-route'],
            provider_id=int(method['data-provider-id']),
            payment_method_id=int(method['data-payment-option-id']),
            token_id=None,
            amount=float(form['data-amount']),
            flow='redirect',
            tokenization_requested=False,
            landing_route=form['data-landing-route'],
            access_token=form['data-access-token'],
        )

    def press_pay(self, provider_code='vipps'):
        """Start a payment, again while Odoo still works on the order; returns the values."""
        def press():
            try:
                return self.start_payment(provider_code)
            except ShopError as error:
                if "already being processed" not in str(error):
                    raise
                return None

        return wait_until(press)

    def follow(self, values):
        """Send the redirect form of a transaction, which ends on the landing page; returns it."""
        form = Page(self.shop_url, 200, values['redirect_form_html']).forms[0]
        return self.open(form['action'], form['fields'])

    def decide(self, reference, decision, **choices):
        """Press `approve`, `decline` or `expire` in the app, or `choose` for an `address`; returns
        the app as it looks then.

        :param choices: What is chosen before: an `address`, or an `option` to approve.
        """
        app = self.open(f'{self.simulator_url}/phone')
        form = app.form('/phone', reference=reference)
        fields = {name: form['fields'][name] for name in ('msn', 'reference')}
        return self.open(f'{self.simulator_url}/phone', {**fields, **choices, decision: '1'})

    def ask_for_status(self):
        """Return the status of the payment, as the waiting page of the shop gets it."""
        return self.call('/payment/status/poll')

    def _absolute(self, url):
        return urllib.parse.urljoin(self.shop_url, url)

    def _send(self, request):
        """Send a request; returns the address it ended at, the status and the text."""
        try:
            response = self._opener.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            response = error  # A page like any other.
        with response:
            return response.url, response.status, response.read().decode()
