# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging

from odoo import SUPERUSER_ID, _, models
from odoo.exceptions import AccessError, UserError, ValidationError

from odoo.addons.payment import utils as payment_utils

from ...source import USER
from ...step_log import log_step
from ...trust import clean
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# Each calls Vipps MobilePay, and all are locked, within the time that a request may take.
MAX_PAYMENTS = 20

RELOAD = {'type': 'ir.actions.client', 'tag': 'soft_reload'}


class PaymentTransaction(models.Model):
    """ Buttons and dialogs: the rights that they need, and the amounts that were seen in them. """
    _inherit = 'payment.transaction'

    #=== ACTION METHODS ===#

    def action_capture(self):
        """ Override of `payment` to open its dialog only for operators, in our words. """
        payment_utils.check_rights_on_recordset(self)
        vipps_txs_sudo = self.sudo().filtered(lambda t: t.provider_code == 'vipps')
        vipps_txs_sudo._vipps_check_operator()
        for tx_sudo in vipps_txs_sudo:
            tx_sudo._ensure_provider_is_not_disabled()
        action = super().action_capture()
        if action and vipps_txs_sudo == self:
            view = self.env.ref('mobilepay_vipps.vipps_capture_wizard_form')
            action.update(name=_("Capture"), view_id=view.id)
        return action

    def action_void(self):
        """ Override of `payment` to inform a person whose release comes too late, or twice. """
        payment_utils.check_rights_on_recordset(self)
        vipps_txs_sudo = self.sudo().filtered(lambda t: t.provider_code == 'vipps')
        if vipps_txs_sudo:
            vipps_txs_sudo._vipps_check_operator()
            self = clean(self)
        released_txs = vipps_txs_sudo.filtered(
            lambda t: t.state != 'authorized' and t._vipps_get_releases()
        )
        if self == released_txs and len(self) == 1:
            return self.env['payment.provider']._vipps_notify(_(
                "Nothing of payment %s is reserved any longer: it was captured or released in the"
                " meantime. Odoo has been updated.", self.reference,
            ), type='warning', sticky=True, next=RELOAD)
        seen_amounts = self._vipps_list_amounts()
        return super().action_void() or self._vipps_notify_done(seen_amounts)

    def action_vipps_open_payments(self):
        """ Open the accounting payments of the captures and refunds.

        :return: The action.
        :rtype: dict
        """
        payment_utils.check_rights_on_recordset(self)
        self.ensure_one()
        payments = self.sudo()._vipps_get_booked_payments()
        action = {
            'type': 'ir.actions.act_window',
            'name': _("Payments"),
            'res_model': payments._name,
            'view_mode': 'tree,form',
            'domain': [('id', 'in', payments.ids)],
        }
        if len(payments) == 1:
            action.update({'view_mode': 'form', 'res_id': payments.id})
        return action

    def action_vipps_update(self):
        """ Read the payment at Vipps MobilePay, and report the changes.

        :return: A notification, after which the view is reloaded.
        :rtype: dict
        :raise UserError: If it cannot be read.
        """
        payment_utils.check_rights_on_recordset(self)
        # The changes were not made by the user that looks.
        txs = clean(self).with_user(SUPERUSER_ID)
        return txs.with_context(vipps_source=USER)._vipps_update()

    def action_vipps_refund(self):
        """ Open core's wizard to refund the captured amount, or the list of captures to choose one
        from.

        :rtype: dict
        :raise UserError: If there is nothing to refund.
        """
        payment_utils.check_rights_on_recordset(self)
        self.ensure_one()
        self = clean(self)
        payments = self.sudo()._vipps_get_refundable_payments()
        if not payments:
            raise UserError(_(
                "There is nothing to refund. A captured amount can be refunded as soon as its"
                " payment is posted, which takes a few minutes."
            ))
        if len(payments) > 1:
            return {
                'type': 'ir.actions.act_window',
                'name': _("Choose the Payment to Refund"),
                'res_model': 'account.payment',
                'view_mode': 'tree,form',
                'domain': [('id', 'in', payments.ids)],
            }
        action = payments.sudo(False).action_refund_wizard()
        return {
            **action, 'context': {'active_model': payments._name, 'active_id': payments.id}
        }

    def action_refund(self, amount_to_refund=None):
        """ Override of `payment` to refund with the right to write the transaction, in all releases
        of Odoo, and to offer a release for an amount that is only reserved.

        :raise ValidationError: If it was not refunded, or if that is unknown.
        """
        if any(tx.provider_code != 'vipps' for tx in self):
            return super().action_refund(amount_to_refund=amount_to_refund)
        payment_utils.check_rights_on_recordset(self)
        # The user may operate, but only the system writes.
        txs_sudo = clean(self).sudo()
        txs_sudo._vipps_check_company()
        if any(tx.state == 'authorized' for tx in txs_sudo):
            raise ValidationError(self.env['vipps.api.client']._get_sentence('6020'))
        return super(PaymentTransaction, txs_sudo).action_refund(amount_to_refund=amount_to_refund)

    def _vipps_notify_done(self, seen_amounts, next_action='ir.actions.client'):
        """ Return the notification about the captured, released and reserved amounts.

        :param str seen_amounts: The amounts that :meth:`_vipps_list_amounts` returned before.
        :param str next_action: The type of the action that follows, if not a reload.
        :return: The notification; None if nothing was done.
        """
        held_amounts = json.loads(seen_amounts)
        sentences = []
        for root_sudo in self._vipps_get_roots_sudo():
            done = root_sudo._vipps_describe_done(held_amounts[str(root_sudo.id)])
            sentences += done
            if done and root_sudo._vipps_get_reserved_amount():
                sentences += root_sudo._vipps_describe_reserved()
        return self.env['payment.provider']._vipps_notify(
            " ".join(sentences), next={'type': next_action, 'tag': 'soft_reload'},
        ) if sentences else None

    def _vipps_describe_done(self, held_amounts):
        """ Return sentences about the amounts that were captured or released meanwhile.

        :param dict held_amounts: The amounts that Odoo held before, in minor units.
        """
        sentences = {
            'CAPTURED': _("%(reference)s: captured %(amount)s."),
            'CANCELLED': _("%(reference)s: released %(amount)s."),
        }
        return [
            sentences[name] % {
                'reference': self.reference, 'amount': self._vipps_format(now - before),
            }
            for name, (before, now) in self._vipps_get_moved_amounts(held_amounts).items()
            if name in sentences and now > before
        ]

    #=== ACTION METHODS - SEVERAL PAYMENTS ===#

    def action_vipps_capture_delivered(self):
        """ Capture the delivered and unpaid amount of the orders of the payments; payments without
        an order are captured in full.

        :return: The notification about the outcome.
        :rtype: dict
        """
        return self._vipps_operate_on_each('capture')

    def action_vipps_release(self):
        """ Release the rest of the reserved amounts of the payments.

        :return: The notification about the outcome.
        :rtype: dict
        """
        return self._vipps_operate_on_each('release')

    def _vipps_operate_on_each(self, operation):
        """ Do an operation on each payment, even if it fails for others.

        :param str operation: `capture` or `release`.
        :return: The notification about the outcome.
        :raise UserError: If these are too many payments for one request.
        """
        payment_utils.check_rights_on_recordset(self)
        # In the same order for everybody, so that two people do not wait for each other.
        txs_sudo = clean(self).sudo().filtered('vipps_payment_reference').sorted('id')
        if len(txs_sudo) > MAX_PAYMENTS:
            raise UserError(_(
                "These are %(count)s payments. Select at most %(maximum)s at a time: each of them"
                " takes a moment. Nothing was done.",
                count=len(txs_sudo), maximum=MAX_PAYMENTS,
            ))
        sentences, has_failed = [], False
        for tx_sudo in txs_sudo:
            held_amounts = tx_sudo._vipps_get_held_amounts()
            try:
                tx_sudo._ensure_provider_is_not_disabled()
                amount = tx_sudo._vipps_get_reserved_amount()
                if operation == 'capture' and tx_sudo.sale_order_ids:
                    amount = tx_sudo._vipps_get_delivered_due_amount()
                if amount:
                    tx_sudo._vipps_execute_for_person(operation, amount)
            except UserError as error:
                has_failed = True
                sentences.append(f"{tx_sudo.reference}: {error}")
            else:
                sentences += tx_sudo._vipps_describe_done(held_amounts) or [
                    _("%s: there is nothing to do.", tx_sudo.reference)
                ]
        return self.env['payment.provider']._vipps_notify(
            " ".join(sentences), type='warning' if has_failed else 'success', sticky=has_failed,
            next=RELOAD,
        )

    #=== BUSINESS METHODS ===#

    def _vipps_check_operator(self):
        """ Ensure that the user may operate on the transactions: that takes the right to write
        them, or, as core has it for the buttons of documents, to write all of their orders, or
        their invoices if there are no orders, if these are of companies that the payment is for.

        :raise AccessError: If the user may not.
        """
        txs = self._origin.sudo(False)  # In a dialog they are no real records yet.
        txs._vipps_check_company()
        try:
            payment_utils.check_rights_on_recordset(txs)
        except AccessError:
            for tx_sudo in txs.sudo():
                root_sudo = tx_sudo._vipps_get_root()
                documents_sudo = root_sudo.sale_order_ids or root_sudo.invoice_ids
                if not documents_sudo or not all(
                    root_sudo._vipps_serves(document.company_id) for document in documents_sudo
                ):
                    raise
                payment_utils.check_rights_on_recordset(documents_sudo.sudo(False))

    def _vipps_serves(self, company):
        """ Return whether the payment can be for documents of a company: those of its own and of
        its branches. """
        return self.company_id in company.sudo().parent_ids

    def _vipps_check_company(self):
        """ Ensure that the payments can be for documents of the user's companies, in sudo mode,
        too: core's buttons of documents take it for granted that a payment belongs to these.

        :raise AccessError: If they cannot.
        """
        companies_sudo = self.env.user.sudo().company_ids.parent_ids
        if self.env.uid != SUPERUSER_ID and self.sudo().company_id - companies_sudo:
            raise AccessError(_(
                "This payment belongs to another company, so nothing was done. Ask its staff."
            ))

    def _vipps_list_amounts(self):
        """ Return the amounts that Odoo holds of the payments, for a dialog in which a person
        decides. """
        return json.dumps({
            root_sudo.id: root_sudo._vipps_get_held_amounts()
            for root_sudo in self._vipps_get_roots_sudo()
        })

    def _vipps_get_roots_sudo(self):
        return self._origin.sudo().filtered(lambda t: t.provider_code == 'vipps').mapped(
            lambda t: t._vipps_get_root()
        )

    def _vipps_check_seen_amounts(self, seen_amounts, name=None, amount=None):
        """ Ensure that nothing happened to the payments since a dialog was opened.

        A person who clicks twice, or has the dialog open twice, decides once.

        :param str seen_amounts: The amounts that :meth:`_vipps_list_amounts` returned then.
        :param str name: The operation that is about to be done: `capture` or `refund`.
        :param float amount: The amount, in major units.
        :raise ValidationError: If something happened.
        """
        if self._vipps_list_amounts() == seen_amounts:
            return
        for root_sudo in self._vipps_get_roots_sudo():
            held_amounts = json.loads(seen_amounts).get(str(root_sudo.id))
            if name and held_amounts and root_sudo._vipps_find_done(
                name, root_sudo._vipps_get_operation_key(name, amount, held_amounts), held_amounts
            ):
                raise ValidationError(_(
                    "%s: what you ask for is done already. Nothing more was done now. Close the"
                    " dialog and look at the payment again.", root_sudo.reference,
                ))
        raise ValidationError(_(
            "Something was captured, released or refunded since you opened this dialog. Nothing was"
            " done now. Close the dialog, look at the payment again, and decide then."
        ))

    #=== BUSINESS METHODS - READING ===#

    def _vipps_update(self):
        """ Read payments at Vipps MobilePay for a person who asked for it.

        One that cannot be read does not keep the others from being read, unless Vipps MobilePay
        does not answer.

        :return: A notification about the changes.
        :raise UserError: If none can be read.
        """
        changes, errors, reads = [], [], 0
        txs = self.mapped(lambda tx: tx._vipps_get_root())
        for tx in txs:
            tx = tx._vipps_with_patience()
            before = (tx.vipps_status, tx.vipps_difference)
            try:
                tx._vipps_lock_for_person()
                tx._vipps_sync()
                if tx.vipps_payment_state:  # Otherwise it was never created.
                    tx._vipps_read_log()
                reads += 1
            except VippsError as error:
                log_step(_logger, 'read', tx, outcome=error.outcome, error=error.log_text)
                errors.append(f"{tx.reference}: {error}")
                if error.is_no_answer:
                    break
            if (tx.vipps_status, tx.vipps_difference) != before:
                changes.append(f"{tx.reference}: {tx._vipps_get_summary()}")
        if errors and not reads:
            raise UserError("\n".join(errors))
        differences = [
            f"{tx.reference}: {tx._vipps_get_summary()}" for tx in txs if tx.vipps_difference
        ]
        return self.env['payment.provider']._vipps_notify(
            " ".join(changes + errors or differences) or _("Odoo is up to date."),
            title=_("Something Changed") if changes else _("Nothing Has Changed"),
            type='warning' if errors or differences else 'success' if changes else 'info',
            sticky=bool(errors), next=RELOAD,
        )
