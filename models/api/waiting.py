# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, fields, models

from ...patience import HANGING_SECONDS, LONGER_SECONDS, TILL_CREATE_SECONDS, Patience
from ...protocol import errors
from .client import VippsError


class VippsApiClient(models.AbstractModel):
    """ The time limits of calls that a person waits for. """
    _inherit = 'vipps.api.client'

    #=== WAITING ===#

    @api.model
    def _get_patience(self):
        """ Return the patience of the person that the calls are made for, if there is one.

        :rtype: Patience | None
        """
        patience = self.env.context.get('vipps_patience')
        return patience if isinstance(patience, Patience) else None

    @api.model
    def _get_limits(self, provider, operation, tx, patience):
        """ Return the time limits of a call for a person who waits.

        :param payment.provider provider: The provider.
        :param str operation: The operation.
        :param payment.transaction tx: The root transaction, if it is about a payment.
        :param Patience|None patience: How long the person waits, if there is one.
        :return: The options of the client.
        :rtype: dict
        :raise VippsError: If nothing is asked now, because there is no answer.
        """
        if not patience:
            return {}
        is_start = operation == 'create' and tx.vipps_user_flow != 'WEB_REDIRECT'  # At a till.
        if operation in LONGER_SECONDS and not is_start:
            return {'deadline': LONGER_SECONDS[operation]}
        if (
            patience.is_polling and self._is_left_to_job(provider, operation)
            or not provider._vipps_may_ask(patience)
        ):
            error = VippsError(_(errors.NO_ANSWER), errors.NoAnswer(
                f'{operation}, which was not asked for,', errors.NO_ANSWER, True
            ))
            error.is_recorded = True  # With the call that had no answer.
            raise error
        if is_start:
            return {'deadline': TILL_CREATE_SECONDS}
        return {'deadline': patience.get_seconds(), 'max_attempts': 1}

    @api.model
    def _is_left_to_job(self, provider, operation):
        """ Return whether pages and tills that poll leave an operation to the job.

        It may hang although reads have an answer: that is known when the first one has ended. Until
        then, one of them waits for it, and the others go on.

        :param payment.provider provider: The provider.
        :param str operation: The operation.
        :rtype: bool
        """
        if operation == 'get':
            return False
        is_hanging = self.env['vipps.api.call'].sudo().search_count([
            ('provider_id', '=', provider.id),
            ('operation', '=', operation),
            ('outcome', '=', 'no_answer'),
            ('create_date', '>', fields.Datetime.now() - timedelta(seconds=HANGING_SECONDS)),
        ], limit=1)
        return bool(is_hanging) or (
            operation in ('capture', 'cancel') and not provider._vipps_take_turn()
        )
