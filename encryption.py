# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Encryption at rest of the credentials of payment providers.

The key is never in the database. It is taken, in this order, from the environment variable
`VIPPS_ENCRYPTION_KEY`, from the option `vipps_encryption_key` of `odoo.conf`, or from a file that
is created with mode 0600 in Odoo's data directory. Each may hold several Fernet keys, separated by
commas or white space: the first one encrypts, all of them decrypt, so that keys can be rotated.
The file is read each time, so that all workers use a new key at once.
"""

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from odoo.tools import config

try:
    import fcntl
except ImportError:  # Windows, where one process does everything.
    fcntl = None

KEY_VARIABLE = 'VIPPS_ENCRYPTION_KEY'
KEY_OPTION = 'vipps_encryption_key'

# What looks like a ciphertext.
CIPHERTEXT_PATTERN = re.compile(r'gAAAA[A-Za-z0-9_=-]{80,}')

# Nobody who began with the key that was the first one before is still at work.
SETTLED_SECONDS = 3600


class EncryptionKeyError(Exception):
    """ The encryption key is malformed, unreadable, or not the one that encrypted the text. """


def encrypt(text):
    """ Return the text encrypted with the first key.

    :param str text: The clear text.
    :return: The ciphertext, in ASCII.
    :rtype: str
    :raise EncryptionKeyError: If the configured key is malformed or its file cannot be used.
    """
    return _get_fernet(may_create=True).encrypt(text.encode()).decode()


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


def reencrypt(ciphertext):
    """ Return a ciphertext of the same text that is made with the first key.

    :param str ciphertext: The ciphertext, made with any of the keys.
    :rtype: str
    :raise EncryptionKeyError: If none of the keys fits.
    """
    try:
        return _get_fernet().rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise EncryptionKeyError("none of the encryption keys fits") from None


def is_key_in_file():
    """ Tell whether the key comes from the file, where it can be replaced. """
    return not _get_configured_keys()


def is_key_missing():
    """ Tell whether there is no key, so that the next one who encrypts makes one. """
    return is_key_in_file() and not _get_path().exists()


def add_key():
    """ Put a new key in front of those of the file, unless somebody has just done so.

    :return: None
    :raise EncryptionKeyError: If the file cannot be used.
    """
    _get_fernet(may_create=True)  # Nothing is added to what is malformed.
    with _locked_key_file() as path:
        keys = _split(path.read_text())
        if len(keys) == 1 or _is_settled(path):
            _replace(path, [Fernet.generate_key().decode(), *keys])


def has_settled_old_keys():
    """ Tell whether the file holds keys that may be dropped, if nothing needs them. """
    return is_key_in_file() and not is_key_missing() and (
        len(_split(_read_key_file())) > 1 and _is_settled(_get_path())
    )


def drop_keys(ciphertexts):
    """ Remove the keys from the file that nothing needs, but never the first one, nor any before
    those are done who may still encrypt with it.

    :param iterable[str] ciphertexts: All ciphertexts of all databases that use the file.
    :return: How many keys were removed.
    :rtype: int
    :raise EncryptionKeyError: If the file cannot be used.
    """
    with _locked_key_file() as path:
        keys = _split(path.read_text())
        if not _is_settled(path):
            return 0
        needed = {_find_key(keys, ciphertext) for ciphertext in ciphertexts} | set(keys[:1])
        kept = [key for key in keys if key in needed]
        if kept != keys:
            _replace(path, kept)
        return len(keys) - len(kept)


def _find_key(keys, ciphertext):
    for key in keys:
        with contextlib.suppress(InvalidToken):
            Fernet(key).decrypt(ciphertext.encode())
            return key
    return None


def _get_fernet(may_create=False):
    try:
        keys = _get_configured_keys() or _read_key_file(may_create)
        return MultiFernet([Fernet(key) for key in _split(keys)])
    except ValueError:
        raise EncryptionKeyError("the encryption key is malformed") from None


def _get_configured_keys():
    return os.environ.get(KEY_VARIABLE) or config.get(KEY_OPTION)


def _split(keys):
    return re.split(r'[\s,]+', keys.strip())


def _get_path():
    return Path(config['data_dir']) / 'mobilepay_vipps' / 'encryption.key'


def _is_settled(path):
    return path.stat().st_mtime < time.time() - SETTLED_SECONDS


def _read_key_file(may_create=False):
    path = _get_path()
    try:
        if may_create and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Written aside, with mode 0600, and then linked in place: of two workers one wins, and
            # nobody ever reads a half-written key.
            with tempfile.NamedTemporaryFile(dir=path.parent) as draft:
                draft.write(Fernet.generate_key())
                draft.flush()
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text()
    except FileNotFoundError:
        raise EncryptionKeyError("the encryption key file is missing") from None
    except OSError:
        raise EncryptionKeyError("the encryption key file cannot be used") from None


@contextlib.contextmanager
def _locked_key_file():
    """ Keep others from replacing the file, and tell what goes wrong with it. """
    path = _get_path()
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            if fcntl:
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield path
        finally:
            os.close(folder)
    except OSError:
        raise EncryptionKeyError("the encryption key file cannot be used") from None


def _replace(path, keys):
    """ Put other keys into the file, for its owner only; whoever reads it meanwhile reads the
    former ones. """
    draft, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(draft, 'w') as file:
            file.write('\n'.join(keys) + '\n')
            file.flush()
            os.fsync(draft)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
