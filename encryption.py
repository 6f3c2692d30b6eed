# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Encryption at rest of the credentials of payment providers.

The key is never in the database. It is taken, in this order, from the environment variable
`VIPPS_ENCRYPTION_KEY`, from the option `vipps_encryption_key` of `odoo.conf`, or from a file that
is created with mode 0600 in Odoo's data directory. Each may hold several Fernet keys, separated by
commas or white space: the first one encrypts, all of them decrypt, so that keys can be rotated.
"""

import contextlib
import os
import re
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from odoo.tools import config

KEY_VARIABLE = 'VIPPS_ENCRYPTION_KEY'
KEY_OPTION = 'vipps_encryption_key'


class EncryptionKeyError(Exception):
    """ The encryption key is malformed, unreadable, or not the one that encrypted the text. """


def encrypt(text):
    """ Return the text encrypted with the first key.

    :param str text: The clear text.
    :return: The ciphertext, in ASCII.
    :rtype: str
    :raise EncryptionKeyError: If the configured key is malformed or its file cannot be used.
    """
    return _get_fernet().encrypt(text.encode()).decode()


def decrypt(ciphertext):
    """ Return the clear text of a ciphertext made by :func:`encrypt`.

    :param str ciphertext: The ciphertext.
    :return: The clear text.
    :rtype: str
    :raise EncryptionKeyError: If none of the keys fits.
    """
    try:
        return _get_fernet().decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise EncryptionKeyError("none of the encryption keys fits") from None


def _get_fernet():
    try:
        keys = os.environ.get(KEY_VARIABLE) or config.get(KEY_OPTION) or _read_key_file()
        return MultiFernet([Fernet(key) for key in re.split(r'[\s,]+', keys.strip())])
    except ValueError:
        raise EncryptionKeyError("the encryption key is malformed") from None


def _read_key_file():
    path = Path(config['data_dir']) / 'mobilepay_vipps' / 'encryption.key'
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Written aside, with mode 0600, and then linked in place: of two workers one wins, and
            # nobody ever reads a half-written key.
            with tempfile.NamedTemporaryFile(dir=path.parent) as draft:
                draft.write(Fernet.generate_key())
                draft.flush()
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text()
    except OSError:
        raise EncryptionKeyError("the encryption key file cannot be used") from None
