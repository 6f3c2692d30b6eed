"""The pages for people: the landing page, the phone, the customer's code, and the QR code."""

import base64
import io
from pathlib import Path

import jinja2
import qrcode
import qrcode.image.svg
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from .problems import Refusal

DECISIONS = ('approve', 'decline', 'expire')
MOST_RECENT = 20
QR_SIZE = 1024


class Pages:
    """Answers to browsers."""

    def __init__(self, world, base_url):
        """Prepare to answer.

        :param World world: What the pages show.
        :param callable base_url: Returns the address of the simulator.
        """
        self._world = world
        self._base_url = base_url
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'), autoescape=True,
            trim_blocks=True, lstrip_blocks=True,
        )
        self._templates.filters['money'] = _money
        self._routes = {
            ('GET', '/'): self._show_phone,
            ('GET', '/phone'): self._show_phone,
            ('POST', '/phone'): self._decide,
            ('GET', '/code'): self._show_code,
            ('GET', '/landing'): self._show_landing,
            ('POST', '/landing'): self._act_on_landing,
            ('GET', '/landing/state'): self._tell_state,
            ('GET', '/qr'): self._show_qr,
        }

    def handle(self, request):
        """Answer a request."""
        method = 'GET' if request.method == 'HEAD' else request.method
        view = self._routes.get((method, request.path))
        if not view:
            return self._render('message.html', 404, text="There is nothing here.")
        with self._world.lock:
            try:
                response = view(request)
            except Refusal as refusal:
                response = self._render('message.html', refusal.status, text=refusal.message)
        response.headers['Cache-Control'] = 'no-store'
        return response

    def _show_phone(self, request):
        self._world.settle()
        payments = list(self._world.payments.values())[::-1]
        return self._render(
            'phone.html',
            open_payments=[payment for payment in payments if payment.state == 'CREATED'],
            decided_payments=sorted(
                (payment for payment in payments if payment.state != 'CREATED'),
                key=lambda payment: payment.decided_at, reverse=True,
            )[:MOST_RECENT],
        )

    def _decide(self, request):
        payment = self._world.find_payment(
            request.form.get('msn', ''), request.form.get('reference', '')
        )
        for decision in DECISIONS:
            if decision in request.form:
                self._world.decide(payment, decision)
        return redirect('/phone', 303)

    def _show_code(self, request):
        code = self._world.customers.current_code()
        image = base64.b64encode(_draw(code)).decode()
        return self._render('code.html', code=code, image=image)

    def _show_landing(self, request):
        payment = self._find(request.args)
        if not payment:
            return self._render('message.html', 404, text="This payment does not exist.")
        if payment.state == 'CREATED':
            return self._render('landing.html', payment=payment)
        if payment.request.get('returnUrl'):
            return redirect(payment.request['returnUrl'], 303)
        return self._render('message.html', text="The payment is over. You can close this page.")

    def _act_on_landing(self, request):
        payment = self._find(request.form)
        if payment and payment.state == 'CREATED':
            if 'cancel' in request.form:
                self._world.decide(payment, 'decline')
            else:
                digits = ''.join(filter(str.isdigit, request.form.get('phone', '')))
                payment.notified_phone = digits[:15] or None
        return redirect(f"/landing?token={payment.token if payment else ''}", 303)

    def _tell_state(self, request):
        payment = self._find(request.args)
        return Response(payment.state if payment else 'UNKNOWN', content_type='text/plain')

    def _show_qr(self, request):
        payment = self._find(request.args)
        if not payment or payment.user_flow != 'QR' or payment.state != 'CREATED':
            return self._render('message.html', 404, text="The QR code is not valid any more.")
        target = f'{self._base_url()}/landing?token={payment.token}'
        asked_for = payment.request.get('qrFormat') or {}
        if asked_for.get('format') == 'IMAGE/PNG':
            size = asked_for.get('size') or QR_SIZE
            stream = io.BytesIO()
            qrcode.make(target).get_image().resize((size, size)).save(stream, 'PNG')
            return Response(stream.getvalue(), content_type='image/png')
        return Response(_draw(target), content_type='image/svg+xml')

    def _find(self, values):
        return self._world.find_by_token(values.get('token', ''))

    def _render(self, name, status=200, **values):
        html = self._templates.get_template(name).render(**values)
        return Response(html, status, content_type='text/html; charset=utf-8')


def _draw(text):
    """Return the QR code of a text as SVG."""
    stream = io.BytesIO()
    qrcode.make(text, image_factory=qrcode.image.svg.SvgPathFillImage).save(stream)
    return stream.getvalue()


def _money(value, currency):
    """Return an amount in minor units as people read it."""
    return f'{value // 100}.{value % 100:02} {currency}'
