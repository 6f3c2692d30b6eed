# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import NamedTuple

from odoo.fields import Command
from odoo.modules.module import get_module_path
from odoo.osv.expression import OR
from odoo.tools import SQL

from ..simulator.sales_units import NOK_UNIT
from .pos_common import PosCommon

ADDON = 'mobilepay_vipps'
OUR_MODULE = f'odoo.addons.{ADDON}.'

# By way of what a payment, or somebody's document, can be reached.
LINKED_MODELS = {
    'account.move', 'account.move.line', 'account.payment', 'payment.provider',
    'payment.transaction', 'pos.config', 'pos.order', 'pos.order.line', 'pos.payment',
    'pos.session', 'sale.order', 'sale.order.line', 'stock.picking',
}
# Computes of core after which we only have payments looked at: their results are core's.
WATCHED_COMPUTES = {'_compute_amount', '_compute_amounts', '_compute_delivery_status'}
# What matters of records that change for many reasons, and of which tables every column is ours.
COLUMNS = {'res.partner': ('name', 'email', 'phone', 'street', 'zip', 'city')}
OURS = {'account.payment', 'payment.transaction', 'pos.payment'}
LINK_TABLES = ('account_invoice_transaction_rel', 'sale_order_transaction_rel')
PERSON = {
    'name': "Hemmelig Hansen", 'email': 'hemmelig@example.com', 'email_verified': True,
    'phone': '4790807060', 'street': "Hemmeligveien 7", 'zip': '0154', 'city': "Oslo",
    'country': 'NO',
}
SUB = '0ac58988-140b-4c1b-9d3e-0000000000aa'


class Secret(NamedTuple):
    """ Documents that belong together, and texts that stand nowhere else. """
    name: str
    documents: list
    texts: set


