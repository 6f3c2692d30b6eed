import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import signature

# The example of the official documentation until 2025; later its secret was masked.
SECRET = 'A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A=='
MASKED_SECRET = 'A' * 86 + '=='
URL = 'https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63'
DATE = 'Thu, 30 Mar 2023 08:38:32 GMT'
BODY = b'{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}'


class TestSignature(unittest.TestCase):

    def test_the_official_example(self):
        headers = signature.sign(SECRET, URL, BODY, DATE)
        self.assertEqual(
            headers['X-Ms-Content-Sha256'], 'lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4='
        )
        self.assertEqual(
            headers['Authorization'],
            'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256'
            '&Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=',
        )
        self.assertTrue(signature.verify(SECRET, URL, BODY, headers))

    def test_the_official_example_with_the_masked_secret(self):
        self.assertTrue(signature.sign(MASKED_SECRET, URL, BODY, DATE)['Authorization'].endswith(
            '&Signature=u4zz3dyO3c3xJwl36rPpn1n7WF75u6r2epjH70MZTGM='
        ))

    def test_port_and_query_are_signed(self):
        url = 'https://shop.example.com:8443/payment/vipps/webhook/7?a=b'
        headers = signature.sign(SECRET, url, BODY, DATE)
        self.assertEqual(headers['Host'], 'shop.example.com:8443')
        for other in (url[:-1], url.replace(':8443', ''), url.replace('/7', '/8')):
            with self.subTest(other=other):
                self.assertFalse(signature.verify(SECRET, other, BODY, headers))

    def test_the_host_is_signed_as_clients_send_it(self):
        for url, host in (
            ('https://Shop.Example.com:443/x', 'shop.example.com'),
            ('http://127.0.0.1:80/x', '127.0.0.1'),
            ('http://127.0.0.1:443/x', '127.0.0.1:443'),
            ('https://[::1]:8443/x', '[::1]:8443'),
        ):
            with self.subTest(url=url):
                headers = signature.sign(SECRET, url, BODY, DATE)
                self.assertEqual(headers['Host'], host)
                shortened = f'{url.partition(":")[0]}://{host}/x'
                self.assertTrue(signature.verify(SECRET, shortened, BODY, headers))

    def test_a_url_without_a_path_has_the_path_of_the_root(self):
        self.assertEqual(
            signature.sign(SECRET, 'https://shop.example.com', BODY, DATE),
            signature.sign(SECRET, 'https://shop.example.com/', BODY, DATE),
        )

    def test_headers_in_any_case_and_the_second_header(self):
        headers = signature.sign(SECRET, URL, BODY, DATE)
        authorization = headers.pop('Authorization')
        self.assertFalse(signature.verify(SECRET, URL, BODY, headers))
        for name in ('AUTHORIZATION', 'x-vipps-authorization'):
            with self.subTest(name=name):
                self.assertTrue(signature.verify(SECRET, URL, BODY, {
                    **{key.upper(): value for key, value in headers.items()}, name: authorization
                }))
        self.assertTrue(signature.verify(SECRET, URL, BODY, {
            **headers, 'Authorization': 'Basic of-a-proxy', 'X-Vipps-Authorization': authorization,
        }))

    def test_a_missing_header_or_secret_is_refused(self):
        headers = signature.sign(SECRET, URL, BODY)
        for name in ('X-Ms-Date', 'X-Ms-Content-Sha256', 'Authorization'):
            with self.subTest(name=name):
                self.assertFalse(signature.verify(
                    SECRET, URL, BODY, {k: v for k, v in headers.items() if k != name}
                ))
        for secret in ('', None, False):
            with self.subTest(secret=secret):
                self.assertFalse(signature.verify(secret, URL, BODY, headers))

    @given(st.binary(), st.data())
    def test_one_changed_byte_is_noticed(self, body, data):
        headers = signature.sign(SECRET, URL, body)
        self.assertTrue(signature.verify(SECRET, URL, body, headers))
        position = data.draw(st.integers(0, len(body)))
        byte = data.draw(st.binary(min_size=1, max_size=1))
        changed = body[:position] + byte + body[position + 1:]
        self.assertIs(signature.verify(SECRET, URL, changed, headers), changed == body)

    @given(st.dictionaries(
        st.sampled_from(['X-Ms-Date', 'X-Ms-Content-Sha256', 'Authorization', 'Host']), st.text()
    ))
    def test_rubbish_is_refused(self, headers):
        self.assertFalse(signature.verify(SECRET, URL, BODY, headers))
