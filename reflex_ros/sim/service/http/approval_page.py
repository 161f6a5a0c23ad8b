# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The page on which a person approves a login: what is in it, and what keeps it safe.

Whatever a client sent is escaped; the policy allows no script, no frame around the page and no
target of the form but ourselves. The form carries a token that only this page has.
"""

from __future__ import annotations

from html import escape

from reflex_ros.sim.service.resources.logins import Login

PATH = '/cli/authorize'

HEADERS = {
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


def ask(login: Login) -> str:
    """Return the page with the question."""
    form = _FORM.format(
        hostname=escape(login.hostname) or 'a machine without a name', path=PATH,
        code=escape(login.code), id=escape(login.id), token=escape(login.form_token))
    return _PAGE.format(title='Approve this login?', body=form)


def tell(title: str, sentence: str) -> str:
    """Return a page that only says something."""
    return _PAGE.format(title=escape(title), body=f'<p>{escape(sentence)}</p>')
