"""The operations of the Order Management API; each returns the HTTP status and the body."""

import uuid

from .problems import Problem
from .request_bodies import CATEGORY
from .urls import is_valid_link_url
from .validation import validate


def category(world, call, base_url):
    """Set the link that the app shows with a payment; it replaces an earlier one.

    https://developer.vippsmobilepay.com/api/order-management/#operation/put-category-v2

    :raise Problem: Also when there is no such payment, which the original does not notice.
    """
    validate(CATEGORY, call.body)
    if not is_valid_link_url(call.body['orderDetailsUrl'], world.allow_loopback_http):
        raise Problem(fields=[('orderDetailsUrl', "Must be an https URL without odd characters.")])
    payment = world.find_payment(call.unit.msn, call.reference)
    payment.category = call.body
    return 200, str(uuid.uuid4())


def problem_body(problem, instance):
    """Return the body of a problem, which this API writes in another way.

    :param Problem problem: The problem.
    :param str instance: The path of the request.
    """
    params = [{'name': name, 'reason': reason} for name, reason in problem.fields]
    return {
        'type': f'https://httpstatuses.io/{problem.status}',
        'title': problem.title,
        'detail': problem.message,
        'instance': instance,
        **({'invalidParams': params} if params else {}),
    }
