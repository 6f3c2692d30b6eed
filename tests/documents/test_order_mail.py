# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...source import Fact
from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestOrderMail(TransactionCommon):
    """ One mail for one purchase, which is neither rendered nor sent while money moves. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner.email = 'kari@example.com'
        cls.product.type = 'service'
        cls.executed = cls.env.ref('sale.mail_template_sale_payment_executed')
        cls.parameters = cls.env['ir.config_parameter'].sudo()

    def setUp(self):
        super().setUp()
        self.enterContext(mute_logger('odoo.addons.mobilepay_vipps.models.jobs.task'))
        self.rendered = []
        render = type(self.env['ir.actions.report'])._render_qweb_pdf

        def record(report, report_ref, res_ids=None, data=None):
            self.rendered.append(report._get_report(report_ref).report_name)
            return render(report, report_ref, res_ids=res_ids, data=data)

        self.startPatcher(
            patch.object(type(self.env['ir.actions.report']), '_render_qweb_pdf', record)
        )

    def _approve_order(self, amount=None, order=None):
        order = order or self._create_order()
        tx = self._start_order(order, amount)
        self._approve(tx)
        return order, tx

    def _send_mails(self):
        self.env.flush_all()
        self.env.cr.execute("UPDATE vipps_task SET due = now() AT TIME ZONE 'UTC' - interval '1 s'")
        self.env.invalidate_all()
        self.env['sale.order']._cron_send_pending_emails(auto_commit=False)
        self.env.invalidate_all()

    def _count_mails(self, order):
        """ Return how many mails about the order the customer got. """
        return len(order.message_ids.filtered(
            lambda m: self.partner in m.notified_partner_ids and m.subject
        ))

    def test_the_confirmation_is_the_only_mail_and_is_sent_later(self):
        for parameter in ('False', 'True'):
            self.parameters.set_param('sale.async_emails', parameter)
            for mode in ('manual', 'automatic'):
                with self.subTest(parameter=parameter, mode=mode):
                    self.rendered.clear()
                    self.vipps.vipps_capture_mode = mode
                    order, tx = self._approve_order()
                    self._refresh(tx)
                    self.assertEqual(order.state, 'sale')
                    template = order._get_confirmation_template()
                    self.assertEqual(order.pending_email_template_id, template)
                    self.assertFalse(self.rendered)
                    for _i in range(2):
                        self._send_mails()
                    self.assertFalse(order.pending_email_template_id)
                    self.assertEqual(self._count_mails(order), 1)
                    self.assertEqual(self.rendered, ['sale.report_saleorder'])
                    if mode == 'manual':
                        self._capture(tx)
                        self._follow_up()
                    self.assertTrue(tx.is_post_processed)
                    self._send_mails()
                    self.assertEqual(self._count_mails(order), 1)

    def test_a_payment_that_confirms_no_order_is_told_once(self):
        order, tx = self._approve_order()
        order.action_confirm()
        self._refresh(tx)
        self.assertEqual(order.pending_email_template_id, self.executed)
        self._send_mails()
        self._capture(tx)
        self._follow_up()
        self._send_mails()
        self.assertEqual(self._count_mails(order), 1)

    def test_the_confirmation_wins_while_it_waits(self):
        order, tx = self._approve_order()
        self._refresh(tx)
        template = order._get_confirmation_template()
        order._send_order_notification_mail(self.executed)
        self.assertEqual(order.pending_email_template_id, template)

    def test_a_second_part_is_told_as_well(self):
        order = self._create_order(price=500, prepayment_percent=0.4, require_payment=True)
        _order, first = self._approve_order(200, order)
        self._refresh(first)
        self.assertEqual(order.state, 'sale')
        self._send_mails()
        _order, second = self._approve_order(300, order)
        self._refresh(second)
        self._send_mails()
        self.assertEqual(self._count_mails(order), 2)

    def test_orders_of_others_run_the_code_of_core(self):
        order = self._create_order()
        with mute_logger('odoo.addons.mail'):
            order._send_order_notification_mail(order._get_confirmation_template())
        self.assertFalse(order.pending_email_template_id)
        self.assertEqual(self._count_mails(order), 1)
        self.parameters.set_param('sale.async_emails', 'True')
        other = self._create_order()
        other._send_order_notification_mail(other._get_confirmation_template())
        self.assertTrue(other.pending_email_template_id)
        self._send_mails()
        self.assertEqual(self._count_mails(other), 1)
        self.assertFalse(self.env['vipps.task'].search([]))

    def test_the_job_sends_mails_about_orders_of_others_after_ours(self):
        self.parameters.set_param('sale.async_emails', 'True')
        other = self._create_order()
        other._send_order_notification_mail(other._get_confirmation_template())
        order, tx = self._approve_order()
        self._refresh(tx)
        self.assertTrue(other.pending_email_template_id and order.pending_email_template_id)
        self.env.flush_all()
        with mute_logger('odoo.addons.mail'):
            self.env['sale.order']._cron_send_pending_emails()
        self.env.invalidate_all()
        for sent in (order, other):
            self.assertFalse(sent.pending_email_template_id)
            self.assertEqual(self._count_mails(sent), 1)

    def test_what_cannot_be_rendered_waits_and_the_others_are_sent(self):
        orders = []
        for _i in range(2):
            order, tx = self._approve_order()
            self._refresh(tx)
            orders.append(order)
        broken = orders[0]
        send = type(broken).message_post_with_source

        def fail(record, *args, **kwargs):
            if record == broken:
                raise UserError("Unable to find Wkhtmltopdf")
            return send(record, *args, **kwargs)

        with patch.object(type(broken), 'message_post_with_source', fail):
            for _i in range(2):
                self._send_mails()
            self.assertEqual([self._count_mails(order) for order in orders], [0, 1])
            activity = broken.activity_ids.filtered('vipps_problem')
            self.assertIn("Wkhtmltopdf", activity.note)
        self.env['sale.order']._cron_send_pending_emails(auto_commit=False)  # Not due.
        self.env.invalidate_all()
        self.assertEqual(self._count_mails(broken), 0)
        self._send_mails()
        self._send_mails()
        self.assertEqual([self._count_mails(order) for order in orders], [1, 1])
        self.env.invalidate_all()
        self.assertFalse(broken.activity_ids.filtered('vipps_problem'))

    def test_the_next_try_is_committed_before_a_mail_is_rendered(self):
        order, tx = self._approve_order()
        self._refresh(tx)
        seen = []

        def look(record, *args, **kwargs):
            task = record.env['vipps.task'].search([('transaction_id', '=', tx.id)])
            seen.append((task.tries, task.due > fields.Datetime.now() + timedelta(minutes=4)))

        with patch.object(type(order), 'message_post_with_source', look):
            self._send_mails()
        self.assertEqual(seen, [(1, True)])

    def test_an_order_that_is_paid_while_mails_are_sent_is_not_among_those_of_core(self):
        order, tx = self._approve_order()
        self._refresh(tx)
        late_order, late_tx = self._approve_order()
        late_order.order_line.product_id.type = 'service'
        run = type(self.env['vipps.task'])._run

        def pay(tasks, job):
            run(tasks, job)
            if job == 'sale_async_emails.cron':
                self._refresh(late_tx)
                self.env.flush_all()

        with patch.object(type(self.env['vipps.task']), '_run', pay):
            self._send_mails()
        self.assertEqual([self._count_mails(order), self._count_mails(late_order)], [1, 0])
        self.assertTrue(late_order.vipps_mail_template_id)
        self._send_mails()
        self._send_mails()
        self.assertEqual([self._count_mails(order), self._count_mails(late_order)], [1, 1])

    def test_mails_that_nobody_sends_are_told_until_they_are_sent(self):
        cron = self.env.ref('sale_async_emails.cron')
        cron.active = False
        order, tx = self._approve_order()
        self._refresh(tx)

        def get_alert():
            self.env.flush_all()
            self.env['payment.provider']._cron_vipps_watch_health()
            return self._get_activities().filtered(lambda a: a.vipps_problem == 'mails')

        self.assertFalse(get_alert())
        self.env.cr.execute("UPDATE vipps_task SET due = due - interval '16 minutes'")
        self.assertIn(cron.name, get_alert().note)
        self.assertEqual(self.vipps._vipps_count('mails_late')[0], 1)
        self._send_mails()
        self.assertEqual(self._count_mails(order), 1)
        self.assertFalse(get_alert())

    def test_invoices_that_nobody_sends_are_told(self):
        _order, tx = self._approve_order()
        self._refresh(tx)
        self._send_mails()
        self.env['vipps.task']._schedule(tx, 'invoice_mail')
        self.env.cr.execute("UPDATE vipps_task SET due = due - interval '16 minutes'")
        self.assertIn('mails', [p['key'] for p in self.vipps._vipps_get_problems()])

    def test_an_invoice_is_sent_with_the_order_mails(self):
        self.parameters.set_param('sale.automatic_invoice', 'True')
        template = self.env.ref('account.email_template_edi_invoice')
        self.parameters.set_param('sale.default_invoice_email_template', str(template.id))
        self.vipps.vipps_capture_mode = 'automatic'
        order, tx = self._approve_order()
        order.order_line.product_id.invoice_policy = 'order'
        self._refresh(tx)
        invoice = order.invoice_ids
        self.assertEqual((invoice.state, tx.payment_id.state), ('posted', 'posted'))
        self.assertFalse(self.rendered or invoice.is_move_sent)
        self._send_mails()
        self._send_mails()
        self.assertTrue(invoice.is_move_sent)
        self.assertEqual(len(invoice.message_ids.filtered('subject')), 1)
        self.assertFalse(self._get_tasks(tx))

    def test_a_gift_card_is_rendered_and_sent_later_and_once(self):
        program = self.env['loyalty.program'].create({
            'name': "Gift Cards", 'program_type': 'gift_card', 'applies_on': 'future',
            'trigger': 'auto',
            'rule_ids': [Command.create({
                'reward_point_mode': 'money', 'product_ids': self.product.ids,
            })],
            'reward_ids': [Command.create({
                'reward_type': 'discount', 'discount_mode': 'per_point', 'discount': 1,
                'discount_applicability': 'order', 'required_points': 1,
            })],
            'communication_plan_ids': [Command.create({
                'trigger': 'create',
                'mail_template_id': self.env.ref('loyalty.mail_template_gift_card').id,
            })],
        })
        for mode in ('manual', 'automatic'):
            with self.subTest(mode=mode):
                self.rendered.clear()
                self.vipps.vipps_capture_mode = mode
                order = self._create_order()
                order._update_programs_and_rewards()
                _order, tx = self._approve_order(order=order)
                self._refresh(tx)
                card = program.coupon_ids.filtered_domain([('order_id', '=', order.id)])
                self.assertEqual((order.state, len(card)), ('sale', 1))
                self.assertFalse(self.rendered)
                self._refresh(tx)
                self._send_mails()
                self._send_mails()
                self.assertEqual(sorted(self.rendered), [
                    'loyalty.gift_card_report_i18n', 'sale.report_saleorder',
                ])
                self.assertFalse(self.env['vipps.task'].search([]))

    def test_a_mail_with_values_that_cannot_be_stored_is_left_to_the_queue_at_once(self):
        order, tx = self._approve_order()
        template = self.env.ref('sale.email_template_edi_sale')
        template.report_template_ids = False
        followed = template.with_context(vipps_followed_tx_id=Fact(tx.id))
        mail_id = followed.send_mail(
            order.id, force_send=True, email_values={'attachments': [('a.txt', b'YQ==')]},
        )
        self.assertEqual(self.env['mail.mail'].browse(mail_id).state, 'outgoing')
        self.assertFalse(followed.send_mail(order.id, force_send=True))
        tasks = self.env['vipps.task'].search([('kind', '!=', 'sync')])
        self.assertEqual(tasks.mapped('kind'), ['template_mail'])
