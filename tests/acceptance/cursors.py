"""Cursors, as README.md describes them: made here, so that a test can begin at any record."""

import base64
import datetime
import hashlib

EPOCH = datetime.datetime(1970, 1, 1)


def encode(value):
    if value is None:
        return b"\0"
    if isinstance(value, datetime.datetime):
        value = (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, int):
        return b"\x08" + value.to_bytes(8, "big")
    return b"\x02" + len(value[:1024]).to_bytes(2, "big") + value[:1024]


def make_cursor(order, values):
    """`order`: SQL's, such as "created_at DESC, id DESC", with the id last; `values`: the record's, of its columns."""
    keys = [key.split() for key in order.split(", ")]
    name = "".join(("-" if key[1:] else "+") + key[0] for key in keys)
    encoded = b"".join(encode(value) for value in values)
    digest = hashlib.sha256(name.encode() + b"\n" + encoded).hexdigest()[:8].encode()
    return base64.urlsafe_b64encode(digest + encoded).decode().rstrip("=")
