# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from collections import defaultdict
from datetime import timedelta

from odoo import _, fields, models
from odoo.tools import SQL, format_datetime

from ...trust import get_readable

ENVIRONMENTS = ('production', 'test')

# What Vipps MobilePay wants to see is not older than that.
FRESH_PERIOD = timedelta(days=30)

# What is seen in a payment, each a condition on its root transaction `t`.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/checklist/
SEEN_IN_PAYMENTS = {
    'create': "t.vipps_payment_state IS NOT NULL",
    'get': "t.vipps_last_read IS NOT NULL AND t.vipps_payment_state IS NOT NULL",
    'events': "t.vipps_event_log @> '[{}]'",
    'capture_all': "t.vipps_captured_amount > 0 AND t.vipps_captured_amount >= t.amount",
    'capture_part': "t.vipps_captured_amount > 0 AND t.vipps_captured_amount < t.amount",
    'refund_all': "t.vipps_refunded_amount > 0"
                  " AND t.vipps_refunded_amount >= t.vipps_captured_amount",
    'refund_part': "t.vipps_refunded_amount > 0"
                   " AND t.vipps_refunded_amount < t.vipps_captured_amount",
    'cancel': "t.vipps_payment_state IN ('CANCELLED', 'TERMINATED') OR t.vipps_authorized_amount >"
              " t.vipps_captured_amount + t.vipps_remaining_amount",
    'approved': "t.vipps_authorized_amount > 0",
    'aborted': "t.vipps_payment_state = 'ABORTED'",
    'expired': "t.vipps_payment_state = 'EXPIRED'",
    'terminated': "t.vipps_payment_state = 'TERMINATED'",
    'explained': "t.state IN ('cancel', 'error') AND t.state_message <> ''",
    'app_link': "t.vipps_app_link IS NOT NULL",
    'present': "t.vipps_user_flow IN ('QR', 'PUSH_MESSAGE') AND t.vipps_payment_state IS NOT NULL",
    'in_time': "t.vipps_captured_amount > 0",
    'overdue': "t.vipps_remaining_amount > 0"
               " AND t.vipps_capture_deadline < now() AT TIME ZONE 'UTC'",
    'neighbour': "t.vipps_authorized_amount > 0 AND c.code <> t.vipps_market",
    'end_captured': "t.vipps_payment_state = 'CAPTURED'",
    'end_refunded': "t.vipps_payment_state = 'REFUNDED'",
    'end_cancelled': "t.vipps_payment_state = 'CANCELLED'",
}

# What is seen in the audit trail, each a condition on its row `a`.
SEEN_IN_AUDIT = {
    'polled': "a.action = 'state_changed' AND a.source IN ('job', 'poll', 'return')",
    'returned': "a.action = 'state_changed' AND a.source = 'return'",
    'operated': "a.action IN ('capture', 'release', 'refund') AND a.outcome = 'done'"
                " AND a.source = 'user'",
}


