# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from datetime import timedelta

# The API hosts of the two environments; brands and countries share them.
# https://developer.vippsmobilepay.com/docs/developer-resources/servers/
API_URLS = {
    'production': 'https://api.vipps.no',
    'test': 'https://apitest.vipps.no',
}

# The system parameter that replaces the API host of the test environment by a simulator.
TEST_API_URL_PARAMETER = 'mobilepay_vipps.test_api_url'

# Addresses of this machine, in full: nothing that two readers of addresses could understand in two
# ways, such as a user name, and no path.
LOOPBACK_URL = re.compile(
    r'https?://(localhost|127(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\[::1\])'
    r'(:[0-9]{1,5})?/?'
)
EXAMPLE_SIMULATOR_URL = 'http://127.0.0.1:8080'

# The currencies of sales units, each with the payment method that carries the brand of its market.
# Another method is shown when this one is not among the enabled methods of the provider, so that a
# change of brand is a change of settings.
# https://developer.vippsmobilepay.com/docs/knowledge-base/currencies/
CURRENCY_PAYMENT_METHODS = {
    'NOK': 'vipps',
    'DKK': 'mobile_pay',
    'EUR': 'mobile_pay',
}

# The markets of the currencies, and for how many days a reservation can be captured there, unless
# the sales unit has another agreement.
# https://developer.vippsmobilepay.com/docs/knowledge-base/reserve-and-capture/
CURRENCY_MARKETS = {
    'NOK': 'NO',
    'DKK': 'DK',
    'EUR': 'FI',
}
# The days of the books and of the settlements are those of the market.
MARKET_TIME_ZONES = {
    'NO': 'Europe/Oslo',
    'DK': 'Europe/Copenhagen',
    'FI': 'Europe/Helsinki',
}
MARKET_RESERVATION_DAYS = {
    'NO': 180,
    'DK': 14,
    'FI': 14,
}

# For how long a payment request is open on the phone of a customer: in Norway, at most 24 hours.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/features/long-living-payments/
MARKET_REQUEST_PERIODS = {
    'NO': timedelta(hours=23),
    'DK': timedelta(days=30),
    'FI': timedelta(days=30),
}

# The brand of the app in the market of each currency, and since when it is that.
# https://developer.vippsmobilepay.com/docs/knowledge-base/one-brand/
BRANDS = {
    'NOK': (('', 'Vipps'),),
    'DKK': (('', 'MobilePay'), ('2027-01-12', 'Vipps')),
    'EUR': (('', 'MobilePay'), ('2027-01-12', 'Vipps')),
}

# What merchants read at Vipps MobilePay before they use a way to pay.
EXPRESS_GUIDE_URL = (
    'https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/features/express/'
)
REQUEST_GUIDE_URL = (
    'https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/features/'
    'long-living-payments/'
)
STICKER_GUIDE_URL = 'https://developer.vippsmobilepay.com/docs/APIs/qr-api/qr-api-guide/'

# The codes of the payment methods to activate together with the provider.
DEFAULT_PAYMENT_METHOD_CODES = {'vipps', 'mobile_pay'}

# The routes of the controllers, where others have to know them.
REDIRECT_ROUTE = '/payment/vipps/redirect'
RETURN_ROUTE = '/payment/vipps/return'
# The addresses below this one are printed on paper: it never changes.
PAY_ROUTE = '/payment/vipps/pay'
PORTAL_PAY_ROUTE = '/my/invoices/vipps'
WEBHOOK_ROUTE = '/payment/vipps/webhook'
CHECK_IN_QUERY = '?for=check-ins'  # Tells the registration for stickers from the other one.
STICKER_ROUTE = '/pos/vipps/sticker'
EXPRESS_ROUTE = '/payment/vipps/express/start'
SHIPPING_ROUTE = '/payment/vipps/express/shipping'

# The API takes tokens of 1 to 50 characters. ePayment OpenAPI 1.8.1, `AuthorizationHeader`
SHIPPING_TOKEN_LENGTH = 32

# The app waits for the deliveries to an address: for how long the shop asks its carriers, and waits
# for others who work on the order.
EXPRESS_RATE_SECONDS = 1.2
EXPRESS_LOCK_SECONDS = 0.5

# The largest quantity of a product that is bought with one press.
MAX_EXPRESS_QUANTITY = 9999

# With this header the webhook says which database refuses a call: the prefix of its references.
DATABASE_HEADER = 'X-Vipps-Database'

# The largest webhook that is read, in bytes; real ones are below 2 KiB.
MAX_WEBHOOK_SIZE = 64 * 1024

# The largest body that any other public route of ours reads, in bytes: a form with a reference.
MAX_FORM_SIZE = 8 * 1024

# How many events are stored for a provider in an hour. A payment has three or four.
MAX_EVENTS_PER_HOUR = 20000

# How many requests of one kind are admitted in a period. A customer who starts this many payments
# is not about to pay one: each honest try takes a minute.
REQUEST_PERIOD = timedelta(minutes=10)
MAX_STARTS_PER_DOCUMENT = 10
MAX_STARTS_PER_PARTNER = 20
# Thousands of phones share an address of their carrier; a shop in which more than one of them pays
# every two seconds from one address sees far more customers than that.
MAX_STARTS_PER_ADDRESS = 300
# From all addresses: five in a second, which is more than a large shop sells.
MAX_STARTS_PER_PROVIDER = 3000
# Payment requests: at most so many invoices at a time, so many requests for an invoice, and a pause
# between them.
MAX_REQUESTED_INVOICES = 100
MAX_REQUESTS_PER_INVOICE = 5
REQUEST_PAUSE = timedelta(days=1)
# Requests whose signature or token is wrong. Vipps MobilePay tries again what was refused, too.
MAX_REFUSALS_PER_ADDRESS = 30
MAX_REFUSALS_PER_PROVIDER = 600
# The IPv6 networks of a device, a household and a company, by their prefixes. Larger networks have
# more people in them, so they may do more.
IPV6_PREFIXES = {64: 1, 56: 2, 48: 4}
