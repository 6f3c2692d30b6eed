"""Check the rules for a new payment that its schema cannot express."""

from .problems import Problem
from .urls import is_valid_return_url

# Minor units; https://developer.vippsmobilepay.com/api/epayment/ (Amount)
SMALLEST_AMOUNT = {'NOK': 100, 'DKK': 1, 'EUR': 1}
# Compulsory where the customer is, although the specification lets it be left out;
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/checklist/
TILL_FLOWS = ('QR', 'PUSH_MESSAGE')
SCOPES = {'name', 'address', 'email', 'phoneNumber', 'birthDate'}
RESTRICTED_SCOPES = {'nin'}


def check_create(body, unit, allow_loopback_http):
    """Refuse requests that the sales unit may not make.

    :param dict body: A body that passed the check of its form; amounts in minor units.
    :param SalesUnit unit: Who asks.
    :param bool allow_loopback_http: Take an http `returnUrl` to this machine.
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
        _check_receipt(body['receipt'], body['amount'])
    if 'shipping' in body:
        raise Problem('5020')
    if body.get('expiresAt'):
        raise Problem('5050')


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
    if flow in TILL_FLOWS and body.get('customerInteraction') != 'CUSTOMER_PRESENT':
        raise Problem(fields=[('customerInteraction', "Must be CUSTOMER_PRESENT at a till.")])
    customer = body.get('customer') or {}
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


def _check_scope(body):
    scopes = set((body.get('profile') or {}).get('scope', '').split())
    if scopes & RESTRICTED_SCOPES:
        raise Problem('5030')
    if scopes - SCOPES:
        raise Problem('4080', fields=[('profile.scope', "Asks for what does not exist.")])


def _check_receipt(receipt, amount):
    """Refuse receipts that the app would not show, because they do not add up to the payment.

    The API itself takes them; what it would show is worth an error here.
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
        total += -line['totalAmount'] if line.get('isReturn') else line['totalAmount']
    total -= sum(value or 0 for value in (bottom.get('paymentSources') or {}).values())
    if total != amount['value']:
        reason = f"The lines add up to {total}, the amount is {amount['value']}."
        raise Problem(fields=[('receipt.orderLines', reason)])
