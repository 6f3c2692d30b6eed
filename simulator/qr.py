"""The operations of the QR API; each returns the HTTP status and the body of the answer."""

import secrets
from urllib.parse import urlencode

from .codes import Redirect, Sticker
from .problems import Problem
from .request_bodies import PUT_STICKER, REDIRECT, UPDATE_REDIRECT
from .validation import validate

OPERATIONS = (
    'create_redirect_qr', 'list_redirect_qrs', 'get_redirect_qr', 'update_redirect_qr',
    'delete_redirect_qr', 'list_stickers', 'get_sticker', 'put_sticker', 'take_over_sticker',
    'delete_sticker',
)
FORMATS = {'image/png': 'PNG', 'image/svg+xml': 'SVG', 'image/*': 'SVG', 'text/targetUrl': 'TEXT'}
PARAMETERS = {'qrimageformat', 'qrimagesize'}
SMALLEST_SIZE, LARGEST_SIZE, USUAL_SIZE = 100, 2000, 1024


def create_redirect_qr(world, call, base_url):
    """Make a code that opens a page; https://developer.vippsmobilepay.com/api/qr/"""
    picture = _wanted_by_headers(call)
    validate(REDIRECT, call.body)
    qr_id, ttl = call.body['id'], call.body.get('ttl')
    if world.codes.find_redirect(call.unit.msn, qr_id):
        raise Problem(status=409, detail=qr_id)
    code = Redirect(
        call.unit.msn, qr_id, call.body['redirectUrl'],
        None if ttl is None else world.clock.now() + ttl,
    )
    world.codes.add_redirect(code)
    return 200, _describe_redirect(world, code, base_url, picture)


def list_redirect_qrs(world, call, base_url):
    """List the codes of the sales unit that open pages."""
    picture = _wanted_by_headers(call)
    return 200, [
        _describe_redirect(world, code, base_url, picture)
        for code in world.codes.redirects(call.unit.msn)
    ]


def get_redirect_qr(world, call, base_url):
    """Read a code that opens a page."""
    picture = _wanted_by_headers(call)
    return 200, _describe_redirect(world, _find_redirect(world, call), base_url, picture)


def update_redirect_qr(world, call, base_url):
    """Let a code open another page."""
    picture = _wanted_by_headers(call)
    validate(UPDATE_REDIRECT, call.body)
    code = _find_redirect(world, call)
    code.url = call.body['redirectUrl']
    return 200, _describe_redirect(world, code, base_url, picture)


def delete_redirect_qr(world, call, base_url):
    """Delete a code that opens a page; one that is made with its id later looks otherwise."""
    world.codes.drop_redirect(_find_redirect(world, call))
    return 200, None


def put_sticker(world, call, base_url):
    """Make a sticker, or change its place; the picture stays the same."""
    _check_unit(call)
    validate(PUT_STICKER, call.body)
    if world.codes.find_owner(call.qr_id) not in (None, call.unit.msn):
        raise Problem(status=403, detail="The code is one of another sales unit.")
    _put(world, call)
    return 200, None


def take_over_sticker(world, call, base_url):
    """Map an old sticker of MobilePay to the sales unit, unless another one has it."""
    _check_unit(call)
    validate(PUT_STICKER, call.body)
    if world.codes.find_owner(call.qr_id) not in (None, call.unit.msn):
        raise Problem(status=409, detail=call.qr_id)
    _put(world, call)
    return 200, None


def list_stickers(world, call, base_url):
    """List the stickers of the sales unit."""
    _check_unit(call)
    picture = _wanted_by_query(call)
    return 200, [
        _describe_sticker(sticker, base_url, picture)
        for sticker in world.codes.stickers.values() if sticker.msn == call.unit.msn
    ]


def get_sticker(world, call, base_url):
    """Read a sticker."""
    _check_unit(call)
    picture = _wanted_by_query(call)
    return 200, _describe_sticker(_find_sticker(world, call), base_url, picture)


def delete_sticker(world, call, base_url):
    """Delete a sticker."""
    _check_unit(call)
    sticker = _find_sticker(world, call)
    del world.codes.stickers[sticker.msn, sticker.qr_id]
    return 200, None


def problem_body(problem, instance):
    """Return the body of a problem, which this API writes in another way.

    :param Problem problem: The problem.
    :param str instance: Not used: the instance is a number for tracing here.
    """
    if problem.status == 409:
        return {'id': problem.message}
    params = [{'name': name, 'reason': reason} for name, reason in problem.fields]
    return {
        'type': f'https://httpstatuses.io/{problem.status}',
        'title': problem.title,
        'detail': problem.message,
        'instance': f'00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00',
        **({'invalidParams': params} if params else {}),
    }


def _check_unit(call):
    if not call.unit.may_have_stickers:
        raise Problem(status=403, detail="The sales unit may not have callback codes.")


def _put(world, call):
    location, key = call.body['locationDescription'], (call.unit.msn, call.qr_id)
    sticker = world.codes.stickers.setdefault(key, Sticker(*key, location))
    sticker.location = location


def _find_redirect(world, call):
    code = world.codes.find_redirect(call.unit.msn, call.qr_id)
    if not code:
        raise Problem(status=404, detail="There is no such code.")
    return code


def _find_sticker(world, call):
    sticker = world.codes.stickers.get((call.unit.msn, call.qr_id))
    if not sticker:
        raise Problem(status=404, detail="There is no such code.")
    return sticker


def _wanted_by_headers(call):
    """Return the format and the size of the picture that `Accept` and `Size` ask for."""
    accept = call.headers.get('Accept')
    if accept not in FORMATS:
        raise Problem(fields=[('Accept', f"Must be one of {', '.join(FORMATS)}.")])
    return FORMATS[accept], _check_size('Size', call.headers.get('Size'))


def _wanted_by_query(call):
    """Return the same from the query, whose parameters are written in two ways: as the guide does,
    and as the specification does."""
    query = {name.lower(): value for name, value in call.query.items()}
    for name in query.keys() - PARAMETERS:
        raise Problem(fields=[(name, "The parameter is not known.")])
    image_format = query.get('qrimageformat', 'SVG')
    if image_format not in ('PNG', 'SVG'):
        raise Problem(fields=[('QrImageFormat', "Must be PNG or SVG.")])
    return image_format, _check_size('QrImageSize', query.get('qrimagesize'))


def _check_size(name, text):
    if text is None:
        return USUAL_SIZE
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    if not is_number or not SMALLEST_SIZE <= int(text) <= LARGEST_SIZE:
        raise Problem(fields=[(name, f"Must be {SMALLEST_SIZE} to {LARGEST_SIZE}.")])
    return int(text)


def _picture_url(content, base_url, picture):
    image_format, size = picture
    if image_format == 'TEXT':
        return content
    query = urlencode({'content': content, 'format': image_format, 'size': size})
    return f'{base_url}/generate/qr?{query}'


def _describe_redirect(world, code, base_url, picture):
    seconds = -1 if code.ends_at is None else int(code.ends_at - world.clock.now())
    return {
        'id': code.qr_id,
        'url': _picture_url(code.content, base_url, picture),
        'redirectUrl': code.url,
        'expiresIn': seconds,
    }


def _describe_sticker(sticker, base_url, picture):
    return {
        'merchantSerialNumber': sticker.msn,
        'merchantQrId': sticker.qr_id,
        'locationDescription': sticker.location,
        'qrImageUrl': _picture_url(sticker.content, base_url, picture),
        'qrContent': sticker.content,
    }
