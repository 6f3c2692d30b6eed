"""The ways in which the API says no."""

import secrets

# Code -> HTTP status and title. The statuses of most codes are not documented: those about input
# and state have the 400 of the documented example, those about permissions the 403 and conflicts
# the 409 of the specification.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
CODES = {
    '3010': (500, "Internal error"),
    '4010': (409, "Capture repeated with another body"),
    '4020': (409, "Idempotency key used before"),
    '4040': (400, "Invalid amount"),
    '4050': (400, "Invalid customer token"),
    '4060': (400, "Invalid personal QR"),
    '4070': (400, "Invalid phone number"),
    '4080': (400, "Invalid scope"),
    '4090': (400, "Invalid URL"),
    '4100': (400, "Too much metadata"),
    '4110': (400, "Metadata keys repeated"),
    '4120': (400, "Metadata key too long"),
    '4130': (400, "Metadata value too long"),
    '4140': (400, "Required parameter missing"),
    '4150': (409, "Reference used before, or refund repeated with another body"),
    '4160': (400, "Payment method not possible with card passthrough"),
    '5010': (400, "Blocking sources not possible here"),
    '5020': (403, "Express not allowed"),
    '5030': (403, "Scope not allowed"),
    '5040': (400, "Currency does not fit the sales unit"),
    '5050': (403, "Long-living payments not allowed"),
    '5060': (403, "Bank account not verified"),
    '5070': (422, "Payment cannot be created"),
    '5080': (403, "PUSH_MESSAGE not allowed"),
    '5090': (404, "Reference not found"),
    '5100': (403, "Refund not possible"),
    '6010': (400, "Amount too small"),
    '6020': (400, "Refund before reservation"),
    '6030': (400, "Cancel period expired"),
    '6040': (400, "Captured payments cannot be cancelled"),
    '6050': (400, "Nothing is reserved that could be cancelled"),
    '6060': (400, "Approved payment not cancelled"),
    '6070': (400, "Cancelled payments cannot be captured"),
    '6080': (400, "Capture before reservation"),
    '6090': (400, "Capture above the reserved amount"),
    '6100': (400, "Capture period expired"),
    '6110': (400, "Expiry too late"),
    '6120': (400, "Expiry too soon"),
    '6130': (400, "Long-living payments need a receipt"),
    '6140': (400, "Only the full amount can be captured"),
    '6150': (400, "Refund above the refundable amount"),
    '6160': (423, "Payment is being processed"),
    '6170': (400, "Payment is captured already"),
    '6180': (400, "Payment is refunded already"),
    '6190': (400, "Payment cannot be cancelled"),
    '6200': (400, "Payment cannot be captured"),
    '6210': (400, "Payment cannot be refunded"),
    '6220': (400, "Refund period expired"),
    '6230': (400, "Payment is reserved already"),
    '6250': (400, "Payment cannot be cancelled while it is processed"),
    '6260': (400, "Funds unavailable"),
    '6280': (400, "Capture failed for now"),
    '7010': (400, "Customer not found"),
    '10010': (400, "Approval failed"),
    '10020': (400, "Approval not allowed"),
    '10030': (400, "Identification required"),
    '10040': (400, "Invalid payment source"),
    '10050': (400, "No cards"),
    '10060': (400, "Operation not supported"),
    '10070': (400, "Payment limit exceeded"),
}
# Answers that are not remembered for an idempotency key: the same request is to be tried again.
PASSING_CODES = {'6160', '6250', '6260', '6280'}

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    422: "Unprocessable Entity",
    423: "Locked",
    429: "Too Many Requests",
}


class Refusal(Exception):
    """An answer of the API that is no success.

    :ivar int status: The HTTP status.
    :ivar str content_type: What the body is.
    :ivar dict headers: Further headers.
    """

    content_type = 'application/json'

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}

    def body(self, instance):
        """Return the body in the shape of the gateway in front of the API.

        :param str instance: The path of the request.
        """
        return {'statusCode': self.status, 'message': self.message}


class Problem(Refusal):
    """An answer of the API itself, RFC 7807.

    :ivar str code: The domain code, if it has one.
    :ivar list fields: The fields at fault, each with the reason.
    """

    content_type = 'application/problem+json'

    def __init__(self, code=None, detail=None, status=400, fields=()):
        title = TITLES.get(status, "Server Error")
        if code:
            status, title = CODES[code]
        super().__init__(status, detail or title)
        self.code = code
        self.title = title
        self.fields = list(fields)

    def __str__(self):
        return f'{self.status} {self.code or ""} {self.message} {self.fields or ""}'

    @property
    def is_remembered(self):
        """Whether repeating the idempotency key gives the same answer again."""
        return self.status < 500 and self.code not in PASSING_CODES

    def body(self, instance):
        details = [{'name': name, 'reason': reason} for name, reason in self.fields]
        if self.code:
            details.append({'name': 'ErrorCode', 'reason': self.code})
        return {
            'type': f'https://httpstatuses.io/{self.status}',
            'title': self.title,
            'detail': self.message,
            'status': self.status,
            'instance': instance,
            'traceId': f'00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01',
            **({'extraDetails': details} if details else {}),
        }
