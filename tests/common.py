# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch
from urllib.parse import urlsplit

from passlib.context import CryptContext

from odoo import SUPERUSER_ID, api, fields
from odoo.fields import Command
from odoo.modules.registry import Registry
from odoo.tests import new_test_user
from odoo.tests.common import HOST, _super_send, get_db_name

from odoo.addons.account.tests.common import (
    AccountTestInvoicingCommon,
    instantiate_accountman,
)
from odoo.addons.base.models.res_users import Users
from odoo.addons.payment.tests.common import PaymentCommon

from ..models.jobs import own_transaction
from ..models.provider import alert
from ..protocol import client
from ..simulator.sales_units import NOK_UNIT
from ..simulator.server import Simulator

KEYS = {
    'vipps_client_id': NOK_UNIT.client_id,
    'vipps_client_secret': NOK_UNIT.client_secret,
    'vipps_subscription_key': NOK_UNIT.subscription_key,
}


@cache
def make_company(name):
    """ Make a company with a chart of accounts, for all classes: that takes seconds.

    :param str name: Its name.
    :return: Its id.
    :rtype: int
    """
    with Registry(get_db_name()).cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        currency = env.ref('base.USD')
        company = env['res.company'].create({'name': name, 'currency_id': currency.id})
        env['account.chart.template'].try_loading('generic_coa', company, install_demo=False)
        company.write({
            'currency_id': currency.id, 'account_fiscal_country_id': env.ref('base.us').id,
        })
        return company.id


class CompanyCommon(AccountTestInvoicingCommon):
    """ An accountant, and a company with a chart of accounts. """

    has_second_company = False

    @classmethod
    def setUpClass(cls):
        """ Override of `account` to share companies between classes, and to make no products, taxes
        and partners that no test looks at. """
        names = ['company_1_data', 'company_2_data'][:2 if cls.has_second_company else 1]
        company_ids = [make_company(name) for name in names]
        super(AccountTestInvoicingCommon, cls).setUpClass()
        instantiate_accountman(cls)
        cls.env.ref('base.main_company').currency_id = cls.env.ref('base.USD')
        cls.user.write({
            'company_ids': [Command.set(company_ids)], 'company_id': company_ids[0],
        })
        companies = cls.env['res.company'].browse(company_ids)
        cls.company_data = cls._get_company_data(companies[0])
        if cls.has_second_company:
            cls.company_data_2 = cls._get_company_data(companies[1])

    @classmethod
    def _get_company_data(cls, company):
        """ Return the records of a company that tests look at, by the names of `account`. """
        return {
            'company': company,
            'default_account_revenue': cls.env['account.account'].search([
                ('company_id', '=', company.id), ('account_type', '=', 'income'),
                ('id', '!=', company.account_journal_early_pay_discount_gain_account_id.id),
            ], limit=1),
            'default_journal_bank': cls.env['account.journal'].search([
                ('company_id', '=', company.id), ('type', '=', 'bank'),
            ], limit=1),
        }


