# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from psycopg2 import DatabaseError

from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from ...hooks import uninstall_hook
from ..pos_common import PosCommon

PROTECTED = "only grows"


@tagged('post_install', '-at_install')
class TestAuditProtection(PosCommon):
    """ What steers money or keys is recorded whoever changes it in whatever way, and what was
    recorded stays. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.audit = cls.env['vipps.audit.event'].sudo()
        cls.administrator = cls._new_user(
            'vipps_administrator',
            'base.group_user,base.group_system,account.group_account_manager,'
            'point_of_sale.group_pos_manager',
        )

    def setUp(self):
        super().setUp()
        self.env.flush_all()
        self.first_id = self.audit.search([], limit=1).id or 0

    def _take_details(self):
        """ Return what was recorded since this was called before. """
        self.env.flush_all()
        events = self.audit.search([('id', '>', self.first_id)], order='id')
        self.first_id = events[-1:].id or self.first_id
        self.assertLessEqual(set(events.mapped('action')), {'configured', 'webhook_registered'})
        return events.mapped('details')

    #=== What is recorded ===#

    def test_what_odoo_itself_writes_of_keys_and_webhooks_is_recorded(self):
        for values, expected in (
            ({'vipps_client_id_ciphertext': 'x'}, ["Client ID: changed"]),
            ({'vipps_client_secret': 'x'}, ["Client Secret: changed"]),
            ({'vipps_webhook_secret': 'x'}, ["Webhook Secret: changed"]),
            ({'vipps_webhook_url': 'https://x'}, ["Webhook URL: - → https://x"]),
            ({'vipps_webhook_id': 'x'}, ["Webhook ID: - → x"]),
            ({'vipps_webhook_previous_secrets': [{'url': 'x'}]},
             ["Previous Webhook Secrets: changed"]),
            ({'vipps_monitoring_token_hash': 'x'}, ["Monitoring Token: changed"]),
        ):
            with self.subTest(values=list(values)):
                self.vipps._vipps_write_protected(values)
                self.assertEqual(self._take_details(), expected)
        self.vipps.action_vipps_create_monitoring_token()
        self.assertEqual(self._take_details(), ["Monitoring Token: changed"])

    def test_settings_that_steer_money_are_recorded_with_their_values(self):
        journal = self.vipps.journal_id
        other_journal = journal.copy({'name': "Other Bank", 'code': 'OTHER'})
        vipps = self.vipps.with_user(self.administrator)
        self._take_details()
        vipps.vipps_capture_mode = 'on_delivery'
        vipps.vipps_release_when_closed = not vipps.vipps_release_when_closed
        vipps.state = 'disabled'
        self.assertEqual(
            [details.partition(':')[0] for details in self._take_details()],
            ["Capture", "Release the Rest", "State"],
        )
        vipps.journal_id = other_journal
        self.assertIn(
            f"Payment Journal: {journal.display_name} → {other_journal.display_name}",
            self._take_details(),
        )

    def test_the_journal_that_is_changed_from_the_other_side_is_recorded(self):
        self.assertTrue(self.vipps.journal_id)
        lines = self.env['account.payment.method.line'].search([
            ('payment_provider_id', '=', self.vipps.id), ('journal_id', '!=', False),
        ])
        line = lines[:1]
        other_journal = line.journal_id.copy({'name': "Other Bank", 'code': 'OTHER'})
        account = line.journal_id.default_account_id
        self._take_details()
        line.journal_id.with_user(self.administrator).write({
            'inbound_payment_method_line_ids': [Command.update(line.id, {
                'payment_account_id': account.id,
            })],
        })
        line.with_user(self.administrator).journal_id = other_journal
        first, second = self._take_details()
        self.assertIn(f"Payment Account: - → {account.display_name}", first)
        self.assertIn(f"→ {other_journal.display_name}", second)
        line.payment_provider_id = False
        self.assertIn("→ -", self._take_details()[0])
        line.payment_provider_id = self.vipps
        self.assertIn(f"→ {self.vipps.name}", self._take_details()[0])

    def test_payment_methods_of_tills_are_recorded(self):
        self._close()
        method = self.pos_method.with_user(self.administrator)
        other_journal = method.journal_id.copy({'name': "Other Bank", 'code': 'OTHER'})
        self._take_details()
        method.journal_id = other_journal
        self.assertIn(f"→ {other_journal.display_name}", self._take_details()[0])
        config = self.config.with_user(self.administrator)
        config.payment_method_ids -= method
        config.payment_method_ids += method
        config.payment_method_ids -= self.cash_method  # That is not ours.
        self.assertEqual([details.rpartition(': ')[2] for details in self._take_details()],
                         ["Taken from Shop", "Added to Shop"])
        created = method.create({
            'name': "Vipps 2", 'journal_id': method.journal_id.copy({'code': 'OTHE2'}).id,
            'use_payment_terminal': 'vipps', 'company_id': self.company.id,
        })
        details, = self._take_details()
        self.assertIn("Vipps 2: Created; ", details)
        created.use_payment_terminal = False
        self.assertTrue(self._take_details())
        created.name = "Card"
        created.unlink()
        self.assertFalse(self._take_details(), "It is another one's.")
        self.cash_method.name = "Coins"
        self.assertFalse(self._take_details())

    def test_the_address_of_a_simulator_is_recorded_however_it_is_set(self):
        parameters = self.env['ir.config_parameter'].with_user(self.administrator)
        name, old_url, url = (
            const.TEST_API_URL_PARAMETER, self.simulator.url, 'http://localhost:1'
        )
        parameters.set_param(name, url)
        parameter = parameters.search([('key', '=', name)])
        parameter.key = 'renamed'
        parameter.write({'key': name, 'value': old_url})
        parameter.unlink()
        parameters.create({'key': name, 'value': url})
        parameters.set_param('other', 'x')
        self.assertEqual(self._take_details(), [
            f"{name}: {old_url} → {url}", f"{name}: {url} → -", f"{name}: - → {old_url}",
            f"{name}: {old_url} → -", f"{name}: - → {url}",
        ])
        event = self.audit.search([], limit=1)
        self.assertEqual((event.user_id, event.reference), (self.administrator, name))

    def test_what_is_not_ours_is_not_recorded_and_costs_nothing(self):
        provider = self.dummy_provider
        provider.name = "Renamed"
        journal = self.env['account.journal'].create({
            'name': "Bank of others", 'type': 'bank', 'code': 'OTHER',
        })
        journal.inbound_payment_method_line_ids[:1].name = "Renamed"
        self.assertFalse(self._take_details())

    #=== What stays ===#

    def _assert_protected(self, query, params=None):
        with (
            self.subTest(query=query), mute_logger('odoo.sql_db'),
            self.assertRaisesRegex(DatabaseError, PROTECTED), self.env.cr.savepoint(),
        ):
            self.env.cr.execute(query, params)

    def test_postgresql_lets_nobody_change_or_remove_what_was_recorded(self):
        self.audit._record('data_read', self.vipps, partner_id=self.partner.id)
        self.env.flush_all()
        for query in (
            "UPDATE vipps_audit_event SET details = 'Nothing happened'",
            "UPDATE vipps_audit_event SET create_date = '2001-01-01'",
            "UPDATE vipps_audit_event SET user_id = NULL",
            "UPDATE vipps_audit_event SET partner_id = NULL",
            "UPDATE vipps_audit_event SET provider_id = NULL, details = ''",
            "DELETE FROM vipps_audit_event",
            "TRUNCATE vipps_audit_event",
        ):
            self._assert_protected(query)
        # Whoever gets around the methods of the model.
        permitted = self.audit._permitted().search([], limit=1)
        for call in (
            permitted.unlink, lambda: (permitted.write({'details': "x"}), self.env.flush_all()),
        ):
            with (
                mute_logger('odoo.sql_db'), self.assertRaisesRegex(DatabaseError, PROTECTED),
                self.env.cr.savepoint(),
            ):
                call()

    def test_retention_is_the_exception_and_leaves_the_door_closed(self):
        self.audit._record('data_read', self.vipps, partner_id=self.partner.id)
        self.env.flush_all()
        self.audit._vipps_forget(self.partner)
        self._assert_protected("DELETE FROM vipps_audit_event")
        future = fields.Datetime.now() + timedelta(days=1)
        self.assertTrue(self.audit._vipps_purge(self.vipps, future))
        self.audit._record('data_read', self.vipps, partner_id=self.partner.id)
        self.env.flush_all()
        self._assert_protected("DELETE FROM vipps_audit_event")
        with self.assertRaises(ZeroDivisionError), self.audit._vipps_permit_removal():
            raise ZeroDivisionError
        self._assert_protected("DELETE FROM vipps_audit_event")
        # While it is open, nothing but contacts can change.
        with (
            mute_logger('odoo.sql_db'), self.assertRaisesRegex(DatabaseError, PROTECTED),
            self.audit._vipps_permit_removal(),
        ):
            self.env.cr.execute("UPDATE vipps_audit_event SET details = 'Nothing happened'")

    def test_a_merged_contact_is_still_known(self):
        person, heir = self.env['res.partner'].create([{'name': "Kari"}, {'name': "Kari N."}])
        self.audit._record('data_read', self.vipps, partner_id=person.id)
        self.env.flush_all()
        event = self.audit.search([], limit=1)
        self.env['base.partner.merge.automatic.wizard'].create({})._merge(
            (person | heir).ids, heir
        )
        self.env.invalidate_all()
        self.assertEqual(event.partner_id, heir)

    #=== The end ===#

    def test_uninstalling_removes_the_protection(self):
        self.audit._record('data_read', self.vipps)
        self.env.flush_all()
        self._close()
        uninstall_hook(self.env(su=True))
        self.env.cr.postcommit.clear()
        self.env.cr.execute("DELETE FROM vipps_audit_event")
        self.audit.init()
        self.env.cr.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'vipps_audit%%'", [])
        self.assertEqual(self.env.cr.fetchone()[0], 1)

    def test_a_shop_that_has_sold_at_tills_only_is_not_uninstalled_either(self):
        module = self.env.ref('base.module_mobilepay_vipps')
        module.button_uninstall()
        module.button_uninstall_cancel()
        self._sell()
        provider = self.env['payment.provider']
        self.assertFalse(
            provider._check_existing_payment(provider._get_provider_payment_method('vipps'))
        )
        with self.assertRaisesRegex(UserError, "cannot be uninstalled"):
            module.button_uninstall()
