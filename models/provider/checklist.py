# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple

from odoo import _, _lt, fields, models
from odoo.tools import SQL, format_datetime

from ...trust import get_readable

ENVIRONMENTS = ('production', 'test')

# Evidence for Vipps MobilePay is not older than that.
FRESH_PERIOD = timedelta(days=30)

# Where something is seen: the alias of the rows, their environment, and the rows themselves.
SOURCES = {
    'payment.transaction': ('t', "t.vipps_environment", """
        payment_transaction t
        LEFT JOIN res_country c ON c.id = t.partner_country_id
        WHERE t.provider_id = %(provider)s AND t.vipps_payment_reference IS NOT NULL
    """),
    'vipps.webhook.event': ('e', "t.vipps_environment", """
        vipps_webhook_event e
        JOIN payment_transaction t ON t.vipps_payment_reference = e.reference
        WHERE e.provider_id = %(provider)s AND t.provider_id = %(provider)s
    """),
    'vipps.audit.event': (
        'a', "COALESCE(t.vipps_environment, p.vipps_environment, g.vipps_environment)", """
        vipps_audit_event a
        JOIN payment_transaction t ON t.id = a.transaction_id
        LEFT JOIN payment_transaction p ON p.id = t.source_transaction_id
        LEFT JOIN payment_transaction g ON g.id = p.source_transaction_id
        WHERE a.provider_id = %(provider)s
    """),
    'vipps.api.call': ('l', "l.environment", "vipps_api_call l WHERE l.provider_id = %(provider)s"),
}


class Item(NamedTuple):
    """ A requirement of Vipps MobilePay, or of a way to pay. """
    section: _lt
    key: str
    # A condition on the rows of the source. The newest of them is shown.
    seen: str
    title: _lt
    # How to see it; of items that are built in or set up, why they are.
    advice: _lt
    source: str = 'payment.transaction'
    # Of items that are set up: the method of `payment.provider` that returns a sentence that says
    # what is missing, or None.
    find: str | None = None
    # The page of Vipps MobilePay about it.
    url: str | None = None


OPERATIONS, STATES, SERVICE, VERIFICATION, BUILT_IN = (
    _lt("Operations"), _lt("States and Events"), _lt("Customers and Staff"), _lt("Verification"),
    _lt("Built In"),
)
BUY = _lt("Buy something in the shop, or make the test payment of the set-up guide.")

# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/checklist/
CHECKLIST = (
    Item(OPERATIONS, 'create', "t.vipps_payment_state IS NOT NULL",
         _lt("A payment is created"), BUY),
    Item(OPERATIONS, 'get', "t.vipps_last_read IS NOT NULL AND t.vipps_payment_state IS NOT NULL",
         _lt("A payment is read"), BUY),
    Item(OPERATIONS, 'events', "t.vipps_event_log @> '[{}]'",
         _lt("The event log of a payment is read"),
         _lt("Press Update from Vipps on a transaction.")),
    Item(OPERATIONS, 'cancel',
         "t.vipps_payment_state IN ('CANCELLED', 'TERMINATED') OR t.vipps_authorized_amount"
         " > t.vipps_captured_amount + t.vipps_remaining_amount",
         _lt("A payment is cancelled"),
         _lt("Reserve an amount, and press Void Transaction on the order.")),
    Item(OPERATIONS, 'capture_all',
         "t.vipps_captured_amount > 0 AND t.vipps_captured_amount >= t.amount",
         _lt("A payment is captured in full"),
         _lt("Press Capture Transaction on an order whose payment is reserved.")),
    Item(OPERATIONS, 'capture_part',
         "t.vipps_captured_amount > 0 AND t.vipps_captured_amount < t.amount",
         _lt("A payment is captured in part"),
         _lt("Press Capture Transaction on an order, and enter less than what is reserved.")),
    Item(OPERATIONS, 'refund_all', "t.vipps_refunded_amount > 0"
         " AND t.vipps_refunded_amount >= t.vipps_captured_amount",
         _lt("A payment is refunded in full"),
         _lt("Press Refund on a captured transaction.")),
    Item(OPERATIONS, 'refund_part', "t.vipps_refunded_amount > 0"
         " AND t.vipps_refunded_amount < t.vipps_captured_amount",
         _lt("A payment is refunded in part"),
         _lt("Press Refund on a captured transaction, and enter less than what was captured.")),
    Item(STATES, 'webhook', "e.state = 'processed'",
         _lt("Webhooks are received and processed"),
         _lt("Set up the webhooks, and pay something."),
         'vipps.webhook.event'),
    Item(STATES, 'polled', "a.action = 'state_changed' AND a.source IN ('job', 'poll', 'return')",
         _lt("Payments are found without webhooks, too, by asking"),
         _lt("Pay something, and come back to the shop: Odoo asks before a webhook is needed."),
         'vipps.audit.event'),
    Item(STATES, 'approved', "t.vipps_authorized_amount > 0",
         _lt("Approved payments are seen (AUTHORIZED)"), BUY),
    Item(STATES, 'aborted', "t.vipps_payment_state = 'ABORTED'",
         _lt("Payments that the customer cancels are seen (ABORTED)"),
         _lt("Start a payment, and cancel it in the app.")),
    Item(STATES, 'expired', "t.vipps_payment_state = 'EXPIRED'",
         _lt("Payments that nobody approves are seen (EXPIRED)"),
         _lt("Start a payment, and leave it alone for ten minutes.")),
    Item(STATES, 'terminated', "t.vipps_payment_state = 'TERMINATED'",
         _lt("Payments that Odoo cancels are seen (TERMINATED)"),
         _lt("Start a payment twice for the same order: the first one is cancelled.")),
    Item(SERVICE, 'explained', "t.state IN ('cancel', 'error') AND t.state_message <> ''",
         _lt("Errors are explained to customers"),
         _lt("Start a payment, cancel it in the app, and read the page you come back to.")),
    Item(SERVICE, 'app_link', "t.vipps_app_link IS NOT NULL",
         _lt("The payment history in the app leads to the order"),
         _lt("Pay for an order of the shop; the link is set a moment after it is confirmed.")),
    Item(SERVICE, 'operated', "a.action IN ('capture', 'release', 'refund') AND a.outcome = 'done'"
         " AND a.source = 'user'",
         _lt("Customer service captures, releases and refunds in Odoo"),
         _lt("Capture or refund a payment with its buttons, not in the portal."),
         'vipps.audit.event'),
    Item(SERVICE, 'returned', "a.action = 'state_changed' AND a.source = 'return'",
         _lt("Customers come back from the app"),
         _lt("Pay something in the shop with your phone."),
         'vipps.audit.event'),
    Item(SERVICE, 'present',
         "t.vipps_user_flow IN ('QR', 'PUSH_MESSAGE') AND t.vipps_payment_state IS NOT NULL",
         _lt("Payments at tills say that the customer is present"),
         _lt("Take a payment at a till. Without tills, this does not apply.")),
    Item(SERVICE, 'in_time', "t.vipps_captured_amount > 0",
         _lt("Reservations are captured before their deadline"),
         _lt("Capture a payment.")),
    Item(SERVICE, 'neighbour', "t.vipps_authorized_amount > 0 AND c.code <> t.vipps_market",
         _lt("Customers from the other Nordic countries can pay"),
         _lt("Pay with an address in another country than that of the sales unit. Phone numbers"
             " of all countries are sent with their country code.")),
    Item(VERIFICATION, 'end_captured', "t.vipps_payment_state = 'CAPTURED'",
         _lt("One order ends captured"),
         _lt("Make an order, and capture all of it.")),
    Item(VERIFICATION, 'end_refunded', "t.vipps_payment_state = 'REFUNDED'",
         _lt("One order ends refunded"),
         _lt("Make an order, capture all of it, and refund all of it.")),
    Item(VERIFICATION, 'end_cancelled', "t.vipps_payment_state = 'CANCELLED'",
         _lt("One order ends cancelled"),
         _lt("Make an order, approve it, and press Void Transaction.")),
    Item(BUILT_IN, 'headers', "l.outcome = 'success'",
         _lt("Vipps HTTP headers on all calls"),
         _lt("Each call names Odoo, this addon, their versions and the sales unit."),
         'vipps.api.call'),
    Item(BUILT_IN, 'reference', "t.vipps_payment_state IS NOT NULL",
         _lt("Useful references"),
         _lt("Each has the number of the order or invoice and is never used twice.")),
    Item(BUILT_IN, 'return_url', '',
         _lt("Customers may come back in any browser"),
         _lt("The return address is signed and needs neither a session nor cookies.")),
    Item(BUILT_IN, 'design', '',
         _lt("Name and logo as in the design guidelines"),
         _lt("Those of the payment methods of Odoo, unaltered.")),
    Item(BUILT_IN, 'terms', '',
         _lt("Customers accept the terms before they pay"),
         _lt("The box for it is shown in the checkout of the shop."),
         find='_vipps_find_missing_terms_box'),
)


