"""Our own schemas of the bodies of requests: ePayment 1.8.1, Order Management 2.1, QR 1.0,
Webhooks v1.

Deprecated fields are left out on purpose, and so are those for payment service providers.
"""

from .validation import BOOLEAN, array, integer, nullable, one_of, record, text

REFERENCE_PATTERN = r'[a-zA-Z0-9-]{8,64}'
LARGEST_AMOUNT = 65_000_000

PHONE = text(9, 15, pattern=r'[0-9]+', code='4070')
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
                'quantity': text(longest=10, pattern=r'[0-9]+([\.][0-9]{1,8})?'),
            },
            {'quantityUnit': nullable(one_of('PCS', 'KG', 'KM', 'MINUTE', 'LITRE', 'KWH'))},
        ),
        'discount': nullable(_COUNT),
        'productUrl': nullable(text()),
        'isReturn': nullable(BOOLEAN),
        'isShipping': nullable(BOOLEAN),
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
# The lengths are ours: none are documented.
_SHIPPING_GROUP = record(
    required={
        'type': one_of('HOME_DELIVERY', 'PICKUP_POINT', 'MAILBOX', 'IN_STORE', 'OTHER'),
        'brand': one_of(
            'POSTEN', 'BRING', 'POSTNORD', 'HELTHJEM', 'PORTERBUDDY', 'DHL', 'INSTABOX', 'FEDEX',
            'MATKAHUOLTO', 'GLS', 'POSTI', 'GORDON', 'OTHER',
        ),
        'options': array(record(
            required={'id': text(1, 255), 'amount': _AMOUNT, 'name': text(1, 255)},
            optional={
                'isDefault': BOOLEAN,
                'priority': integer(),
                'meta': text(longest=255),
                'estimatedDelivery': text(longest=255),
            },
        ), 1),
    },
    optional={'isDefault': BOOLEAN, 'priority': integer()},
)
_SHIPPING = record(optional={
    'fixedOptions': array(_SHIPPING_GROUP, 1),
    'dynamicOptions': record(
        {'callbackUrl': text(1, 2500, code='4090')},
        # The parameter `AuthorizationHeader`, in which it comes back.
        {'callbackAuthorizationToken': text(1, 50, pattern='[a-zA-Z0-9-]*')},
    ),
    'allowedCountries': array(text(2, 2, pattern='[A-Z]*'), 1),
})
# What a merchant answers when the app asks for the options.
SHIPPING_GROUPS = record({'groups': array(_SHIPPING_GROUP)})
_METADATA = {
    'type': 'object',
    'allOf': [
        {'maxProperties': 5, 'code': '4100'},
        {'propertyNames': {'maxLength': 100, 'code': '4120'}},
    ],
    'additionalProperties': text(longest=500, code='4130'),
}
# Exactly one of these names the customer.
_CUSTOMER = record(
    optional={
        'phoneNumber': PHONE,
        'personalQr': text(5, 255, code='4060'),
        'customerToken': text(1, code='4050'),
    },
    minProperties=1, maxProperties=1,
)

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
        'customer': _CUSTOMER,
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
            pattern=r'[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?'
                    r'([Zz]|[+-](2[0-3]|[01][0-9]):[0-5][0-9])',
        )),
        'qrFormat': nullable(record(
            {'format': one_of('TEXT/TARGETURL', 'IMAGE/SVG+XML', 'IMAGE/PNG')},
            {'size': nullable(integer(100, 2000))},
        )),
        'paymentDescription': text(3, 100),
        'receipt': record({'orderLines': array(_ORDER_LINE, 1), 'bottomLine': _BOTTOM_LINE}),
        'metadata': nullable(_METADATA),
        'receiptUrl': nullable(text(code='4090')),
        'shipping': _SHIPPING,
        'merchantLegalLinks': record({'termsOfSaleUrl': text(1), 'privacyPolicyUrl': text(1)}),
    },
)
MODIFY = record({'modificationAmount': _AMOUNT})
CANCEL = record(optional={'cancelTransactionOnly': BOOLEAN})
APPROVE = record(optional={'customer': _CUSTOMER, 'token': text(1)})
CATEGORY = record({
    'category': one_of(
        'GENERAL', 'RECEIPT', 'ORDER_CONFIRMATION', 'DELIVERY', 'TICKET', 'BOOKING',
    ),
    'orderDetailsUrl': text(1),
})
_REDIRECT_URL = text(pattern=r'https:\/\/[\w\.]+([\w#!:.?+=&%@\-\/]+)?')
REDIRECT = record(
    {'id': text(1, 128, pattern=r'[-_+%æøåÆØÅ\w\s]*'), 'redirectUrl': _REDIRECT_URL},
    {'ttl': nullable(integer(300, 2**31 - 1))},
)
UPDATE_REDIRECT = record({'redirectUrl': _REDIRECT_URL})
PUT_STICKER = record({'locationDescription': text(longest=36)})
REGISTER_WEBHOOK = record({'url': text(1), 'events': array(text(), 1)})
