# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import re
import time

# A value that needs no quotes: any other one could be taken for another pair.
PLAIN_VALUE = re.compile(r'[\w.:/+*-]+')


def log_step(
    logger, step, tx=None, provider=None, outcome='done', level=logging.INFO, started=None,
    **values
):
    """ Log a step of the work on a payment or for a provider, as `key=value` pairs.

    Nothing that is secret or personal may be in the values.

    :param logging.Logger logger: The logger of the module that did it.
    :param str step: The name of the step.
    :param payment.transaction tx: The transaction, if there is one.
    :param payment.provider provider: The provider, if there is no transaction.
    :param str outcome: The outcome: `done`, `refused`, `unknown`, `failed`.
    :param int level: WARNING for a step that an operator should look at.
    :param float started: When it was started, as `time.monotonic` says.
    :param values: Other pairs; those that are empty are left out.
    :return: None
    """
    if not logger.isEnabledFor(level):
        return
    tx = tx and tx.sudo()
    provider = tx.provider_id if tx else provider
    pairs = {
        'step': step,
        'reference': tx.reference if tx else None,
        'company': provider and provider.sudo().company_id.id,
        'provider': provider and provider.id,
        'duration_ms': started and round((time.monotonic() - started) * 1000),
        'outcome': outcome,
        **values,
    }
    logger.log(level, ' '.join(
        f'{name}={_quote(str(value))}' for name, value in pairs.items()
        if value is not None and value is not False and value != ''
    ))


def _quote(text):
    """ Return a value as it is if it is one word, or else in quotes and on one line. """
    return text if PLAIN_VALUE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
