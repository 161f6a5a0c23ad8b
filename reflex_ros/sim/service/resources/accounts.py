# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts of people who have signed up (b.4); passwords are checked and not kept."""

from __future__ import annotations

from dataclasses import dataclass
import re

from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.storage.table import new_id, Row

_EMAIL = re.compile(r'[^@\s]+@[^@\s]+\.[^@\s]+')


@dataclass
class Account(Row):
    """One person."""

    id: str
    name: str
    email: str
    created_at: int


class SignUpError(Exception):
    """The account is not made: an HTTP status, and a code as the site's library spells them."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Accounts:
    """Every account."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self.table = context.add_table('accounts', Account)

    def sign_up(self, name: object, email: object, password: object) -> Account:
        """Make an account; each field is checked, and an e-mail address has one account."""
        for field, value in (('name', name), ('email', email), ('password', password)):
            if not isinstance(value, str) or not value.strip():
                raise SignUpError(400, 'VALIDATION_ERROR', f'{field} is required')
        assert isinstance(name, str) and isinstance(email, str) and isinstance(password, str)
        address = email.strip().lower()
        if not _EMAIL.fullmatch(address):
            raise SignUpError(400, 'INVALID_EMAIL', 'Invalid email')
        if len(password) < 8:
            raise SignUpError(400, 'PASSWORD_TOO_SHORT', 'Password too short')
        if len(password) > 128:
            raise SignUpError(400, 'PASSWORD_TOO_LONG', 'Password too long')
        if self.table.first(lambda account: account.email == address):
            raise SignUpError(422, 'USER_ALREADY_EXISTS', 'User already exists')
        return self.table.add(
            Account(new_id('user'), name.strip(), address, self._clock.now_ms()))
