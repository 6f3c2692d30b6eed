"""What the bodies of requests may look like: ePayment 1.8.1, Order Management 2.1, Webhooks v1.

Deprecated fields are left out on purpose, and so are those for payment service providers.
"""

from .validation import array, boolean, integer, nullable, one_of, record, text

REFERENCE_PATTERN = r'[a-zA-Z0-9-]{8,64}'
LARGEST_AMOUNT = 65_000_000

PHONE = text(pattern=r'\d{9,15}', code='4070')
_COUNT = integer(smallest=0)
_CURRENCY = one_of('NOK', 'DKK', 'EUR', 'SEK', 'USD', 'GBP')
_AMOUNT = record({'currency': _CURRENCY, 'value': integer(0, LARGEST_AMOUNT, code='4040')})

_ORDER_LINE = record(
    required={
        'name': text(),
        'id': text(),
        'totalAmount': _COUNT,
        'totalAmountExcludingTax': _COUNT,
        'totalTaxAmount': _COUNT,
    },
    optional={
        'taxRate': nullable(integer(0, 10000)),
        'taxPercentage': nullable(integer(0, 100)),
        'unitInfo': record(
            {
                'unitPrice': nullable(_COUNT),
                'quantity': text(longest=10, pattern=r'\d+([\.]\d{1,8})?'),
            },
            {'quantityUnit': nullable(one_of('PCS', 'KG', 'KM', 'MINUTE', 'LITRE', 'KWH'))},
        ),
        'discount': nullable(_COUNT),
        'productUrl': nullable(text()),
        'isReturn': nullable(boolean),
        'isShipping': nullable(boolean),
    },
)
_BOTTOM_LINE = record(
    required={'currency': _CURRENCY},
    optional={
        'tipAmount': nullable(_COUNT),
        'posId': nullable(text()),
        'receiptNumber': nullable(text()),
        'paymentSources': record(optional=dict.fromkeys(
            ('giftCard', 'card', 'voucher', 'cash'), nullable(_COUNT),
        )),
        'barcode': record({
            'format': nullable(one_of('EAN-13', 'CODE 39', 'CODE 128')), 'data': nullable(text()),
        }),
    },
)


def _metadata(value, path):
    if not isinstance(value, dict):
        yield path, "Must be an object.", None
        return
    if len(value) > 5:
        yield path, "Must have at most 5 pairs.", '4100'
    for key, item in value.items():
        if len(key) > 100:
            yield path, "A key must have at most 100 characters.", '4120'
        yield from text(longest=500, code='4130')(item, f'{path}.{key}')


def _customer(value, path):
    identities = {
        'phoneNumber': PHONE,
        'personalQr': text(5, 255, code='4060'),
        'customerToken': text(1, code='4050'),
    }
    yield from record(optional=identities)(value, path)
    if isinstance(value, dict) and len(value) != 1:
        yield path, f"Must have exactly one of {', '.join(identities)}.", None


CREATE = record(
    required={
        'amount': _AMOUNT,
        'paymentMethod': record(
            {'type': one_of('WALLET', 'CARD', 'CARD_PASSTHROUGH')},
            {'blockedSources': array(one_of('COMMERCIAL_CARDS'))},
        ),
        'reference': text(8, 64, pattern=REFERENCE_PATTERN),
        'userFlow': one_of('PUSH_MESSAGE', 'NATIVE_REDIRECT', 'WEB_REDIRECT', 'QR'),
    },
    optional={
        'customer': _customer,
        'customerInteraction': one_of('CUSTOMER_PRESENT', 'CUSTOMER_NOT_PRESENT'),
        'minimumUserAge': nullable(integer(0, 100)),
        'industryData': record(optional={'airlineData': record(
            {
                'agencyInvoiceNumber': text(1, 6),
                'airlineCode': text(3, 3),
                'airlineDesignatorCode': text(2, 2),
                'passengerName': text(1, 49),
            },
            {'ticketNumber': text(1, 150)},
        )}),
        'profile': record(optional={'scope': text(code='4080')}),
        'returnUrl': text(longest=2500, code='4090'),
        'expiresAt': nullable(text(
            pattern=r'\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?'
                    r'([Zz]|[+-](2[0-3]|[01][0-9]):[0-5][0-9])',
        )),
        'qrFormat': nullable(record(
            {'format': one_of('TEXT/TARGETURL', 'IMAGE/SVG+XML', 'IMAGE/PNG')},
            {'size': nullable(integer(100, 2000))},
        )),
        'paymentDescription': text(3, 100),
        'receipt': record({'orderLines': array(_ORDER_LINE, 1), 'bottomLine': _BOTTOM_LINE}),
        'metadata': nullable(_metadata),
        'receiptUrl': nullable(text(code='4090')),
        # No simulated sales unit may use Express, so that its inside does not matter.
        'shipping': lambda value, path: (),
    },
)
MODIFY = record({'modificationAmount': _AMOUNT})
CANCEL = record(optional={'cancelTransactionOnly': boolean})
APPROVE = record(optional={'customer': _customer, 'token': text(1)})
CATEGORY = record({
    'category': one_of(
        'GENERAL', 'RECEIPT', 'ORDER_CONFIRMATION', 'DELIVERY', 'TICKET', 'BOOKING',
    ),
    'orderDetailsUrl': text(1),
})
REGISTER_WEBHOOK = record({'url': text(1), 'events': array(text(), 1)})
