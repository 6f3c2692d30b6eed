import base64
import hashlib
import hmac
from email.utils import formatdate
from urllib.parse import urlsplit


def signed_headers(secret, url, body, date):
    """Return the headers that prove to a merchant who sent an event.

    https://developer.vippsmobilepay.com/docs/APIs/webhooks-api/request-authentication/

    :param str secret: The secret of the registration; used as text, not decoded.
    :param str url: The registered URL.
    :param bytes body: What is sent.
    :param float date: Seconds since the epoch.
    """
    parts = urlsplit(url)
    path_and_query = (parts.path or '/') + (f'?{parts.query}' if parts.query else '')
    content = base64.b64encode(hashlib.sha256(body).digest()).decode()
    moment = formatdate(date, usegmt=True)
    text = f'POST\n{path_and_query}\n{moment};{parts.netloc};{content}'
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    authorization = (
        'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256'
        f'&Signature={base64.b64encode(signature).decode()}'
    )
    return {
        'X-Ms-Date': moment,
        'X-Ms-Content-Sha256': content,
        'Authorization': authorization,
        # Proxies and gateways may drop the other one.
        'X-Vipps-Authorization': authorization,
    }
