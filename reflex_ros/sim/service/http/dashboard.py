# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The two parts of the dashboard that clients use: login approval and sign-up (b.3, b.4).

On the approval page, texts of the client are escaped. The policy allows no script, no frame around
the page and no other target of the form. The form carries a token that only this page has.
"""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape
import secrets

from aiohttp import web

from reflex_ros.sim.service.calls import parse_object
from reflex_ros.sim.service.http.access import refusal_reason
from reflex_ros.sim.service.resources.accounts import Account, SignUpError
from reflex_ros.sim.service.state import ServiceState

APPROVAL_PATH = '/cli/authorize'

_HEADERS = {
    'Content-Security-Policy':
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    # With no-referrer, browsers would send the form with "Origin: null", which we refuse.
    'Referrer-Policy': 'same-origin',
    'Cache-Control': 'no-store',
}

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{body}
<p><small>This is the simulated Reflex service on your own machine.</small></p>
</body>
</html>
"""

_FORM = """<p>A program on <strong>{hostname}</strong> asks for an API key.</p>
<p>Code: <strong>{code}</strong>. It must be the end of the request id in your terminal.</p>
<form method="post" action="{path}">
<input type="hidden" name="requestId" value="{id}">
<input type="hidden" name="token" value="{token}">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>"""

_OVER = {
    'approved': 'It was approved; go back to your terminal.',
    'consumed': 'It was approved, and the terminal has its key.',
    'expired': 'It was denied or has expired. Log in again for a new one.',
    'unknown': 'There is no such request. Log in again for a new one.',
}


class Dashboard:
    """Serve ``/cli/authorize`` and ``/api/auth/sign-up/email``."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state

    async def ask(self, request: web.Request) -> web.Response:
        """Show the form, or why there is nothing to approve."""
        if reason := refusal_reason(request):
            return _page(403, 'Not here', reason)
        login_id = request.query.get('requestId', '')
        status = self._state.logins.status(login_id)
        login = self._state.logins.table.find(login_id)
        if login is None or status != 'pending':
            return _page(404 if login is None else 410, 'Nothing to approve', _OVER[status])
        form = _FORM.format(
            hostname=escape(login.hostname) or 'a machine without a name', path=APPROVAL_PATH,
            code=escape(login.code), id=escape(login.id), token=escape(login.form_token))
        return _html(200, 'Approve this login?', form)

    async def decide(self, request: web.Request) -> web.Response:
        """Apply a person's decision; only the form of our own page can send it."""
        if reason := refusal_reason(request):
            return _page(403, 'Not here', reason)
        form = {key: str(value) for key, value in (await request.post()).items()}
        login = self._state.logins.table.find(form.get('requestId', ''))
        token = form.get('token', '').encode(errors='surrogatepass')
        if login is None or not secrets.compare_digest(token, login.form_token.encode()):
            return _page(403, 'Not decided', 'Open the link in your terminal and decide there.')
        if form.get('decision') not in ('approve', 'deny'):
            return _page(400, 'Not decided', 'Approve or deny.')
        approve = form['decision'] == 'approve'
        try:
            self._state.logins.decide(login.id, approve=approve)
        except ValueError:
            status = self._state.logins.status(login.id)
            return _page(410, 'Nothing to approve', _OVER[status])
        if approve:
            return _page(200, 'Approved', 'Go back to your terminal.')
        return _page(200, 'Denied', 'No key was given out.')

    async def sign_up(self, request: web.Request) -> web.Response:
        """Make an account; a refusal has a code and a message, or what ``signup_error`` says."""
        if refusal_reason(request):
            return web.json_response(
                {'code': 'INVALID_ORIGIN', 'message': 'Invalid origin'}, status=403)
        if fault := self._state.faults.consume('signup_error'):
            return web.json_response(_ERRORS[fault.text], status=400)
        try:
            body = parse_object(await request.read())
        except ValueError:
            return web.json_response(
                {'code': 'BAD_REQUEST', 'message': 'The body must be a JSON object'}, status=400)
        try:
            account = self._state.accounts.sign_up(
                body.get('name'), body.get('email'), body.get('password'))
        except SignUpError as exc:
            return web.json_response({'code': exc.code, 'message': str(exc)}, status=exc.status)
        return web.json_response({'token': None, 'user': _user(account)})


# The places where clients look for a text, in their order (b.4); the last has none.
_ERRORS: dict[str, object] = {
    'object': {'error': {'message': 'Sign-up is closed', 'code': 'CLOSED'}, 'message': 'not this'},
    'text': {'error': 'Sign-up is closed', 'message': 'not this'},
    'message': {'message': 'Sign-up is closed'},
    'none': {},
}


def _user(account: Account) -> dict[str, object]:
    made = datetime.fromtimestamp(account.created_at * 1e-3, timezone.utc)
    stamp = made.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    return {
        'id': account.id, 'name': account.name, 'email': account.email, 'image': None,
        'emailVerified': False, 'createdAt': stamp, 'updatedAt': stamp,
    }


def _page(status: int, title: str, sentence: str) -> web.Response:
    return _html(status, title, f'<p>{escape(sentence)}</p>')


def _html(status: int, title: str, body: str) -> web.Response:
    return web.Response(
        status=status, text=_PAGE.format(title=escape(title), body=body),
        content_type='text/html', headers=_HEADERS)
