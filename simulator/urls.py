import ipaddress
import re
from urllib.parse import urlsplit


def is_loopback(url):
    """Return whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname or ''
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_valid_return_url(url, allow_loopback_http):
    """Return whether a customer may be sent there: https, or the scheme of an app.

    :param bool allow_loopback_http: Take http to this machine as well.
    """
    parts = _split(url)
    if not parts:
        return False
    if parts.scheme in ('http', 'https'):
        return _is_web_url(parts, url, allow_loopback_http)
    return parts.scheme not in ('javascript', 'data', 'file', 'blob', 'about', 'vbscript')


def is_valid_link_url(url, allow_loopback_http):
    """Return whether the app shows a link to it: https, in the characters that the example of a
    refusal in the specification allows.

    :param bool allow_loopback_http: Take http to this machine as well.
    """
    parts = _split(url)
    return bool(
        parts and _is_web_url(parts, url, allow_loopback_http)
        and re.fullmatch(r'https?://[\w#!:.?+=&%@/-]+', url, re.ASCII)
    )


def is_valid_webhook_url(url, allow_loopback_http):
    """Return whether events may be sent there: https to a host the whole world can reach.

    :param bool allow_loopback_http: Take http to this machine as well.
    """
    parts = _split(url)
    if not parts or parts.fragment or not _is_web_url(parts, url, allow_loopback_http):
        return False
    return is_loopback(url) if parts.scheme == 'http' else _is_public(parts.hostname)


def is_valid_callback_url(url, allow_loopback_http):
    """Return whether the app can ask there how a merchant delivers: the ports are few.

    :param bool allow_loopback_http: Take http and any port of this machine as well.
    """
    return is_valid_webhook_url(url, allow_loopback_http) and (
        urlsplit(url).port in (None, 80, 443, 8080) or allow_loopback_http and is_loopback(url)
    )


def _split(url):
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x20\x7f"<>\\^`{|}]+', url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises ValueError for a port that is none)
    except ValueError:
        return None
    return parts


def _is_web_url(parts, url, allow_loopback_http):
    if not parts.hostname or '@' in parts.netloc:
        return False
    return parts.scheme == 'https' or (allow_loopback_http and is_loopback(url))


def _is_public(host):
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return '.' in host and not host.endswith(('.local', '.localhost', '.internal'))