class VippsCommon(PaymentCommon, CompanyCommon):
    """ A company in NOK whose provider talks to a simulator over HTTP. """

    @classmethod
    def setUpClass(cls):
        # Whoever lives for one test needs no password that takes years to guess.
        with cls._hash_passwords_quickly():
            super().setUpClass()
        cls.startClassPatcher(cls._hash_passwords_quickly())

        cls.simulator = Simulator(
            allow_loopback_http=True, record=os.environ.get('VIPPS_SIMULATOR_RECORD')
        )
        cls.simulator.__enter__()
        cls.addClassCleanup(cls.simulator.close)
        cls.env['ir.config_parameter'].set_param(
            'mobilepay_vipps.test_api_url', cls.simulator.url
        )
        cls.env['ir.config_parameter'].set_param('web.base.url', 'http://127.0.0.1')

        cls.currency_nok = cls._prepare_currency('NOK')
        cls.currency_dkk = cls._prepare_currency('DKK')
        cls.company.currency_id = cls.currency_nok
        cls.country_norway = cls.env.ref('base.no')
        cls.vipps = cls._prepare_provider('vipps', update_values={
            'vipps_merchant_serial_number': NOK_UNIT.msn,
            'is_published': True,
            **KEYS,
        })
        cls.method_vipps = cls.env.ref('payment.payment_method_vipps')
        cls.method_mobile_pay = cls.env.ref('payment.payment_method_mobile_pay')

        # Default values for `_create_transaction`.
        cls.provider = cls.vipps
        cls.payment_method_id = cls.method_vipps.id
        cls.currency = cls.currency_nok
        cls.amount = 249.5
        cls.reference = None
        cls.partner = cls.env['res.partner'].create({
            'name': "Kari Nordmann",
            'phone': '98 76 54 32',
            'country_id': cls.country_norway.id,
            'lang': 'en_US',
        })
        cls.product = cls.env['product.product'].create({
            'name': "Wool Sweater", 'list_price': 200, 'taxes_id': [Command.clear()],
        })

    @classmethod
    def _new_user(cls, login, groups, company=None):
        """ Return a new user of one company, by default of the one whose payments are tested. """
        company = company or cls.company
        return new_test_user(
            cls.env, login, groups, company_id=company.id, company_ids=[Command.set(company.ids)],
        )

    @staticmethod
    def _hash_passwords_quickly():
        return patch.object(Users, '_crypt_context', lambda self: CryptContext(
            ['pbkdf2_sha512', 'plaintext'], pbkdf2_sha512__rounds=1,
        ))

    @classmethod
    def _request_handler(cls, session, request, /, **kwargs):
        """ Override to let requests to this machine keep their time-outs: ours are pairs, which
        later releases of Odoo cannot compare with the number they want at least. """
        if urlsplit(request.url).hostname == HOST:
            return _super_send(session, request, **kwargs)
        return super()._request_handler(session, request, **{**kwargs, 'timeout': None})

    def setUp(self):
        self.enable_reconcile_after_done_patcher = False  # We look at the books, too.
        super().setUp()
        self.addCleanup(self.simulator.reset)
        # Jobs and alerts have database transactions of their own.
        if not self.registry.in_test_mode():
            self.registry.enter_test_mode(self.cr)
            self.addCleanup(self.registry.leave_test_mode)
        self.startPatcher(patch.object(alert, 'after_transaction', self._do_at_once))

    @staticmethod
    def _do_at_once(env, do, is_always=False):
        """ Run at once the hooks that follow a database transaction: those of tests have no end.
        """
        own_transaction.in_own_transaction(env.registry, do)
        env['payment.provider'].invalidate_model(['activity_ids'], flush=False)

    def _let_everybody_read_providers(self):
        """ Take away the first wall, to see that there is a second one. """
        self.env['ir.model.access'].sudo().create({
            'name': "Everybody", 'perm_read': True,
            'model_id': self.env['ir.model']._get_id('payment.provider'),
        })

    @contextmanager
    def _roll_back(self):
        """ Roll back the changes, as at the end of a request that fails, except the records of
        database transactions of their own, which share the cursor of the test. """
        audit, apart = type(self.env['vipps.audit.event']), []
        insert_apart = audit._insert_apart

        def note(events, *args):
            apart.append((events, args))
            insert_apart(events, *args)

        with patch.object(audit, '_insert_apart', note), self.env.cr.savepoint() as savepoint:
            yield
            savepoint.rollback()
        self.env.invalidate_all()
        for events, args in apart:
            insert_apart(events, *args)

    def _create_order(self, price=249.5, **values):
        return self.env['sale.order'].create({
            'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'order_line': [Command.create({
                'product_id': self.product.id, 'price_unit': price, 'tax_id': [Command.clear()],
            })],
            **values,
        })

    def _start(self, **values):
        """ Create a transaction, and its payment in the simulator. """
        tx = self._create_transaction('redirect', **values)
        tx._get_processing_values()
        return tx

    def _authorize(self, **values):
        """ Create a transaction that the customer approves in the app. """
        tx = self._start(**values)
        self.simulator.approve(tx.vipps_payment_reference)
        self._refresh(tx)
        return tx

    def _refresh(self, tx):
        """ Read a payment, and let the job follow. """
        tx._vipps_sync()
        self._follow_up()

    def _create_settlement(self, tx):
        """ Return a ledger that is set up, with an entry of a transaction, which is to be checked,
        and its payout. """
        ledger = self.env['vipps.settlement.ledger'].sudo().create({
            'number': '302321', 'msn': NOK_UNIT.msn, 'provider_id': self.vipps.id,
            'company_id': self.company.id, 'currency_id': tx.currency_id.id,
        })
        ledger._set_up()
        common = {'ledger_date': ledger.start_date, 'has_balance': True, 'time': tx.create_date}
        entries = self.env['vipps.settlement.entry'].sudo()._store(ledger, 'funds', 'own', [{
            **common, 'entry_type': 'capture', 'psp_reference': 'fake-capture',
            'reference': tx.vipps_payment_reference, 'amount': tx.amount,
            'balance_before': 0, 'balance_after': tx.amount,
        }, {
            **common, 'entry_type': 'payout-scheduled', 'psp_reference': '302321-2000001',
            'reference': "Utb. 2000001", 'amount': -tx.amount, 'payout_number': '2000001',
            'balance_before': tx.amount, 'balance_after': 0,
        }])
        entries[0].write({'state': 'check', 'transaction_id': tx.id})
        return ledger, entries[0], entries.payout_id

    def _get_tasks(self, tx, *kinds):
        """ Return the tasks of a payment, its captures and refunds: those of some kinds, or those
        that confirm and book. """
        return self.env['vipps.task'].sudo().search([
            ('transaction_id', 'in', (tx | tx.child_transaction_ids).ids),
            ('kind', 'in', kinds or ('confirm', 'book')),
        ])

    def _follow_up(self, with_mails=False):
        """ Run the job that confirms orders and books payments, when all of that is due. """
        self.env.flush_all()
        self.env.cr.execute("""
            UPDATE vipps_task SET due = now() AT TIME ZONE 'UTC' - interval '1 s'
             WHERE kind NOT IN ('verify', 'sync', 'capture', 'compare')
        """)
        self.env.invalidate_all()
        self.env['vipps.task']._cron_follow_up()
        if with_mails:
            self.env['sale.order']._cron_send_pending_emails(auto_commit=False)
        self.env.invalidate_all()


