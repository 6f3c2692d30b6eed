# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Encryption at rest of the credentials of payment providers.

The key is never in the database. It is taken, in this order, from the environment variable
`VIPPS_ENCRYPTION_KEY`, from the option `vipps_encryption_key` of `odoo.conf`, or from a file that
is created with mode 0600 in Odoo's data directory. Each may hold several Fernet keys, separated by
commas or white space, the newest one first: that one encrypts, all of them decrypt.

A ciphertext is bound to the place where it is stored (the database, the model, the id and the
field): a key of its own is derived for each place. Anywhere else it cannot be decrypted.
"""

import base64
import contextlib
import json
import os
import re
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from odoo.tools import config

KEY_VARIABLE = 'VIPPS_ENCRYPTION_KEY'
KEY_OPTION = 'vipps_encryption_key'


class EncryptionKeyError(Exception):
    """ The encryption key is malformed, unreadable, or not the one that encrypted the text. """


def encrypt(text, place):
    """ Return a text encrypted for its place with the newest key.

    :param str text: The clear text.
    :param tuple place: Where it is stored.
    :rtype: str
    :raise EncryptionKeyError: If the key is malformed, or if its file cannot be used.
    """
    return MultiFernet(_get_fernets(place, may_create=True)).encrypt(text.encode()).decode()


def decrypt(ciphertext, place):
    """ Return the clear text of a ciphertext.

    :param str ciphertext: The ciphertext.
    :param tuple place: Where it is stored.
    :rtype: str
    :raise EncryptionKeyError: If no key fits, or if it was encrypted for another place.
    """
    return _try(MultiFernet(_get_fernets(place)).decrypt, ciphertext)


def renew(ciphertext, place):
    """ Return a ciphertext encrypted anew for its place with the newest key. Those of version
    17.0.1.4.0 and before were not bound to their place. See :func:`decrypt`. """
    return _try(
        MultiFernet([*_get_fernets(place), *map(Fernet, _get_keys())]).rotate, ciphertext
    )


def is_key_missing():
    """ Return whether there is no key, so that the next encryption makes one. """
    return not _get_configured_keys() and not _get_path().exists()


def is_key_file_exposed():
    """ Return whether other users of the server than the one of Odoo may read the key file. """
    if _get_configured_keys() or os.name != 'posix':
        return False
    try:
        return bool(_get_path().stat().st_mode & 0o077)
    except OSError:
        return False


def _try(method, ciphertext):
    try:
        return method(ciphertext.encode()).decode()
    except InvalidToken:
        raise EncryptionKeyError("none of the encryption keys fits") from None


def _get_fernets(place, may_create=False):
    """ Return the ciphers of a place, each with the key that is derived for it. """
    info = json.dumps(place).encode()
    return [
        Fernet(base64.urlsafe_b64encode(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
                base64.urlsafe_b64decode(key)
            )
        )) for key in _get_keys(may_create)
    ]


def _get_keys(may_create=False):
    """ Return the keys, the newest one first. """
    path = _get_path()
    try:
        text = _get_configured_keys()
        if not text:
            if may_create and not path.exists():
                _make_key_file(path)
            text = path.read_text()
        keys = re.split(r'[\s,]+', text.strip())
        for key in keys:
            Fernet(key)  # It refuses a malformed key.
    except FileNotFoundError:
        raise EncryptionKeyError("the encryption key file is missing") from None
    except OSError:
        raise EncryptionKeyError("the encryption key file cannot be used") from None
    except ValueError:
        raise EncryptionKeyError("the encryption key is malformed") from None
    return keys


def _get_configured_keys():
    return os.environ.get(KEY_VARIABLE) or config.get(KEY_OPTION)


def _get_path():
    return Path(config['data_dir']) / 'mobilepay_vipps' / 'encryption.key'


def _make_key_file(path):
    """ Make the file with a new key, for its owner only. It is on the disk before anything is
    encrypted with it: a power failure must not lose it.

    It is written aside and then linked in place: of two workers one wins, and nobody ever reads a
    half-written key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent) as draft:  # with mode 0600
        draft.write(Fernet.generate_key())
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)
    if os.name == 'posix':  # Windows does not offer to have names of files on the disk.
        for folder in (path.parent, path.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
