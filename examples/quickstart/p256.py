"""ECDSA over NIST P-256 (FIPS 186-4), enough to sign the example with what Python brings.

For example data only: it takes no care of timing, and must never see a real key.
"""

import base64
import hashlib
import hmac

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def private_key(phrase):
    return int.from_bytes(hashlib.sha256(phrase).digest(), "big") % N


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar, point):
    total = None
    while scalar:
        total = add(total, point) if scalar & 1 else total
        point, scalar = add(point, point), scalar >> 1
    return total


def der(tag, *parts):
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


def der_integer(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def sign(private, data):
    """ECDSA over P-256 and SHA-256, in DER; the nonce is that of RFC 6979, so the bytes are stable."""
    digest = hashlib.sha256(data).digest()
    number = int.from_bytes(digest, "big")
    seed = private.to_bytes(32, "big") + (number % N).to_bytes(32, "big")
    value, key = b"\x01" * 32, bytes(32)
    for step in (b"\x00", b"\x01"):
        key = hmac.digest(key, value + step + seed, "sha256")
        value = hmac.digest(key, value, "sha256")
    value = hmac.digest(key, value, "sha256")
    nonce = int.from_bytes(value, "big")
    assert 0 < nonce < N, "the first candidate is out of range: one in 2^32"
    r = multiply(nonce, G)[0] % N
    return der(0x30, der_integer(r), der_integer(pow(nonce, -1, N) * (number + r * private) % N))


def public_key(private):
    """The public half as PEM (SubjectPublicKeyInfo, RFC 5480)."""
    point = b"".join(part.to_bytes(32, "big") for part in multiply(private, G))
    curve = bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107")
    text = base64.b64encode(der(0x30, der(0x30, curve), der(3, b"\x00\x04", point))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()
