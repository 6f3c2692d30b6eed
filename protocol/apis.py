"""All APIs of Vipps MobilePay in one client, for one sales unit."""

from .client import Client
from .qr import QrApi
from .report import ReportApi


class VippsClient(QrApi, ReportApi, Client):
    """The APIs of Vipps MobilePay for one sales unit.

    Each API beside payments is a class of its own, which sends by the methods of
    :class:`client.Client`: to add one, add its class here.
    """
