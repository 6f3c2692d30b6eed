"""The folder of the official OpenAPI files, which are not part of this repository.

Each API has its file for download at https://developer.vippsmobilepay.com/api/. Save them in one
folder as `<api>-<version>.yaml`, with these names of the APIs: access-token, epayment,
order-management, qr, report,
userinfo, webhooks. The environment variable `VIPPS_SPECS` names the
folder.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BESIDE_US = ROOT.parent / 'shared' / 'specs'


def find_specs():
    """Return the folder that `VIPPS_SPECS` names, seen from this tree, or the one beside it.

    :return: None without the variable and without the folder.
    :rtype: pathlib.Path
    """
    named = os.environ.get('VIPPS_SPECS')
    if named:
        return (ROOT / named).resolve()
    return BESIDE_US if BESIDE_US.is_dir() else None
