# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tests.common import JsonRpcException

from .penetration_common import REFUSALS, PenetrationCommon
from .test_rpc import ACCESS_ERROR


@tagged('post_install', '-at_install')
class TestPenetrationCompany(PenetrationCommon):
    """ The records of one company, tried by payment managers of both. """

    #=== A payment manager of another company ===#

    def test_nothing_of_another_company_is_found_counted_or_read(self):
        self._log_in('stranger')
        for model, records in self.records.items():
            if model == 'ir.module.module':
                continue
            names = [
                name for name, field in self.env[model]._fields.items()
                if field._module == 'mobilepay_vipps' and field.store and not field.groups
            ][:1] or ['create_date']
            ids = records.ids
            with self.subTest(model=model):
                self._assert_hidden(model, ids, names)

    def _assert_hidden(self, model, ids, names):
        domain = [('id', 'in', ids)]
        try:
            self.assertEqual(self._call(model, 'search_count', domain), 0, model)
        except JsonRpcException as error:
            self.assertEqual(str(error), ACCESS_ERROR)  # The whole model is closed.
        for method, args in (
            ('search_read', [domain, names]), ('name_search', ['', domain]),
            ('read_group', [domain, names, names]), ('read', [ids, names]),
            ('web_read', [ids, {name: {} for name in names}]), ('export_data', [ids, names]),
            ('copy', [ids[0]]), ('write', [ids, {names[0]: False}]), ('unlink', [ids]),
        ):
            try:
                result = self._call(model, method, *args)
            except JsonRpcException as error:
                self.assertIn(str(error), REFUSALS, method)
            else:
                self.assertIn(result, ([], {'datas': []}), method)

    def test_nothing_of_another_company_is_reached_by_way_of_messages_and_activities(self):
        self.vipps.sudo()._vipps_alert_administrator('payment', "A secret note")
        self.vipps.sudo().message_post(body="A secret note")
        self._log_in('stranger')
        for model in ('payment.provider', 'payment.transaction'):
            ids = self._get_ids(model)
            for method, args, kwargs in (
                ('message_post', [ids], {'body': "x"}),
                ('message_subscribe', [ids, self.users['stranger'].partner_id.ids], {}),
                ('activity_schedule', [ids], {'summary': "x"}),
            ):
                if not hasattr(self.env[model], method):
                    continue
                with self.subTest(model=model, method=method):
                    try:
                        result = self._call(model, method, *args, **kwargs)
                    except JsonRpcException as error:
                        self.assertIn(str(error), REFUSALS)
                    else:
                        self.assertIs(result, False)
        for model in ('mail.message', 'mail.activity', 'mail.followers', 'mail.tracking.value'):
            with self.subTest(model=model):
                try:
                    found = self._call(model, 'search_read', [])
                except JsonRpcException:
                    continue
                self.assertNotIn("secret", str(found))

    def test_no_record_of_an_own_company_can_be_tied_to_another_one(self):
        """ A readable record must not become the way to an unreadable one. """
        own_order = self._create_order(company_id=self.other_company.id)
        self._log_in('stranger')
        with self._assert_nothing_changes():
            for model, values in (
                ('vipps.refund.wizard', {'move_id': self.records['account.move'].id}),
                ('payment.refund.wizard', {'payment_id': self.records['account.payment'].id}),
                ('payment.capture.wizard', {'transaction_ids': [Command.set(self.tx.ids)]}),
                ('sale.order', {
                    'partner_id': self.partner.id, 'transaction_ids': [Command.set(self.tx.ids)],
                }),
            ):
                with self.subTest(model=model):
                    try:
                        created = self._call(model, 'create', values)
                    except JsonRpcException as error:
                        self.assertIn(str(error), REFUSALS)
                        continue
                    fields = self.env[model]._fields
                    names = [
                        name for name, field in fields.items()
                        if field._module == 'mobilepay_vipps' and not field.groups
                    ]
                    try:
                        told = str(self._call(model, 'read', [created], names))
                    except JsonRpcException:
                        continue
                    self.assertNotIn(self.tx.reference, told)
                    self.assertNotIn(self.tx.vipps_payment_reference, told)
            with self.assertRaises(JsonRpcException):
                self._call('sale.order', 'write', own_order.ids, {
                    'transaction_ids': [Command.update(self.tx.id, {'amount': 1})],
                })

    #=== A payment manager of the company ===#

    def test_a_payment_manager_reads_our_providers_and_no_others_and_no_keys(self):
        self._log_in('manager')
        codes = {
            provider['code'] for provider in
            self._call('payment.provider', 'search_read', [], ['code'])
        }
        self.assertEqual(codes, {'vipps'})
        with self.assertRaises(JsonRpcException) as refusal:
            self._call('payment.provider', 'read', self.dummy_provider.ids, ['name'])
        self.assertEqual(str(refusal.exception), ACCESS_ERROR)
        with self._assert_nothing_changes():
            for method, args in (
                ('write', [self.vipps.ids, {'name': "x"}]), ('unlink', [self.vipps.ids]),
                ('copy', self.vipps.ids), ('create', [{'name': "x", 'code': 'vipps'}]),
                ('load', [['.id', 'name'], [[str(self.vipps.id), "x"]]]),
                ('action_toggle_is_published', [self.vipps.ids]),
                ('message_post', [self.vipps.ids]),
            ):
                with self.subTest(method=method):
                    try:
                        result = self._call('payment.provider', method, *args)
                    except JsonRpcException as error:
                        self.assertEqual(str(error), ACCESS_ERROR)
                    else:
                        self.assertEqual((method, result['ids']), ('load', False))
        self._log_in('administrator')
        self.assertGreater(self._call('payment.provider', 'search_count', []), 1)

    def test_a_payment_manager_replays_events_of_the_own_company(self):
        self._log_in('manager')
        self._call('vipps.webhook.event', 'action_replay', self.event.ids)
        self.env.invalidate_all()
        self.assertEqual(self.event.state, 'pending')