class PaymentProvider(models.Model):
    """ The official checklist for going live, with the evidence in this database. """
    _inherit = 'payment.provider'

    vipps_checklist = fields.Html(
        string="Go-live Checklist",
        compute='_compute_vipps_checklist',
        compute_sudo=True,
        sanitize=False,
        groups='mobilepay_vipps.group_payment_manager,base.group_system',
    )

    #=== COMPUTE METHODS ===#

    def _compute_vipps_checklist(self):
        for provider in self:
            stored = get_readable(provider)
            is_ours = isinstance(stored.id, int) and stored.code == 'vipps'
            provider.vipps_checklist = is_ours and stored._vipps_render_checklist()

    #=== ACTION METHODS ===#

    def action_vipps_open_checklist(self):
        """ Open the go-live checklist.

        :raise AccessError: If the user is not a payment manager.
        """
        self._vipps_check_manager()
        self.ensure_one()
        return {
            'type': 'ir.actions.act_window',
            'name': _("Go-live Checklist"),
            'res_model': self._name,
            'res_id': self.id,
            'views': [(self.env.ref('mobilepay_vipps.payment_provider_checklist_form').id, 'form')],
        }

    #=== BUSINESS METHODS ===#

    def _vipps_get_checklist(self):
        """ Hook: return the items that apply to the provider.

        :rtype: tuple[Item]
        """
        self.ensure_one()
        return CHECKLIST

    def _vipps_observe(self):
        """ Return the newest row in which each item was seen, for each environment.

        :return: By the environment and the key of the item.
        """
        self.env.flush_all()
        observed = {environment: {} for environment in ENVIRONMENTS}
        for model, (alias, environment, rows) in SOURCES.items():
            items = [
                item for item in self._vipps_get_checklist() if item.source == model and item.seen
            ]
            self.env.cr.execute(SQL(
                "SELECT %s, %s FROM %s GROUP BY 1", SQL(environment),
                SQL(", ").join(
                    SQL("max(%s) FILTER (WHERE %s)", SQL(f'{alias}.id'), SQL(item.seen))
                    for item in items
                ),
                SQL(rows, provider=self.id),
            ))
            for name, *row_ids in self.env.cr.fetchall():
                for item, row_id in zip(items, row_ids, strict=True):
                    if row_id and name in observed:
                        observed[name][item.key] = self.env[model].browse(row_id)
        return observed

    def _vipps_render_checklist(self):
        """ Return the checklist for people. """
        observed = self._vipps_observe()
        sections = defaultdict(list)
        for item in sorted(self._vipps_get_checklist(), key=lambda item: item.section is BUILT_IN):
            sections[str(item.section)].append(self._vipps_prepare_item(item, observed))
        items = [
            item for item in sum(sections.values(), [])
            if item['status'] not in ('built_in', 'set_up')
        ]
        return self.env['ir.qweb']._render('mobilepay_vipps.checklist', {
            'sections': dict(sections),
            'environments': [
                (environment, self._vipps_get_environment_name(environment))
                for environment in ENVIRONMENTS
            ],
            'counts': {environment: sum(
                bool(item['cells'][environment]) for item in items
            ) for environment in ENVIRONMENTS},
            'total': len(items),
        })

    def _vipps_prepare_item(self, item, observed):
        """ Return an item as it is shown to people.

        Its `status` is `built_in`, `set_up`, `missing`, or that of its examples: None.
        """
        advice, cells = str(item.advice), {}
        missing = item.find and getattr(self, item.find)()
        if missing:
            advice, status = missing, 'missing'
        elif item.section is BUILT_IN:
            status = 'built_in'
        else:
            status = 'set_up' if item.find else None
        for environment in ENVIRONMENTS:
            row = observed[environment].get(item.key)
            overdue_txs = item.key == 'in_time' and self.env['payment.transaction'].search([
                ('provider_id', '=', self.id), ('vipps_environment', '=', environment),
                ('vipps_remaining_amount', '>', 0),
                ('vipps_capture_deadline', '<', fields.Datetime.now()),
            ], order='id desc')
            if overdue_txs:
                row = None
                advice = _("Reservations that are past their deadline: %(count)s, such as"
                           " %(reference)s.", count=len(overdue_txs),
                           reference=overdue_txs[0].reference)
            cells[environment] = row and {
                'reference': (
                    _("Last call") if item.source == 'vipps.api.call' else row.reference
                ),
                'tx_id': item.source == 'payment.transaction' and row.id,
                'date': format_datetime(self.env, row.create_date, dt_format='short'),
                'is_old': row.create_date < fields.Datetime.now() - FRESH_PERIOD,
            }
        return {
            'name': item.key, 'title': str(item.title), 'advice': advice, 'cells': cells,
            'status': status, 'url': item.url,
        }

    def _vipps_find_missing_terms_box(self):
        if not self.env['ir.ui.view'].sudo().search_count([
            ('key', '=', 'website_sale.accept_terms_and_conditions'), ('active', '=', True),
        ], limit=1):
            return _("In the website editor, on the checkout page, switch on Accept Terms &"
                     " Conditions.")
        return None