class VictimCommon(PosCommon):
    """ A victim with records of all our models; models, fields and methods are found here. """

    #=== What there is ===#

    def _is_ours(self, cls):
        return cls.__module__.startswith(OUR_MODULE)

    @cache  # noqa: B019 - as long as the test, which changes none of them.
    def _find_models(self):
        """ Return the names of the models that the addon defines or extends. """
        return {
            name for name, model_class in self.registry.items()
            if any(self._is_ours(cls) for cls in model_class.__mro__)
        }

    @cache  # noqa: B019
    def _find_own_models(self):
        return {name for name in self._find_models() if self.env[name]._original_module == ADDON}

    @cache  # noqa: B019
    def _find_fields(self, model):
        """ Return the names of the fields that the addon defines, changes or computes. """
        computes = {
            name for cls in self.registry[model].__mro__ if self._is_ours(cls) for name in vars(cls)
        } - WATCHED_COMPUTES
        return [
            name for name, field in self.env[model]._fields.items()
            if ADDON in (field._modules or ()) or (
                isinstance(field.compute, str) and field.compute in computes
            )
        ]

    @cache  # noqa: B019
    def _find_methods(self):
        """ Return the model, the name and the function of our methods that can be called. """
        return sorted({
            (model, name, getattr(value, '__func__', value))
            for model in self._find_models()
            for cls in self.registry[model].__mro__ if self._is_ours(cls)
            for name, value in vars(cls).items()
            if not name.startswith('_') and name != 'init'
            and (inspect.isroutine(value) or isinstance(value, classmethod | staticmethod))
        }, key=lambda method: method[:2])

    def _find_context_keys(self):
        """ Return the context keys that our code reads or sets, as its source says. """
        return {
            key for folder in ('models', 'wizards', 'controllers')
            for file in (Path(get_module_path(ADDON)) / folder).rglob('*.py')
            for node in ast.walk(ast.parse(file.read_text()))
            for key in self._get_context_keys(node)
        }

    def _get_context_keys(self, node):
        def is_context(value):
            return isinstance(value, ast.Attribute) and value.attr in ('context', '_context')

        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == 'with_context':
                return {keyword.arg for keyword in node.keywords if keyword.arg}
            if node.func.attr == 'get' and is_context(node.func.value):
                return {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
        if isinstance(node, ast.Subscript) and is_context(node.value):
            return {node.slice.value} if isinstance(node.slice, ast.Constant) else set()
        return set()

    #=== The victim ===#

    def _make_secrets(self):
        contact = self.env['res.partner'].create({
            'name': "Kunde Kundesen", 'email': 'kunde@example.com', 'phone': '+47 91827364',
            'company_id': self.company.id, 'country_id': self.country_norway.id,
        })
        values = {'partner_id': contact.id, 'user_id': self.colleague.id}
        order = self._create_order(7531.25, **values)
        tx = self._authorize(
            amount=7531.25, sale_order_ids=[Command.set(order.ids)], partner_id=contact.id,
        )
        tx.sudo().write({
            'vipps_user_details': PERSON, 'vipps_user_sub': SUB,
            'vipps_user_info_state': 'received',
        })
        paid_order = self._create_order(6420.75, **values)
        paid_tx = self._authorize(
            amount=6420.75, sale_order_ids=[Command.set(paid_order.ids)], partner_id=contact.id,
        )
        paid_tx._send_capture_request()
        invoice, draft = self._create_victim_invoice(8642.75), self._create_victim_invoice(9753.5)
        draft.button_draft()
        invoice_tx = self._authorize(
            amount=8642.75, invoice_ids=[Command.set(invoice.ids)], partner_id=contact.id,
        )
        invoice_tx._send_capture_request()
        credit_note = invoice._reverse_moves()
        credit_note.invoice_line_ids.price_unit = 5310.25
        credit_note.action_post()
        ui_order = self._prepare_ui_order(4321.25)
        status = self._ask_and_approve(ui_order)
        till_tx = self._get_attempt(status['reference'])
        pos_order = self.env['pos.order'].search([('pos_reference', '=', status['order'])])
        self.till_reference, self.till_uuid = status['reference'], status['uuid']
        self.draft_move, self.till_order = draft, pos_order
        self._make_windows(tx, invoice_tx, credit_note, till_tx, contact)
        self.ledger, _entry, self.payout = self._create_settlement(tx)
        self.env['vipps.settlement.file'].sudo().create({
            'name': "entries.csv", 'ledger_id': self.ledger.id, 'company_id': self.company.id,
            'state': 'done',
        })
        self.env['vipps.settlement.day'].sudo().create({
            'ledger_id': self.ledger.id, 'day': self.ledger.start_date,
        })
        line = self.env['account.bank.statement.line'].sudo().create({
            'journal_id': self.company_data['default_journal_bank'].id,
            'date': self.payout.ledger_date,
            'payment_ref': self.payout.reference,
            'amount': self.payout.amount,
        })
        self.env['vipps.settlement.choice'].sudo().create({
            'payout_id': self.payout.id, 'line_id': line.id,
        })

        def name(amount, *txs):
            return {f'{amount}', f'{amount:,}', f'{round(amount * 100)}', *(
                text for tx in txs for text in (tx.reference, tx.vipps_payment_reference)
            )}

        return [
            Secret('order', [order, tx], name(7531.25, tx)),
            Secret('paid order', [paid_order, paid_tx], name(6420.75, paid_tx)),
            Secret('invoice', [invoice, invoice_tx, invoice_tx.payment_id, credit_note],
                   name(8642.75, invoice_tx) | name(5310.25)),
            Secret('draft', [draft], name(9753.5)),
            Secret('till', [pos_order, till_tx, pos_order.session_id], name(4321.25, till_tx)),
            Secret('contact', [contact], {contact.name, contact.email, '91827364'}),
            Secret('person', [], {*(PERSON[key] for key in ('name', 'email', 'phone', 'street')),
                                  SUB}),
            Secret('keys', [], {
                NOK_UNIT.client_id, NOK_UNIT.client_secret, NOK_UNIT.subscription_key,
            }),
        ]

    def _create_victim_invoice(self, amount):
        invoice = self._create_invoice(amount)
        invoice.invoice_user_id = self.colleague
        return invoice

    def _make_windows(self, tx, invoice_tx, credit_note, till_tx, contact):
        """ Open each window of ours as a colleague of the attackers. """
        as_colleague = self.env(user=self.colleague.id)
        as_colleague['payment.capture.wizard'].create({'transaction_ids': [Command.set(tx.ids)]})
        as_colleague['payment.refund.wizard'].create({'payment_id': invoice_tx.payment_id.id})
        as_colleague['vipps.refund.wizard'].create({'move_id': credit_note.id})
        invoice = invoice_tx.invoice_ids
        self.request_dialog = as_colleague['vipps.payment.request.send'].create({
            'invoice_ids': [Command.set(invoice.ids)],
        })
        self.env['vipps.payment.request'].sudo().create({
            'partner_id': contact.id, 'company_id': self.company.id, 'channel': 'mail',
            'currency_id': invoice.currency_id.id, 'invoice_ids': [Command.set(invoice.ids)],
        })
        self.env['vipps.app.code'].sudo().create({
            'move_id': invoice.id, 'provider_id': self.vipps.id, 'company_id': self.company.id,
            'qr_id': 'i1-fake',
        })
        self.env['vipps.payment.page'].sudo().create({
            'name': "Innsamling", 'company_id': self.company.id, 'partner_id': contact.id,
            'currency_id': self.currency_nok.id, 'product_id': self.env['product.product'].create({
                'name': "Gave", 'taxes_id': False,
            }).id,
        })
        as_colleague['vipps.till.refund.wizard'].create({'transaction_id': till_tx.id})
        as_colleague['vipps.till.attempt'].create({
            'session_id': self.session.id, 'reference': till_tx.reference,
        })
        as_colleague['vipps.personal.data'].create({'partner_id': contact.id})
        self.env['vipps.key.rotation'].create({'provider_id': self.vipps.id})
        self.env['vipps.setup.guide'].create({
            'provider_id': self.vipps.id, 'step': 'payment', 'market': 'NO',
            'capture_mode': 'manual',
        })
        self.env['vipps.webhook.event'].sudo().create({
            'provider_id': self.vipps.id, 'name': 'AUTHORIZED', 'psp_reference': 'fake-psp',
            'reference': tx.vipps_payment_reference, 'state': 'failed', 'success': True,
        })
        self.env['vipps.task']._schedule(tx, 'verify')
        self.env.cr.postcommit.run()  # Notes the calls of the API.

    def _collect_victims(self):
        """ Return the records of the victim of all models that matter, by model. """
        seeds = {}
        for secret in self.secrets:
            for document in secret.documents:
                records = seeds.setdefault(document._name, document.browse())
                seeds[document._name] = records | document
        seeds['payment.provider'], seeds['pos.config'] = self.vipps, self.config
        seeds['vipps.settlement.ledger'] = self.ledger
        seeds['vipps.settlement.payout'] = self.payout
        seeds['vipps.payment.request.send'] = self.request_dialog.sudo()
        victims = dict(seeds)
        for model in sorted((self._find_models() | LINKED_MODELS) - seeds.keys()):
            domains = [
                [(name, 'in', seeds[field.comodel_name].ids)]
                for name, field in self.env[model]._fields.items()
                if field.type == 'many2one' and field.store and field.comodel_name in seeds
            ]
            if domains and not self.env[model]._abstract:
                records = self.env[model].sudo().search(OR(domains), limit=5)
                if records:
                    victims[model] = records
        return victims

    def _make_own(self, company):
        """ Return the records that everybody in a company may work with, by model. """
        env = self.env(context={'allowed_company_ids': company.ids})
        partner = self.env['res.partner'].create({
            'name': "Angriper", 'company_id': company.id, 'country_id': self.country_norway.id,
        })
        line = {'product_id': self.product.id, 'price_unit': 100}
        order = env['sale.order'].create({
            'partner_id': partner.id, 'company_id': company.id, 'user_id': False,
            'currency_id': self.currency_nok.id,
            'order_line': [Command.create({**line, 'tax_id': [Command.clear()]})],
        })
        moves = env['account.move'].create([{
            'move_type': move_type, 'partner_id': partner.id, 'company_id': company.id,
            'currency_id': self.currency_nok.id, 'invoice_user_id': False,
            'invoice_line_ids': [Command.create({**line, 'tax_ids': [Command.clear()]})],
        } for move_type in ('out_invoice', 'out_refund')])
        moves.action_post()
        return {
            'sale.order': order, 'sale.order.line': order.order_line,
            'account.move': moves[1], 'account.move.line': moves[1].invoice_line_ids,
            'res.partner': partner,
        }

    def _add_own_payment(self, records):
        """ Add a captured payment of the other company, and its entry. """
        tx = self._authorize(
            provider_id=self.other_vipps.id, amount=100, partner_id=records['res.partner'].id,
        )
        tx.with_company(self.other_company)._send_capture_request()
        records.update({'payment.transaction': tx, 'account.payment': tx.payment_id})

    #=== What may change ===#

    def _read_rows(self):
        """ Return the rows that the secrets are about, by secret and by whether these are ours.

        What core's own methods change in the columns of core's documents, they change without us.
        """
        self.env.flush_all()
        if not self._rows_query:
            self._rows_query = SQL(
                "SELECT secret, is_ours, array_agg(digest ORDER BY digest) FROM (%s) t"
                " GROUP BY secret, is_ours",
                SQL(" UNION ALL ").join(
                    SQL("SELECT %s secret, %s is_ours, (%s) digest", secret.name, is_ours, query)
                    for secret in self.secrets for document in secret.documents
                    for is_ours, query in self._prepare_row_queries(document)
                ),
            )
        self.env.cr.execute(self._rows_query)
        return {(secret, is_ours): digests for secret, is_ours, digests in self.env.cr.fetchall()}

    def _prepare_row_queries(self, document):
        """ Yield whether it is ours, and the query of one text, for all that is stored of it. """
        def select(columns, table, column, value):
            return SQL(
                "SELECT md5(string_agg((%s)::text, ' ')) FROM %s t WHERE %s = %s",
                columns, SQL.identifier(table), SQL.identifier(column), value,
            )

        model = document._name
        columns = COLUMNS.get(model) or [
            name for name, field in document._fields.items()
            if ADDON in (field._modules or ()) and field.store and field.column_type
        ]
        if model in OURS:
            yield True, select(SQL("t"), document._table, 'id', document.id)
        elif columns:
            row = SQL("ROW(%s)", SQL(", ").join(map(SQL.identifier, columns)))
            yield True, select(row, document._table, 'id', document.id)
        if model in ('account.move', 'pos.order', 'pos.session', 'sale.order'):
            yield False, select(SQL("t"), document._table, 'id', document.id)
            yield False, SQL(
                "SELECT count(*)::text FROM mail_message WHERE model = %s AND res_id = %s",
                model, document.id,
            )
        if model == 'payment.transaction':
            for table in LINK_TABLES:
                yield True, select(SQL("t"), table, 'transaction_id', document.id)
