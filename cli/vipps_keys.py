# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import argparse
import os
import sys
from pathlib import Path

from odoo import SUPERUSER_ID, api
from odoo.cli import Command
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools import config

from ..models.payment_provider_keys import KEY_VARIABLES


class VippsKeys(Command):
    """ Replace keys of Vipps MobilePay while Odoo runs """
    name = 'vipps_keys'

    def run(self, args):
        """ Do what the command line says, print what was done, and exit with 1 if it was refused.

        :param list[str] args: The command line behind `vipps_keys`.
        :return: None
        """
        options = self._parse(args)
        config.parse_config([
            '-d', options.database, '--no-http',
            *(['-c', options.config] if options.config else []),
        ])
        try:
            with Registry(options.database).cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                sentence = options.act(env, options)
        except (UserError, LookupError) as error:
            sys.exit(str(error.args[0]))
        sys.stdout.write(f'{sentence}\n')

    def _parse(self, args):
        parser = argparse.ArgumentParser(
            prog=f'{Path(sys.argv[0]).name} {self.name}', description=self.__doc__,
        )
        parser.add_argument('-c', '--config', help="the settings file of Odoo")
        parser.add_argument('-d', '--database', required=True, help="the database")
        actions = parser.add_subparsers(required=True, metavar='ACTION')
        rotate = actions.add_parser(
            'rotate-encryption-key', help="encrypt the stored secrets with a new key",
        )
        rotate.set_defaults(act=self._rotate_encryption_key)
        change = actions.add_parser(
            'set', help="try new keys at Vipps MobilePay, and store them if they work",
        )
        change.add_argument('--provider', type=int, required=True, help="the id of the provider")
        for name in KEY_VARIABLES:
            option = name.removeprefix('vipps_').replace('_', '-')
            # On the command line itself, everybody on the machine could read it.
            change.add_argument(
                f'--{option}-from-env', dest=name, metavar='VARIABLE',
                help="the environment variable that holds the new key",
            )
        change.set_defaults(act=self._set)
        return parser.parse_args(args)

    def _rotate_encryption_key(self, env, options):
        return env['payment.provider']._vipps_rotate_encryption_key()

    def _set(self, env, options):
        provider = env['payment.provider'].browse(options.provider).exists()
        if provider.code != 'vipps':
            raise LookupError(f"There is no Vipps MobilePay provider {options.provider}.")
        keys = {}
        for name in KEY_VARIABLES:
            variable = getattr(options, name)
            if variable:
                if not os.environ.get(variable):
                    raise LookupError(f"The environment variable {variable} is not set.")
                keys[name] = os.environ[variable]
        wizard = env['vipps.key.rotation'].create({'provider_id': provider.id, **keys})
        return wizard.action_rotate()['params']['message']
