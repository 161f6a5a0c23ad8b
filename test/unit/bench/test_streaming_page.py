# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the streaming bench."""

import pytest

from bench import streaming_page


@pytest.mark.parametrize('part', [
    lambda figures: streaming_page.table(streaming_page.aims(figures)),
    lambda figures: streaming_page.table(streaming_page.matrix(figures)),
    lambda figures: ''.join(streaming_page.shortfalls(figures))],
    ids=['aims', 'matrix', 'shortfalls'])
def test_page_holds_the_newest_results(part):
    assert part(streaming_page.newest()).strip() in streaming_page.PAGE.read_text(encoding='utf-8')
