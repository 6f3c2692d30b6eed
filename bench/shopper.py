"""Customers of the shop, as its proxy passes them on."""

from urllib.parse import urlsplit

from tools.customer import Customer


class Shopper(Customer):
    """A customer behind the proxy of the shop, with an address that nobody else has."""

    def __init__(self, *arguments, choose):
        """Open the browser, see `Customer`.

        :param random.Random choose: What chooses the address.
        """
        super().__init__(*arguments)
        self._address = '.'.join(str(choose.randrange(1, 255)) for _part in range(4))

    def _send(self, request):
        """Send a request as the proxy passes it on."""
        if request.full_url.startswith(self.shop_url):
            request.add_header('X-Forwarded-For', self._address)
            request.add_header('X-Forwarded-Host', urlsplit(self.shop_url).netloc)
        return super()._send(request)
