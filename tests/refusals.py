"""What srae refuses, by the kind of the error and by what its message names; the sentences are free to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from srae.errors import SraeError


@contextmanager
def refuses(kind: type[SraeError], *named: object) -> Iterator[pytest.ExceptionInfo[SraeError]]:
    """The block ends in an error of this kind, whose message holds these keys, files, values and numbers."""
    with pytest.raises(kind) as caught:
        yield caught
    assert type(caught.value) is kind
    for name in named:
        assert str(name) in str(caught.value)
