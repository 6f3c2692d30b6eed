"""The pages for people: the landing page, the phone, the customer's code, and the QR code."""

import base64
import io
from contextlib import nullcontext
from pathlib import Path

import jinja2
import qrcode
import qrcode.image.svg
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from .customers import ADDRESSES
from .express_rules import allowed_countries
from .problems import Refusal

DECISIONS = ('decline', 'expire')
MOST_RECENT = 20
QR_SIZE, LARGEST_SIZE = 1024, 2000


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
        self._templates.filters['address'] = _address
        self._templates.filters['addresses'] = _addresses
        self._routes = {
            ('GET', '/'): self._show_phone,
            ('GET', '/phone'): self._show_phone,
            ('POST', '/phone'): self._act_on_phone,
            ('GET', '/code'): self._show_code,
            ('GET', '/landing'): self._show_landing,
            ('POST', '/landing'): self._act_on_landing,
            ('GET', '/landing/state'): self._tell_state,
            ('GET', '/qr'): self._show_qr,
            ('GET', '/generate/qr'): self._draw_code,
            ('POST', '/phone/scan'): self._scan,
        }

    def handle(self, request):
        """Answer a request."""
        method = 'GET' if request.method == 'HEAD' else request.method
        view = self._routes.get((method, request.path))
        if not view:
            return self._render('message.html', 404, text="There is nothing here.")
        # A merchant that is asked may call the API before it answers.
        with nullcontext() if view == self._act_on_phone else self._world.lock:
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
            stickers=list(self._world.codes.stickers.values()),
            redirects=self._world.codes.redirects(),
        )

    def _act_on_phone(self, request):
        form = request.form
        with self._world.lock:
            payment = self._world.find_payment(form.get('msn', ''), form.get('reference', ''))
        if 'choose' in form and form.get('address') in ADDRESSES:
            self._world.express.choose_address(payment, ADDRESSES[form['address']])
        if 'approve' in form:
            self._world.express.approve(payment, form.get('option'))
        for decision in DECISIONS:
            if decision in form:
                with self._world.lock:
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
            return _answer_png(target, asked_for.get('size') or QR_SIZE)
        return Response(_draw(target), content_type='image/svg+xml')

    def _draw_code(self, request):
        content, size = request.args.get('content', ''), request.args.get('size', '')
        if not any(content == code.content for code in self._codes()) or not size.isdigit():
            return self._render('message.html', 404, text="There is no such code.")
        if request.args.get('format') == 'PNG':
            return _answer_png(content, min(int(size), LARGEST_SIZE))
        return Response(_draw(content), content_type='image/svg+xml')

    def _codes(self):
        return [*self._world.codes.stickers.values(), *self._world.codes.redirects()]

    def _scan(self, request):
        key = request.form.get('msn', ''), request.form.get('qr_id', '')
        if key not in self._world.codes.stickers:
            return self._render('message.html', 404, text="The code is not valid any more.")
        if not any(
            known.msn == key[0] and 'user.checked-in.v1' in known.events
            for known in self._world.registrations.values()
        ):
            return self._render('message.html', 409, text="The shop cannot be reached.")
        self._world.check_in(*key)
        return redirect('/phone', 303)

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


def _answer_png(text, size):
    """Return the QR code of a text as PNG."""
    stream = io.BytesIO()
    qrcode.make(text).get_image().resize((size, size)).save(stream, 'PNG')
    return Response(stream.getvalue(), content_type='image/png')


def _addresses(payment):
    """Return the addresses of the customer that a payment can be delivered to, by their names."""
    countries = allowed_countries(payment.request)
    return {name: each for name, each in ADDRESSES.items() if each['country'] in countries}


def _address(address):
    """Return an address in one line."""
    return ', '.join(filter(None, (
        address['addressLine1'], address.get('addressLine2'),
        f"{address['postCode']} {address['city']}", address['country'],
    )))


def _money(value, currency):
    """Return an amount in minor units as people read it."""
    return f'{value // 100}.{value % 100:02} {currency}'
