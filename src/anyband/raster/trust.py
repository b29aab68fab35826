"""Which certificates are trusted: one variable for searches and for files alike, and what to say of one that is not."""

import os
from pathlib import Path

from anyband.runtime import UserError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a file of trusted certificates, the first one that is set counts: the one that is documented, and
others of this meaning."""

_UNTRUSTED = ("SSL certificate", "certificate verify failed", "CERTIFICATE_VERIFY_FAILED", "self-signed certificate")


def certificates() -> str | None:
    """File of the certificates that the user trusts, None for the usual ones.

    Raises:
        UserError: it is not there.
    """
    name = _named()
    if name and not Path(os.environ[name]).exists():
        raise UserError(f"{name} names {os.environ[name]}, which does not exist: name a file of certificates (PEM)")
    return os.environ[name] if name else None


def is_untrusted(message: str) -> bool:
    """Whether an error is that of a certificate that nobody vouches for; it stays so however often one tries."""
    return any(mark in message for mark in _UNTRUSTED)


def untrusted_line() -> str:
    """What to do about it."""
    beside = f" (its authority is not in {_named()})" if _named() else ""
    return f"the certificate is not trusted{beside}: set {CERTIFICATES[0]} to a file of all authorities that you trust"


def _named() -> str | None:
    """The variable that counts; rasterio sets the one of GDAL to the usual certificates, where nobody else does."""
    named = [name for name in CERTIFICATES if os.environ.get(name)]
    return next((name for name in named if not os.environ[name].endswith("certifi/cacert.pem")), None)
