"""Check the rules for a new payment that its schema cannot express."""

from .clock import parse_timestamp
from .express_rules import check_express
from .problems import Problem
from .sales_units import DAY
from .urls import is_valid_return_url

# Minor units; https://developer.vippsmobilepay.com/api/epayment/ (Amount)
SMALLEST_AMOUNT = {'NOK': 100, 'DKK': 1, 'EUR': 1}
# Compulsory where the customer is, although the specification lets it be left out;
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/checklist/
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/features/long-living-payments/
SHORTEST_LONG_LIFE = 10 * 60
LONGEST_LIFE = {'NOK': DAY}
TILL_FLOWS = ('QR', 'PUSH_MESSAGE')
SCOPES = {'name', 'address', 'email', 'phoneNumber', 'birthDate'}
RESTRICTED_SCOPES = {'nin'}


def check_create(body, unit, allow_loopback_http, now):
    """Refuse requests that the sales unit may not make.

    :param dict body: A body that passed the check of its form; amounts in minor units.
    :param SalesUnit unit: Who asks.
    :param bool allow_loopback_http: Take an http `returnUrl` to this machine.
    :param float now: The present time.
    :raise Problem: With the domain code, and the field at fault where it is one.
    """
    _check_method(body, unit)
    _check_amount(body['amount'], unit)
    _check_flow(body, unit)
    for name in ('returnUrl', 'receiptUrl'):
        url = body.get(name)
        if url is not None and not is_valid_return_url(url, allow_loopback_http):
            raise Problem('4090', fields=[(name, "Must be an https URL or use a custom scheme.")])
    _check_scope(body)
    if body.get('receipt'):
        _check_receipt(body['receipt'], body['amount'], is_express='shipping' in body)
    check_express(body, unit, allow_loopback_http)
    if body.get('expiresAt'):
        _check_long_life(body, unit, parse_timestamp(body['expiresAt']) - now)


def _check_method(body, unit):
    method = body['paymentMethod']
    if method['type'] != 'WALLET':
        raise Problem(fields=[('paymentMethod.type', "Only WALLET is simulated.")])
    if method.get('blockedSources') and unit.currency not in ('DKK', 'EUR'):
        raise Problem('5010')


def _check_amount(amount, unit):
    if amount['currency'] != unit.currency:
        raise Problem('5040', f"This sales unit sells in {unit.currency}.")
    if amount['value'] < SMALLEST_AMOUNT.get(unit.currency, 1):
        raise Problem('6010')


def _check_flow(body, unit):
    flow = body['userFlow']
    if flow == 'WEB_REDIRECT' and not body.get('returnUrl'):
        raise Problem('4140', fields=[('returnUrl', "WEB_REDIRECT needs it.")])
    is_at_till = flow in TILL_FLOWS and not body.get('expiresAt')
    if is_at_till and body.get('customerInteraction') != 'CUSTOMER_PRESENT':
        raise Problem(fields=[('customerInteraction', "Must be CUSTOMER_PRESENT at a till.")])
    customer = body.get('customer') or {}
    if 'customerToken' in customer:
        if flow not in ('PUSH_MESSAGE', 'WEB_REDIRECT'):
            raise Problem(fields=[('customer.customerToken', "Not for this user flow.")])
        if body.get('customerInteraction') != 'CUSTOMER_PRESENT':
            raise Problem(fields=[('customerInteraction', "Must be CUSTOMER_PRESENT.")])
    if flow != 'PUSH_MESSAGE' and 'personalQr' in customer:
        raise Problem(fields=[('customer.personalQr', "Only for the user flow PUSH_MESSAGE.")])
    if flow == 'PUSH_MESSAGE':
        if not customer:
            raise Problem('4140', fields=[('customer', "PUSH_MESSAGE needs it.")])
        if not unit.may_push:
            raise Problem('5080')
    qr_format = body.get('qrFormat')
    if qr_format and flow != 'QR':
        raise Problem(fields=[('qrFormat', "Only for the user flow QR.")])
    if qr_format and 'size' in qr_format and qr_format['format'] != 'IMAGE/PNG':
        raise Problem(fields=[('qrFormat.size', "Only for IMAGE/PNG.")])


def _check_long_life(body, unit, seconds):
    """Refuse payments that would be open for too long; the rules are those of the market."""
    if not unit.may_live_long:
        raise Problem('5050')
    if not body.get('receipt'):
        raise Problem('6130')
    if seconds <= SHORTEST_LONG_LIFE:
        raise Problem('6120')
    if seconds > LONGEST_LIFE.get(unit.currency, 60 * DAY):
        raise Problem('6110')
    for number, line in enumerate(body['receipt']['orderLines']):
        if unit.currency == 'NOK' and not line.get('productUrl'):
            path = f'receipt.orderLines[{number}].productUrl'
            raise Problem(fields=[(path, "Long-living payments in Norway need it.")])


def _check_scope(body):
    scopes = set((body.get('profile') or {}).get('scope', '').split())
    if scopes & RESTRICTED_SCOPES:
        raise Problem('5030')
    if scopes - SCOPES:
        raise Problem('4080', fields=[('profile.scope', "Asks for what does not exist.")])


def _check_receipt(receipt, amount, is_express):
    """Refuse receipts that the app would not show, because they do not add up to the payment.

    The API itself takes them; what it would show is worth an error here. In Express, the lines of
    the delivery are replaced by what the customer chooses, and the amount is without it.
    """
    bottom = receipt['bottomLine']
    if bottom['currency'] != amount['currency']:
        raise Problem(fields=[('receipt.bottomLine.currency', "Must be that of the amount.")])
    total = bottom.get('tipAmount') or 0
    for number, line in enumerate(receipt['orderLines']):
        path = f'receipt.orderLines[{number}]'
        if line['totalAmountExcludingTax'] + line['totalTaxAmount'] != line['totalAmount']:
            raise Problem(fields=[(f'{path}.totalAmount', "Must be the sum without tax and tax.")])
        if (line.get('taxRate') is None) == (line.get('taxPercentage') is None):
            raise Problem(fields=[(f'{path}.taxRate', "Either this or taxPercentage is needed.")])
        if is_express and line.get('isShipping'):
            continue
        total += -line['totalAmount'] if line.get('isReturn') else line['totalAmount']
    total -= sum(value or 0 for value in (bottom.get('paymentSources') or {}).values())
    if total != amount['value']:
        reason = f"The lines add up to {total}, the amount is {amount['value']}."
        raise Problem(fields=[('receipt.orderLines', reason)])
