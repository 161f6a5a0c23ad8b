# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dashboard's two places that programs know: approving a login, signing up (b.3, b.4)."""

from __future__ import annotations

from datetime import datetime, timezone
import json
import secrets

from aiohttp import web

from reflex_ros.sim.service.http import approval_page, loopback
from reflex_ros.sim.service.resources.accounts import Account, SignUpError
from reflex_ros.sim.service.state import ServiceState

_OVER = {
    'approved': 'It was approved; go back to your terminal.',
    'consumed': 'It was approved, and the terminal has its key.',
    'expired': 'It was denied, or its time is over. Log in again for a new one.',
    'unknown': 'There is no such request. Log in again for a new one.',
}


class Site:
    """
    Serve ``/cli/authorize`` and ``/api/auth/sign-up/email``.

    :param state: has login requests and accounts.
    """

    def __init__(self, state: ServiceState) -> None:
        """Store the state."""
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(approval_page.PATH, self.ask), web.post(approval_page.PATH, self.decide),
            web.post('/api/auth/sign-up/email', self.sign_up),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        """Show the question, or why there is none."""
        if why := loopback.refusal_reason(request):
            return _page(403, 'Not here', why)
        login_id = request.query.get('requestId', '')
        status = self._state.logins.status(login_id)
        login = self._state.logins.table.find(login_id)
        if login is None or status != 'pending':
            return _page(404 if login is None else 410, 'Nothing to approve', _OVER[status])
        return web.Response(
            text=approval_page.ask(login), content_type='text/html',
            headers=approval_page.HEADERS)

    async def decide(self, request: web.Request) -> web.Response:
        """Take the answer of a person; only our own page can send it."""
        if why := loopback.refusal_reason(request):
            return _page(403, 'Not here', why)
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
        """Make an account; a mistake is a code and a message, or what ``signup_error`` says."""
        if loopback.refusal_reason(request):
            return web.json_response(
                {'code': 'INVALID_ORIGIN', 'message': 'Invalid origin'}, status=403)
        if fault := self._state.faults.consume('signup_error'):
            return web.json_response(_ERRORS[fault.text], status=400)
        try:
            body = json.loads(await request.read())
            if not isinstance(body, dict):
                raise ValueError('no object')
        except (ValueError, RecursionError):
            return web.json_response(
                {'code': 'BAD_REQUEST', 'message': 'The body must be a JSON object'}, status=400)
        try:
            account = self._state.accounts.sign_up(
                body.get('name'), body.get('email'), body.get('password'))
        except SignUpError as exc:
            return web.json_response({'code': exc.code, 'message': str(exc)}, status=exc.status)
        return web.json_response({'token': None, 'user': _user(account)})


# The places at which clients look for a text, in their order (b.4); the last has none.
_ERRORS: dict[str, object] = {
    'object': {'error': {'message': 'Sign-up is closed', 'code': 'CLOSED'}, 'message': 'not this'},
    'text': {'error': 'Sign-up is closed', 'message': 'not this'},
    'message': {'message': 'Sign-up is closed'},
    'none': {},
}


def _user(account: Account) -> dict[str, object]:
    made = datetime.fromtimestamp(account.created_ms * 1e-3, timezone.utc)
    stamp = made.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    return {
        'id': account.id, 'name': account.name, 'email': account.email, 'image': None,
        'emailVerified': False, 'createdAt': stamp, 'updatedAt': stamp,
    }


def _page(status: int, title: str, sentence: str) -> web.Response:
    return web.Response(
        status=status, text=approval_page.tell(title, sentence), content_type='text/html',
        headers=approval_page.HEADERS)