class PaymentProvider(models.Model):
    """ The official checklist for going live, with what was observed in this database. """
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

        :return: The action.
        :rtype: dict
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

    #=== BUSINESS METHODS - OBSERVATIONS ===#

    def _vipps_observe(self):
        """ Return the newest example of each thing that was seen, for each environment.

        :return: By environment and name, each with its `reference`, its `date`, the `tx_id` of its
                 payment, and the `count` of all examples.
        :rtype: dict[str, dict[str, dict]]
        """
        self.env['payment.transaction'].flush_model()
        self.env['vipps.webhook.event'].flush_model()
        self.env['vipps.audit.event'].flush_model()
        observed = {environment: {} for environment in ENVIRONMENTS}
        self._vipps_observe_payments(observed)
        self._vipps_observe_rows(observed, SQL(
            """
            SELECT 'webhook', t.vipps_environment, max(e.id), count(*)
              FROM vipps_webhook_event e
              JOIN payment_transaction t ON t.vipps_payment_reference = e.reference
             WHERE e.provider_id = %(provider)s AND t.provider_id = %(provider)s
               AND e.state = 'processed'
             GROUP BY t.vipps_environment
            """, provider=self.id,
        ), 'vipps.webhook.event')
        for name, condition in SEEN_IN_AUDIT.items():
            self._vipps_observe_rows(observed, SQL(
                """
                SELECT %(name)s, COALESCE(
                           t.vipps_environment, p.vipps_environment, g.vipps_environment
                       ) AS environment, max(a.id), count(*)
                  FROM vipps_audit_event a
                  JOIN payment_transaction t ON t.id = a.transaction_id
             LEFT JOIN payment_transaction p ON p.id = t.source_transaction_id
             LEFT JOIN payment_transaction g ON g.id = p.source_transaction_id
                 WHERE a.provider_id = %(provider)s AND (%(condition)s)
                 GROUP BY environment
                """, name=name, provider=self.id, condition=SQL(condition),
            ), 'vipps.audit.event')
        return observed

    def _vipps_observe_payments(self, observed):
        """ Add what is seen in payments. All of them are looked at once, whatever is looked for.

        :param dict observed: See :meth:`_vipps_observe`.
        :return: None
        """
        self.env.cr.execute(SQL(
            """
            SELECT t.vipps_environment, %s
              FROM payment_transaction t
         LEFT JOIN res_country c ON c.id = t.partner_country_id
             WHERE t.provider_id = %s AND t.vipps_payment_reference IS NOT NULL
             GROUP BY t.vipps_environment
            """,
            SQL(", ").join(
                SQL("max(t.id) FILTER (WHERE %(condition)s),"
                    " count(*) FILTER (WHERE %(condition)s)", condition=SQL(condition))
                for condition in SEEN_IN_PAYMENTS.values()
            ),
            self.id,
        ))
        for environment, *values in self.env.cr.fetchall():
            for name, tx_id, count in zip(
                SEEN_IN_PAYMENTS, values[::2], values[1::2], strict=True
            ):
                if tx_id and environment in observed:
                    tx = self.env['payment.transaction'].browse(tx_id)
                    observed[environment][name] = {
                        'reference': tx.reference, 'date': tx.create_date, 'tx_id': tx_id,
                        'count': count,
                    }

    def _vipps_observe_rows(self, observed, query, model_name):
        """ Add what is seen in rows about payments.

        :param dict observed: See :meth:`_vipps_observe`.
        :param SQL query: Selects names, environments, the newest row and the number of rows.
        :param str model_name: The model of the rows.
        :return: None
        """
        self.env.cr.execute(query)
        for name, environment, row_id, count in self.env.cr.fetchall():
            if environment in observed:
                row = self.env[model_name].browse(row_id)
                observed[environment][name] = {
                    'reference': row.reference, 'date': row.create_date, 'tx_id': None,
                    'count': count,
                }

    def _vipps_observe_headers(self):
        """ Return the last call that succeeded in each environment.

        :rtype: dict[str, datetime]
        """
        self.env['vipps.api.call'].flush_model()
        self.env.cr.execute(
            """
            SELECT environment, max(create_date) FROM vipps_api_call
             WHERE provider_id = %s AND outcome = 'success'
             GROUP BY environment
            """, [self.id],
        )
        return dict(self.env.cr.fetchall())

    #=== BUSINESS METHODS - PAGE ===#

    def _vipps_render_checklist(self):
        """ Return the checklist for people.

        :rtype: markupsafe.Markup
        """
        observed = self._vipps_observe()
        items = [self._vipps_prepare_item(observed, *item) for item in self._vipps_list_items()]
        items += self._vipps_prepare_built_in_items(observed)
        sections = defaultdict(list)
        for item in items:
            sections[item['section']].append(item)
        return self.env['ir.qweb']._render('mobilepay_vipps.checklist', {
            'sections': dict(sections),
            'environments': [
                (environment, self._vipps_get_environment_name(environment))
                for environment in ENVIRONMENTS
            ],
            'counts': {environment: sum(
                bool(item['cells'][environment]) for item in items if not item['built_in']
            ) for environment in ENVIRONMENTS},
            'total': len([item for item in items if not item['built_in']]),
        })

    def _vipps_list_items(self):
        """ Return what is to be seen: the section, the name of the observation, what it is, and
        what to do to see it.

        :rtype: list[tuple[str, str, str, str]]
        """
        operations, states, service, verification = (
            _("Operations"), _("States and Events"), _("Customers and Staff"), _("Verification")
        )
        buy = _("Buy something in the shop, or make the test payment of the set-up guide.")
        return [
            (operations, 'create', _("A payment is created"), buy),
            (operations, 'get', _("A payment is read"), buy),
            (operations, 'events', _("The event log of a payment is read"),
             _("Press Update from Vipps on a transaction.")),
            (operations, 'cancel', _("A payment is cancelled"),
             _("Reserve an amount, and press Void Transaction on the order.")),
            (operations, 'capture_all', _("A payment is captured in full"),
             _("Press Capture Transaction on an order whose payment is reserved.")),
            (operations, 'capture_part', _("A payment is captured in part"),
             _("Press Capture Transaction on an order, and enter less than what is reserved.")),
            (operations, 'refund_all', _("A payment is refunded in full"),
             _("Press Refund on a captured transaction.")),
            (operations, 'refund_part', _("A payment is refunded in part"),
             _("Press Refund on a captured transaction, and enter less than what was captured.")),
            (states, 'webhook', _("Webhooks are received and processed"),
             _("Set up the webhooks, and pay something.")),
            (states, 'polled', _("Payments are found without webhooks, too, by asking"),
             _("Pay something, and come back to the shop: Odoo asks before a webhook is needed.")),
            (states, 'approved', _("Approved payments are seen (AUTHORIZED)"), buy),
            (states, 'aborted', _("Payments that the customer cancels are seen (ABORTED)"),
             _("Start a payment, and cancel it in the app.")),
            (states, 'expired', _("Payments that nobody approves are seen (EXPIRED)"),
             _("Start a payment, and leave it alone for ten minutes.")),
            (states, 'terminated', _("Payments that Odoo cancels are seen (TERMINATED)"),
             _("Start a payment twice for the same order: the first one is cancelled.")),
            (service, 'explained', _("Errors are explained to customers"),
             _("Start a payment, cancel it in the app, and read the page you come back to.")),
            (service, 'app_link', _("The payment history in the app leads to the order"),
             _("Pay for an order of the shop; the link is set a moment after it is confirmed.")),
            (service, 'operated', _("Customer service captures, releases and refunds in Odoo"),
             _("Capture or refund a payment with its buttons, not in the portal.")),
            (service, 'returned', _("Customers come back from the app"),
             _("Pay something in the shop with your phone.")),
            (service, 'present', _("Payments at tills say that the customer is present"),
             _("Take a payment at a till. Without tills, this does not apply.")),
            (service, 'in_time', _("Reservations are captured before their deadline"),
             _("Capture a payment.")),
            (service, 'neighbour', _("Customers from the other Nordic countries can pay"),
             _("Pay with an address in another country than that of the sales unit. Phone numbers"
               " of all countries are sent with their country code.")),
            (verification, 'end_captured', _("One order ends captured"),
             _("Make an order, and capture all of it.")),
            (verification, 'end_refunded', _("One order ends refunded"),
             _("Make an order, capture all of it, and refund all of it.")),
            (verification, 'end_cancelled', _("One order ends cancelled"),
             _("Make an order, approve it, and press Void Transaction.")),
        ]

    def _vipps_prepare_item(self, observed, section, name, title, advice):
        """ Return an item as it is shown to people.

        :param dict observed: See :meth:`_vipps_observe`.
        :rtype: dict
        """
        cells = {}
        for environment in ENVIRONMENTS:
            example = observed[environment].get(name)
            overdue = observed[environment].get('overdue')
            if name == 'in_time' and overdue:
                example = None
                advice = _("Reservations that are past their deadline: %(count)s, such as"
                           " %(reference)s.", **overdue)
            cells[environment] = example and {
                'reference': example['reference'],
                'tx_id': example['tx_id'],
                'date': format_datetime(self.env, example['date'], dt_format='short'),
                'is_old': example['date'] < fields.Datetime.now() - FRESH_PERIOD,
            }
        return {
            'section': section, 'name': name, 'title': title, 'advice': advice, 'cells': cells,
            'built_in': False,
        }

    def _vipps_prepare_built_in_items(self, observed):
        """ Return the items that the addon fulfills by itself, as they are shown to people.

        :param dict observed: See :meth:`_vipps_observe`.
        :rtype: list[dict]
        """
        section = _("Built In")
        headers = self._vipps_observe_headers()
        has_terms = self.env['ir.ui.view'].sudo().with_context(active_test=False).search_count([
            ('key', '=', 'website_sale.accept_terms_and_conditions'), ('active', '=', True),
        ], limit=1)
        return [{
            'section': section, 'name': name, 'title': title, 'advice': reason, 'cells': cells,
            'built_in': True,
        } for name, title, reason, cells in (
            ('headers', _("Vipps HTTP headers on all calls"),
             _("Each call names Odoo, this addon, their versions and the sales unit."),
             {environment: environment in headers and {
                 'reference': _("Last call"), 'tx_id': None, 'is_old': False,
                 'date': format_datetime(self.env, headers[environment], dt_format='short'),
             } for environment in ENVIRONMENTS}),
            ('reference', _("Useful references"),
             _("Each has the number of the order or invoice and is never used twice."),
             {environment: (self._vipps_prepare_item(
                 observed, section, 'create', '', ''
             )['cells'][environment]) for environment in ENVIRONMENTS}),
            ('return_url', _("Customers may come back in any browser"),
             _("The return address is signed and needs neither a session nor cookies."), {}),
            ('design', _("Name and logo as in the design guidelines"),
             _("Those of the payment methods of Odoo, unaltered."), {}),
            ('terms', _("Customers accept the terms before they pay"),
             _("The box for it is shown in the checkout of the shop.") if has_terms else
             _("Not yet: in the website editor, on the checkout page, switch on Accept Terms &"
               " Conditions."), {}),
        )]
