# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from lxml import html

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

from ...models.provider.payment_provider import SECRET_FIELDS, SECRET_MASK
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import KEYS, VippsCommon

ALL_SECRETS = {name: f'fake-{name}' for name in SECRET_FIELDS}


class ProviderCommon(VippsCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.system_user = new_test_user(
            cls.env, 'vipps_administrator',
            groups='base.group_system,account.group_account_invoice',
            company_id=cls.company.id,
            company_ids=[Command.set((cls.company | cls.env.ref('base.main_company')).ids)],
        )
        cls.vipps = cls.vipps.with_user(cls.system_user).with_company(cls.company)

    def _read_row(self, provider):
        """ Return everything that the database holds about a provider, as text. """
        provider.flush_recordset()
        self.env.cr.execute(
            "SELECT payment_provider::text FROM payment_provider WHERE id = %s", [provider.id]
        )
        return self.env.cr.fetchone()[0]


@tagged('post_install', '-at_install')
class TestProviderSecrets(ProviderCommon):
    """ The keys are written and used, and never read. """

    has_second_company = True

    def test_secrets_read_back_as_a_mask_when_set_and_as_nothing_when_not(self):
        for name in SECRET_FIELDS:
            with self.subTest(name=name):
                self.vipps.sudo()[name] = 'fake-key'
                self.assertEqual(self.vipps.read([name])[0][name], SECRET_MASK)
                self.vipps.state = 'disabled'
                self.vipps[name] = False
                self.assertIs(self.vipps.read([name])[0][name], False)

    def test_clear_text_is_readable_nowhere_after_write_and_create(self):
        created = self.vipps.sudo().create({
            'name': "New", 'code': 'vipps', **ALL_SECRETS,
        }).sudo(False)
        self.vipps.sudo().write(ALL_SECRETS)
        for provider in (self.vipps, created):
            for records in (provider, provider.sudo(), provider.with_context(lang='en_US')):
                texts = str(records.read()) + str(records.export_data(list(SECRET_FIELDS)))
                texts += str(records.copy_data())
                for secret in ALL_SECRETS.values():
                    self.assertNotIn(secret, texts)
        cached = str([list(values.values()) for values in self.env.cache._data.values()])
        self.assertNotIn('fake-', cached)

    def test_database_holds_only_ciphertext(self):
        self.vipps.sudo().write(ALL_SECRETS)
        row = self._read_row(self.vipps)
        for name, secret in ALL_SECRETS.items():
            self.assertNotIn(secret, row)
            self.assertIn(self.vipps[f'{name}_ciphertext'], row)
        self.env.cr.execute("""
            SELECT column_name FROM information_schema.columns
             WHERE table_name = 'payment_provider' AND column_name IN %s
        """, [tuple(SECRET_FIELDS)])
        self.assertFalse(self.env.cr.fetchall())

    def test_stored_secret_comes_back_in_clear_text_for_the_server(self):
        self.vipps.sudo().write(ALL_SECRETS)
        for name, secret in ALL_SECRETS.items():
            self.assertEqual(self.vipps._vipps_get_secret(name), secret)

    def test_writing_the_mask_changes_nothing(self):
        self.vipps.sudo().vipps_webhook_secret = 'fake-webhook-secret'
        row = self._read_row(self.vipps)
        self.vipps.write(dict.fromkeys(SECRET_FIELDS, SECRET_MASK))
        self.assertEqual(self._read_row(self.vipps), row)

    def test_writing_one_secret_leaves_the_others_alone(self):
        self.vipps.sudo().write(ALL_SECRETS)
        for name in SECRET_FIELDS:
            with self.subTest(name=name):
                self.env.invalidate_all()
                self.vipps.sudo().write({name: 'fake-new'})
                for other in SECRET_FIELDS:
                    expected = 'fake-new' if other == name else ALL_SECRETS[other]
                    self.assertEqual(self.vipps._vipps_get_secret(other), expected)
                self.vipps.sudo().write({name: ALL_SECRETS[name]})

    def test_writing_nothing_clears(self):
        self.vipps.sudo().write({'state': 'disabled', **ALL_SECRETS})
        for name in SECRET_FIELDS:
            for empty in (False, '', '  '):
                with self.subTest(name=name, empty=empty):
                    self.vipps[name] = empty
                    self.assertFalse(self.vipps[name])
                    self.assertFalse(self.vipps[f'{name}_ciphertext'])
                    self.vipps.sudo()[name] = 'fake-key'

    def test_white_space_and_invisible_characters_are_stripped(self):
        for name in SECRET_FIELDS:
            for pasted in (
                ' fake-key', 'fake-key\n', '\tfake-key\r\n', 'fake- key', '\ufefffake-key',
                'fake\u200b-key', 'fake-key\u2028', 'fake\u00a0-key', '\u202afake-key\u202c',
                'fake-\u00adkey', 'fake-key\x00\x7f', SECRET_MASK + 'fake-key',
            ):
                with self.subTest(name=name, pasted=pasted):
                    self.vipps.sudo()[name] = pasted
                    self.assertEqual(self.vipps._vipps_get_secret(name), 'fake-key')

    def test_merchant_serial_number_is_stripped_too(self):
        for pasted in (' 123456\n', '\ufeff123456', '123\u200b456', '123 456\u2028'):
            with self.subTest(pasted=pasted):
                self.vipps.vipps_merchant_serial_number = '654321'
                self.vipps.vipps_merchant_serial_number = pasted
                self.assertEqual(self.vipps.vipps_merchant_serial_number, '123456')

    def test_provider_cannot_be_used_without_its_keys(self):
        for name in (
            'vipps_merchant_serial_number', 'vipps_client_id', 'vipps_client_secret',
            'vipps_subscription_key',
        ):
            label = self.vipps._fields[name].string
            with self.subTest(name=name):
                with self.assertRaisesRegex(ValidationError, label), self.env.cr.savepoint():
                    self.vipps[name] = False
                with self.assertRaisesRegex(ValidationError, label), self.env.cr.savepoint():
                    self.vipps.write({'state': 'disabled', name: False})
                    self.vipps.state = 'enabled'

    def test_disabled_provider_needs_no_keys(self):
        provider = self.vipps.create({'name': "Vipps", 'code': 'vipps'})
        self.assertEqual(provider.state, 'disabled')

    def test_only_administrators_read_keys_and_they_read_the_mask(self):
        names = [
            'vipps_merchant_serial_number', *SECRET_FIELDS,
            *(f'{name}_ciphertext' for name in SECRET_FIELDS),
        ]
        self._let_everybody_read_providers()
        user = new_test_user(self.env, 'somebody')
        user_types = self.group_user + self.group_portal + self.group_public
        for group in self.env['res.groups'].search([]):
            user_type = (group | group.trans_implied_ids) & user_types or self.group_user
            user.groups_id = group | user_type[:1]
            is_system = user.has_group('base.group_system')
            for name in names:
                with self.subTest(group=group.full_name, name=name):
                    provider = self.vipps.with_user(user)
                    if not is_system:
                        with self.assertRaises(AccessError):
                            provider.read([name])
                    elif name in SECRET_FIELDS:
                        self.assertIn(provider.read([name])[0][name], (SECRET_MASK, False))

    def test_duplicate_for_another_company_has_neither_keys_nor_webhook_and_says_so(self):
        self.vipps.sudo().write({
            'vipps_webhook_secret': 'fake-webhook-secret',
            'vipps_check_in_secret': 'fake-check-in-secret',
            'vipps_secondary_subscription_key': NOK_UNIT.subscription_key,
            'vipps_webhook_id': 'fake-id', 'vipps_webhook_url': 'https://a.b',
        })
        company = self.company_data_2['company']
        self.system_user.company_ids |= company
        duplicate = self.vipps.with_context(
            allowed_company_ids=(self.company | company).ids
        ).copy({'company_id': company.id})
        self.assertEqual((duplicate.company_id, duplicate.state), (company, 'disabled'))
        self.assertEqual(duplicate.vipps_merchant_serial_number, NOK_UNIT.msn)
        for name in (*SECRET_FIELDS, 'vipps_webhook_id', 'vipps_webhook_url'):
            self.assertFalse(duplicate[name])
        row = self._read_row(duplicate)
        for text in ('fake-id', *(self.vipps[f'{name}_ciphertext'] for name in SECRET_FIELDS)):
            self.assertNotIn(text, row)
        self.assertIn("has no keys", duplicate.message_ids[0].body)
        with Form(duplicate) as form:
            for name, key in KEYS.items():
                form[name] = key
            form.state = 'test'
        duplicate.action_vipps_test_connection()


@tagged('post_install', '-at_install')
class TestProviderSettings(ProviderCommon):
    """ What follows from the settings. """

    #=== Capture mode ===#

    def test_manual_capture_is_the_default(self):
        provider = self.vipps.create({'name': "Vipps", 'code': 'vipps'})
        self.assertEqual(provider.vipps_capture_mode, 'manual')
        self.assertTrue(provider.capture_manually)

    def test_capture_manually_follows_the_capture_mode(self):
        for mode, expected in (('automatic', False), ('manual', True), ('automatic', False)):
            self.vipps.vipps_capture_mode = mode
            self.assertEqual(self.vipps.capture_manually, expected)

    def test_capture_manually_of_other_providers_stays_editable(self):
        for value in (True, False, True):
            self.dummy_provider.capture_manually = value
            self.dummy_provider.vipps_capture_mode = 'automatic'
            self.env.invalidate_all()
            self.assertEqual(self.dummy_provider.capture_manually, value)

    #=== Environment ===#

    def test_environment_follows_the_state_and_a_disabled_provider_keeps_the_last_one(self):
        provider = self.vipps.sudo().create({
            'name': "Vipps", 'code': 'vipps', **ALL_SECRETS,
        }).sudo(False)
        provider.vipps_merchant_serial_number = '123456'
        self.assertEqual(provider.vipps_environment, 'test')
        for state, expected in (
            ('test', 'test'), ('disabled', 'test'), ('enabled', 'production'),
            ('disabled', 'production'), ('test', 'test'), ('enabled', 'production'),
        ):
            with self.subTest(state=state):
                provider.state = state
                self.env.invalidate_all()
                self.assertEqual(provider.vipps_environment, expected)

    def test_other_providers_have_no_environment(self):
        self.assertFalse(self.dummy_provider.vipps_environment)

    def test_environment_cannot_change_while_payments_are_open_or_reserved(self):
        open_tx, reserved_tx = self._start(), self._authorize()
        for values in (
            {'state': 'enabled'}, {'vipps_merchant_serial_number': DKK_UNIT.msn},
            {'state': 'disabled', 'vipps_merchant_serial_number': DKK_UNIT.msn},
        ):
            with self.subTest(**values), self.assertRaises(UserError) as refusal:
                self.vipps.write(values)
            self.assertIn(open_tx.reference, str(refusal.exception))
            self.assertIn(reserved_tx.reference, str(refusal.exception))
        self.assertEqual(self.vipps.state, 'test')

    def test_environment_cannot_change_while_it_is_unknown_whether_a_payment_was_created(self):
        self.simulator.fault(operation='create', kind='lost_answer', times=None)
        tx = self._start()
        with self.assertRaisesRegex(UserError, tx.reference):
            self.vipps.state = 'enabled'

    def test_provider_can_always_be_disabled_and_enabled_again_in_its_environment(self):
        self._authorize()
        self.vipps.state = 'disabled'
        with self.assertRaisesRegex(UserError, "open or reserved"):
            self.vipps.state = 'enabled'
        self.vipps.state = 'test'
        self.assertEqual(self.vipps.vipps_environment, 'test')

    def test_keys_of_the_same_sales_unit_can_be_entered_while_payments_are_open(self):
        self._start()
        self.vipps.sudo().write({
            'vipps_merchant_serial_number': f' {NOK_UNIT.msn} ',
            'vipps_subscription_key': NOK_UNIT.secondary_subscription_key,
        })
        self.vipps.action_vipps_test_connection()

    def test_environment_can_change_when_all_payments_are_decided(self):
        aborted_tx, captured_tx, released_tx = self._start(), self._authorize(), self._authorize()
        self.simulator.decline(aborted_tx.vipps_payment_reference)
        self._refresh(aborted_tx)
        captured_tx._send_capture_request()
        released_tx._send_void_request()
        self.vipps.state = 'enabled'
        self.assertEqual(self.vipps.vipps_environment, 'production')

    def test_payments_of_another_provider_do_not_matter(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        self._start()
        other.state = 'enabled'
        self.assertEqual(other.vipps_environment, 'production')

    #=== Currencies and amounts ===#

    def test_currencies_are_those_of_sales_units(self):
        provider = self.vipps.create({'name': "Vipps", 'code': 'vipps'})
        self.assertEqual(
            set(provider.available_currency_ids.mapped('name')), {'NOK', 'DKK', 'EUR'}
        )

    def test_provider_is_offered_within_the_limits_only(self):
        for currency, amount, is_offered in (
            ('NOK', 0, False), ('NOK', 0.99, False), ('NOK', 1, True), ('NOK', 249.5, True),
            ('NOK', 650000, True), ('NOK', 650000.01, False), ('NOK', -10, False),
            ('NOK', 0.9999999999, True),
            ('DKK', 0, False), ('DKK', 0.01, True), ('DKK', 650000.01, False),
            ('EUR', 0, False), ('EUR', 0.004, False), ('EUR', 0.01, True), ('EUR', 650000, True),
            ('USD', 100, False),
        ):
            with self.subTest(currency=currency, amount=amount):
                providers = self.env['payment.provider'].sudo()._get_compatible_providers(
                    self.company.id, self.partner.id, amount,
                    currency_id=self._prepare_currency(currency).id,
                )
                self.assertEqual(self.vipps.sudo() in providers, is_offered)

    def test_other_providers_are_offered_whatever_the_amount(self):
        self.dummy_provider.available_currency_ids |= self.currency_nok
        for amount in (0, 0.5, 700000):
            with self.subTest(amount=amount):
                providers = self.env['payment.provider'].sudo()._get_compatible_providers(
                    self.company.id, self.partner.id, amount, currency_id=self.currency_nok.id,
                )
                self.assertEqual(providers, self.dummy_provider.sudo())

    def test_provider_is_not_offered_to_save_a_payment_method(self):
        providers = self.env['payment.provider'].sudo()._get_compatible_providers(
            self.company.id, self.partner.id, 0, force_tokenization=True, is_validation=True,
        )
        self.assertNotIn(self.vipps.sudo(), providers)

    #=== Views ===#

    def test_administrator_configures_the_provider_in_its_form(self):
        provider = self.vipps.create({'name': "Vipps", 'code': 'vipps'})
        with Form(provider) as form:
            form.vipps_merchant_serial_number = NOK_UNIT.msn
            form.vipps_client_id = NOK_UNIT.client_id
            form.vipps_client_secret = NOK_UNIT.client_secret
            form.vipps_subscription_key = NOK_UNIT.subscription_key
            form.vipps_capture_mode = 'automatic'
            form.state = 'test'
        self.assertEqual(provider.vipps_client_secret, SECRET_MASK)
        self.assertFalse(provider.capture_manually)
        provider.action_vipps_test_connection()

    def test_form_demands_the_keys_as_soon_as_the_provider_is_not_disabled(self):
        form = Form(self.vipps.create({'name': "Vipps", 'code': 'vipps'}))
        form.state = 'test'
        with self.assertRaisesRegex(AssertionError, "vipps_merchant_serial_number"):
            form.save()

    def test_form_does_not_change_keys_that_are_set(self):
        with Form(self.vipps) as form:
            for name in KEYS:
                with self.subTest(name=name), self.assertRaisesRegex(AssertionError, "readonly"):
                    form[name] = 'fake-untried'
            form.vipps_secondary_subscription_key = NOK_UNIT.secondary_subscription_key
        self.vipps.action_vipps_test_connection()

    def test_form_shows_neither_capture_manually_nor_an_editable_environment(self):
        form = Form(self.vipps)
        self.assertFalse(form._get_modifier('vipps_capture_mode', 'invisible'))
        with self.assertRaisesRegex(AssertionError, "invisible"):
            form.capture_manually = False
        with self.assertRaisesRegex(AssertionError, "readonly"):
            form.vipps_environment = 'production'
        with self.assertRaisesRegex(AssertionError, "readonly"):
            form.vipps_webhook_url = 'https://example.com'

    def test_forms_of_other_providers_open_and_save_and_show_nothing_of_ours(self):
        providers = self.vipps.with_context(
            allowed_company_ids=self.system_user.company_ids.ids
        ).search([('code', '!=', 'vipps')])
        self.assertGreater(len(providers), 10)
        for provider in providers:
            with self.subTest(provider=provider.name):
                with Form(provider) as form:
                    form.name = f"{provider.name} (renamed)"
                    for name in form._view['fields']:
                        if name.startswith('vipps_'):
                            self.assertTrue(form._get_modifier(name, 'invisible'), name)
                            is_missing = not form[name] and form._get_modifier(name, 'required')
                            self.assertFalse(is_missing, name)

    def test_capture_manually_of_a_provider_that_supports_it_stays_visible(self):
        def compute(providers):
            providers.update({
                'support_express_checkout': False, 'support_manual_capture': 'full_only',
                'support_refund': False, 'support_tokenization': False,
            })

        with patch.object(
            type(self.vipps), '_compute_feature_support_fields', compute
        ), Form(self.dummy_provider.with_user(self.system_user)) as form:
            form.capture_manually = True
        self.assertTrue(self.dummy_provider.capture_manually)


@tagged('post_install', '-at_install')
class TestProviderOnPaymentPage(ProviderCommon, PaymentHttpCommon):
    """ What a customer sees on the real page. """

    def _get_offered_provider_ids(self, amount):
        # As text: the amount is signed as the page reads it.
        response = self._portal_pay(
            amount=str(amount), currency_id=self.currency_nok.id, partner_id=self.partner.id,
            company_id=self.company.id, access_token=self._generate_test_access_token(
                self.partner.id, amount, self.currency_nok.id
            ),
        )
        self.assertEqual(response.status_code, 200)
        radios = html.fromstring(response.text).xpath("//input[@name='o_payment_radio']")
        return [int(radio.get('data-provider-id')) for radio in radios]

    def test_customer_is_offered_vipps_mobilepay_within_the_limits_only(self):
        for amount, is_offered in (
            (0.0, False), (0.99, False), (1.0, True), (650000.0, True), (650000.01, False),
        ):
            with self.subTest(amount=amount):
                provider_ids = self._get_offered_provider_ids(amount)
                self.assertEqual(provider_ids, self.vipps.ids if is_offered else [])
