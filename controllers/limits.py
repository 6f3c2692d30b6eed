# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import math

from werkzeug.exceptions import HTTPException

from odoo import _
from odoo.http import request


def get_limited_sentence(wait):
    """ Return the message for a customer that may not start a payment now.

    :param int wait: The seconds to wait.
    :rtype: str
    """
    return _(
        "Paying was tried too often in a short time. Nothing has been charged by this try. Please"
        " try again in %s min, or choose another payment method.", math.ceil(wait / 60),
    )


def refuse(provider_sudo, answer):
    """ Refuse a request whose signature or token is wrong.

    :param payment.provider provider_sudo: The provider that it is about, if that is known.
    :param odoo.http.Response|HTTPException answer: The answer if it was not refused often.
    :return: The answer, or another one with the status 429 to an address that was refused often.
    :rtype: odoo.http.Response
    :raise HTTPException: If that is the answer.
    """
    wait = request.env['vipps.request']._admit_refused(provider_sudo)
    if wait:
        return request.make_response(
            "Too many requests were refused. Try again later.", status=429,
            headers=[('Content-Type', 'text/plain; charset=utf-8'), ('Retry-After', str(wait))],
        )
    if isinstance(answer, HTTPException):
        raise answer
    return answer
