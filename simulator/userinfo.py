"""The operation of the Userinfo API; it returns the HTTP status and the body of the answer."""

from .problems import Problem


def userinfo(world, call, base_url):
    """Return the profile that a customer shared with the last payment that asked for it.

    https://developer.vippsmobilepay.com/api/userinfo/#operation/getUserinfo

    :raise Problem: When nobody shared anything, or too long ago.
    """
    world.settle()
    payments = [
        payment for (msn, _reference), payment in world.payments.items()
        if msn == call.unit.msn and payment.shared_sub == call.sub
    ]
    if call.is_stale:
        payments = payments[:-1]
    if not payments:
        raise Problem(status=404, detail="Nobody has shared anything.")
    payment = payments[-1]
    if not payment.is_profile_available(world.clock.now()):
        raise Problem(status=404, detail="[Expired]")
    return 200, payment.userinfo()


def problem_body(problem, instance):
    """Return the body of a problem, which this API writes in another way.

    :param Problem problem: The problem.
    :param str instance: The path of the request.
    """
    return {
        'type': f'https://httpstatuses.io/{problem.status}',
        'title': problem.title,
        'status': str(problem.status),
        'detail': problem.message,
        'instance': instance,
    }
