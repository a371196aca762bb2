"""A FastCGI client that can misbehave: what a web server sends to a worker, byte by byte."""

import socket
import struct

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def record(kind, content=b""):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def length(text):
    return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)


def begin_of_request(target, **params):
    """All but the content: GET with the test's token."""
    path, _, query = target.partition("?")
    params = {"REQUEST_METHOD": "GET", "DOCUMENT_URI": path, "QUERY_STRING": query, "HTTP_AUTHORIZATION": "Bearer reader-1", **params}
    pairs = b"".join(length(name) + length(value) + name.encode() + value.encode() for name, value in params.items())
    keep_connection = 1
    return record(BEGIN_REQUEST, struct.pack(">HB5x", 1, keep_connection)) + record(PARAMS, pairs) + record(PARAMS)


def connect(address, source=None, timeout=60, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(timeout)
    try:
        if source:
            client.bind((source, 0))
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def read_answer(client):
    """What the worker wrote until it closed the connection, and whether it said that this was all."""
    received = bytearray()
    try:
        while data := client.recv(1 << 20):
            received += data
    except ConnectionResetError:
        pass
    output, ended, position = bytearray(), False, 0
    while position + 8 <= len(received):
        _, kind, _, size, padding = struct.unpack_from(">BBHHB", received, position)
        content = received[position + 8 : position + 8 + size]
        ended = ended or kind == END_REQUEST
        if kind == STDOUT:
            output += content
        position += 8 + size + padding
    return bytes(output), ended