class TransactionCommon(VippsCommon):
    """ Staff, and their access to a transaction at the simulator. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant = cls._new_user(
            'vipps_accountant', 'base.group_user,account.group_account_invoice',
        )
        cls.salesman = cls._new_user(
            'vipps_salesman', 'base.group_user,sales_team.group_sale_salesman',
        )

    def _get_payment(self, tx):
        """ Return the payment of a transaction as Vipps MobilePay knows it. """
        return self.simulator.payment(tx.vipps_payment_reference)

    def _get_aggregate(self, tx):
        aggregate = self._get_payment(tx)['aggregate']
        return {
            name.removesuffix('Amount'): amount['value'] for name, amount in aggregate.items()
        }

    def _get_calls(self, operation, tx=None):
        return [
            exchange for exchange in self.simulator.exchanges
            if exchange['operation'] == operation
            and (not tx or exchange['reference'] == tx.vipps_payment_reference)
        ]

    def _get_activities(self):
        self.env.invalidate_all()
        return self.vipps.activity_ids

    def _capture(self, tx, amount=None, user=None, **values):
        """ Capture from the transaction, as its button and the window that it opens do. """
        return self._capture_in_window(
            tx.with_user(user or self.env.user).action_capture(), amount, user, **values
        )

    def _capture_in_window(self, action, amount=None, user=None, **values):
        """ Capture an amount, or all of it, in the window that a button opened. """
        if action['type'] != 'ir.actions.act_window':
            return action
        wizard = self.env[action['res_model']].with_user(user or self.env.user).with_context(
            **action['context']
        ).create({**({} if amount is None else {'amount_to_capture': amount}), **values})
        return wizard.action_capture()

    def _refund(self, payment, amount=None, user=None):
        """ Refund a payment of the books, as its button and the window that it opens do. """
        self.env.invalidate_all()
        action = payment.with_user(user or self.env.user).action_refund_wizard()
        wizard = self.env[action['res_model']].with_user(user or self.env.user).with_context(
            active_id=payment.id, active_model=payment._name,
        ).create({} if amount is None else {'amount_to_refund': amount})
        return wizard.action_refund()

    def _start_order(self, order, amount=None, **values):
        return self._start(
            amount=amount or order.amount_total, sale_order_ids=[Command.set(order.ids)], **values
        )

    def _create_invoice(self, amount=249.5):
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice',
            'partner_id': self.partner.id,
            'currency_id': self.currency_nok.id,
            'invoice_line_ids': [Command.create({
                'product_id': self.product.id, 'price_unit': amount, 'tax_ids': [Command.clear()],
            })],
        })
        invoice.action_post()
        return invoice

    def _start_invoice(self, invoice, amount=None):
        return self._start(
            amount=amount or invoice.amount_residual, invoice_ids=[Command.set(invoice.ids)]
        )

    def _without_pauses(self):
        """ Let the client repeat calls without an answer at once. """
        return patch.object(client, 'FIRST_PAUSE_SECONDS', 0)

    def _approve(self, tx):
        self.simulator.approve(tx.vipps_payment_reference)

    def _run_job(self):
        """ Run the job that reads open payments when all of them are due and nobody watches. """
        self.env.flush_all()
        self.env.cr.execute("""
            UPDATE vipps_task SET due = now() AT TIME ZONE 'UTC' - interval '1 second';
            UPDATE payment_transaction SET vipps_last_read = NULL WHERE id IN (
                SELECT transaction_id FROM vipps_task
            )
        """)
        self.env.invalidate_all()
        self._run_due()

    def _get_delay(self, tx, kind='sync'):
        """ Return in how much time a task of a transaction is due. """
        return self._get_tasks(tx, kind).due - fields.Datetime.now()

    def _run_due(self):
        """ Run the job that reads payments, and return the references of those that it read. """
        self.env.flush_all()
        calls = len(self.simulator.exchanges)
        self.env['vipps.task']._cron_sync_payments()
        self._follow_up()
        return [
            call['reference'] for call in self.simulator.exchanges[calls:]
            if call['operation'] == 'get'
        ]
