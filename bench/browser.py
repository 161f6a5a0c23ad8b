# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real browser without a screen, for the page of ``reflex view``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import shutil
from typing import Any

OPTIONS = ('--headless=new', '--no-sandbox', '--disable-gpu', '--use-angle=swiftshader',
           '--enable-unsafe-swiftshader', '--disable-quic', '--no-first-run',
           '--disable-background-networking', '--disable-component-update', '--disable-sync')


def missing() -> str:
    """Say what is not installed here, for a skip; empty when all is."""
    try:
        import selenium.webdriver  # noqa: F401
    except ImportError:
        return 'selenium is not installed'
    absent = [name for name in ('chromium', 'chromedriver') if not shutil.which(name)]
    return f'{" and ".join(absent)} not installed (Debian: apt install chromium-driver)' \
        if absent else ''


@contextmanager
def browser(size: tuple[int, int] = (1000, 700)) -> Iterator[Any]:
    """
    Open a browser.

    :param size: of its window [pixel].
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which('chromium'))
    for option in (*OPTIONS, f'--window-size={size[0]},{size[1]}'):
        options.add_argument(option)
    opened = webdriver.Chrome(options=options,
                              service=webdriver.ChromeService(shutil.which('chromedriver')))
    try:
        yield opened
    finally:
        opened.quit()
