"""An invoice that is paid by whoever scans the code on it."""

from .purchase import INVOICE, PRODUCT, Purchase
from .steps import expect
from .till import Cashier
from .waiting import wait_until

CONTACT = "Ingrid Berg"
PAPER = '/report/html/account.report_invoice'
PAGE = '/payment/vipps/pay/'


class InvoicePurchase(Purchase):
    """The payment of one invoice, from the paper to the books."""

    def __init__(self, stack):
        """Prepare to pay an invoice of a running stack."""
        super().__init__(stack, INVOICE)
        self._invoice = None
        self._page = None

    def _steps(self):
        """Return the steps as pairs of name and method."""
        return [
            ("invoice posted", self._post),
            ("code printed", self._print),
            ("page opened", self._open),
            ("sent to Vipps MobilePay", self._press),
            ("approved on the phone", self._approve),
            ("captured", self._check_aggregate),
            ("transaction done", self._check_transaction),
            ("payment posted", self._check_payment),
            ("invoice paid", self._check_invoice),
            ("page says paid", self._check_page),
        ]

    def _post(self):
        """Post an invoice."""
        self._invoice = post_invoice(self.stack)
        invoice = self._read_invoice()
        expect(invoice['payment_state'] == 'not_paid', invoice)
        return f"Odoo: account.move {invoice['name']}", invoice['amount_residual']

    def _print(self):
        """Print the invoice, and read where its code leads."""
        self._page = find_printed_page(self.stack, self._invoice)
        return "Odoo: the printed invoice", None

    def _open(self):
        """Open the page on the phone."""
        self._expect_page('open')
        return "Shop: payment page", self._read_invoice()['amount_residual']

    def _press(self):
        """Press the only button of the page, and arrive at the landing page."""
        return self._arrive(self._page, {'part': 'due'})

    def _check_invoice(self):
        """Have the invoice say that nothing is left to pay."""
        invoice = wait_until(
            self._read_invoice, lambda found: found['payment_state'] in ('in_payment', 'paid'),
        )
        expect(invoice['amount_residual'] == 0, invoice)
        return f"Odoo: account.move {invoice['name']}", self._same(invoice['amount_total'])

    def _check_page(self):
        """Have the page say so, too."""
        self._expect_page('paid')
        return "Shop: payment page", None

    def _expect_page(self, state):
        page = self.customer.open(self._page)
        found = page.find(id='o_vipps_pay')['data-state']
        expect(found == state, page.text)

    def _read_invoice(self):
        fields = ['name', 'payment_state', 'amount_total', 'amount_residual']
        invoice, = self.stack.rpc('account.move', 'read', [self._invoice], fields)
        return invoice


def post_invoice(stack, **values):
    """Post an invoice for a product, with other values if they are given; returns its id."""
    contact, = stack.rpc('res.partner', 'search', [('name', '=', CONTACT)], limit=1)
    product, = stack.rpc('product.product', 'search', [('name', '=', PRODUCT)], limit=1)
    invoice = stack.rpc('account.move', 'create', {
        'move_type': 'out_invoice', 'partner_id': contact,
        'invoice_line_ids': [(0, 0, {'product_id': product})], **values,
    })
    stack.rpc('account.move', 'action_post', [invoice])
    return invoice


def find_printed_page(stack, invoice):
    """Print an invoice; returns the address of the page that its code leads to."""
    paper = Cashier(stack, stack.rpc.login).open(f'{PAPER}/{invoice}')
    paper.find(alt='QR code')
    return next(
        attributes['href'] for tag, attributes in paper.elements
        if tag == 'a' and PAGE in attributes.get('href', '')
    )
