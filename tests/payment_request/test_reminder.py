# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time
from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...models.jobs import own_transaction
from .request_common import RequestCommon


@tagged('post_install', '-at_install')
class TestReminder(RequestCommon):
    """ The job that reminds of overdue invoices. """

    def setUp(self):
        super().setUp()
        self.vipps.write({'vipps_reminder_count': 2, 'vipps_reminder_days': 7})

    def _remind(self, days):
        self.env.flush_all()
        with freeze_time(fields.Datetime.now() + timedelta(days=days)):
            self.env['payment.provider']._cron_remind()
        self.env.invalidate_all()

    def test_job_reminds_of_requested_overdue_invoices_and_stops(self):
        requested, other, paid = (self._create_invoice() for _i in range(3))
        self._send(requested | paid)
        self._pay_by_bank(paid, 249.5)
        counts = []
        for days in (3, 8, 10, 16, 24, 32):
            self._remind(days)
            counts.append(len(requested.sudo().vipps_request_ids))
        self.assertEqual(counts, [1, 2, 2, 3, 3, 3])
        self.assertFalse(other.sudo().vipps_request_ids)
        self.assertEqual(len(paid.sudo().vipps_request_ids), 1)
        self.assertIn("We have not received your payment yet", self._get_mail())

    def test_reminder_comes_from_the_person_of_the_invoice(self):
        invoice = self._create_invoice()
        invoice.invoice_user_id = self.accountant
        self._send(invoice)
        self._remind(8)
        self.assertEqual(invoice.message_ids[0].author_id, self.accountant.partner_id)
        invoice.invoice_user_id = False
        self._remind(16)
        self.assertEqual(len(invoice.sudo().vipps_request_ids), 3)
        self.assertEqual(invoice.message_ids[0].author_id, self.company.partner_id)

    def test_customer_who_cannot_be_reminded_keeps_nobody_else_waiting(self):
        without_address, broken, other = (self._create_invoice() for _i in range(3))
        for invoice in (without_address, broken):
            invoice.button_draft()
            invoice.partner_id = self.partner.copy({'name': "Another"})
            invoice.action_post()
        invoices = without_address | broken | other
        self._send(invoices)
        without_address.partner_id.email = False
        send = type(self.env['vipps.payment.request'])._vipps_send_mail

        def fail(request):
            if request.invoice_ids == broken:
                raise UserError("The mail cannot be rendered.")
            return send(request)

        with patch.object(type(self.env['vipps.payment.request']), '_vipps_send_mail', fail), \
                mute_logger('odoo.addons.mobilepay_vipps.models.payment_request.reminder'):
            self._remind(8)
        self.assertEqual(
            [len(invoice.sudo().vipps_request_ids) for invoice in invoices], [1, 1, 2],
        )

    def test_reminder_that_collides_with_others_is_sent_in_the_same_run(self):
        class Collision(SerializationFailure):
            pgcode = '40001'

        invoice = self._create_invoice()
        self._send(invoice)
        send, tries = type(self.env['vipps.payment.request'])._vipps_send_mail, []

        def collide(request):
            send(request)
            tries.append(request)
            if len(tries) < 3:
                raise Collision

        with patch.object(type(self.env['vipps.payment.request']), '_vipps_send_mail', collide), \
                patch.object(own_transaction.time, 'sleep'):
            self._remind(8)
        self.assertEqual(len(tries), 3)
        self.assertEqual(len(invoice.sudo().vipps_request_ids), 2)
        self.assertEqual(len(self._get_mails()), 2)

    def test_job_does_nothing_unless_it_is_switched_on(self):
        self.vipps.vipps_reminder_count = 0
        invoice = self._create_invoice()
        self._send(invoice)
        self._remind(30)
        self.assertEqual(len(invoice.sudo().vipps_request_ids), 1)
        with self.assertRaises(ValidationError):
            self.vipps.vipps_reminder_count = 5
