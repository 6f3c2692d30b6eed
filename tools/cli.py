"""The commands of `./dev`."""

import argparse
import os
import signal
import sys

from .bench import run_bench
from .cache import ROOT
from .clean import clean_cache
from .console import Failure, say
from .demo import run_demo, run_once, run_shell
from .environment import protocol_environment
from .house import run_house
from .i18n import update_translations
from .lint import run_lint
from .suite import LIVE, PURE_LAYERS, THEMES, run_tests


def main(arguments):
    """Run a command; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    parser = _parser()
    options, options.rest = parser.parse_known_args(arguments)
    if options.rest and options.run is not _simulator:
        parser.error(f"unknown arguments: {' '.join(options.rest)}")
    try:
        return options.run(options)
    except Failure as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130


def _leave(number, _frame):
    """End as if asked to by an exception, so that everything started is stopped."""
    sys.exit(128 + number)


def _parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='./dev', description="Start, test and check the Vipps MobilePay addon for Odoo 17.",
        epilog="ODOO_SOURCE names an Odoo 17.0 folder or git directory (else it is cloned), the "
               "PG* variables a PostgreSQL server (else an embedded one is used), VIPPS_SPECS the "
               "folder of Vipps MobilePay's OpenAPI files (see simulator/specs.py; else the tests "
               "do not compare with them), VIPPS_DEV_CACHE the folder for everything made here.",
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    demo = commands.add_parser('demo', help="run a shop that takes payments from a simulator")
    demo.add_argument('--once', action='store_true', help="buy unattended and end")
    demo.add_argument(
        '--json', action='store_true', help="with --once: print the timelines as JSON",
    )
    demo.set_defaults(run=_demo)

    test = commands.add_parser(
        'test', help="run all tests, or those of a theme",
        description="Run all tests, or those of a theme: `./dev test till` runs the tests of the "
                    "tills, without browser tours and live tests.",
    )
    themes = [*THEMES, *PURE_LAYERS, LIVE]
    test.add_argument(
        'themes', metavar='THEME', nargs='*',
        help=f"only the tests of this package or layer; several add up: {', '.join(themes)}",
    )
    test.add_argument(
        '-k', dest='patterns', metavar='PATTERN', action='append', default=[],
        help="only tests whose id contains this or fits this glob; several add up",
    )
    test.add_argument('--fast', action='store_true', help="leave out browser tours and live tests")
    test.add_argument(
        '--tours', action='store_true', help="with a theme: its browser tours, too",
    )
    test.set_defaults(run=lambda options: _test(test, themes, options))

    bench = commands.add_parser('bench', help="measure a running shop; takes about 20 minutes")
    bench.add_argument(
        '--quick', action='store_true',
        help="leave out the memory, and have 10 000 payments instead of 100 000; some 6 minutes",
    )
    bench.add_argument(
        '--part', dest='parts', metavar='NAME', action='append', default=[],
        help="only the parts whose name begins so, as *draining*; several add up",
    )
    bench.set_defaults(
        run=lambda options: run_bench(is_quick=options.quick, parts=options.parts)
    )
    kinds = bench.add_subparsers(metavar='{load,profile,soak}')
    load = kinds.add_parser(
        'load', help="let the customers of a chain pay, more and more, until the shop breaks",
    )
    load.add_argument('--minutes', type=float, default=10, help="how long; 10 by default")
    load.add_argument(
        '--tills', type=int, default=200,
        help="how many take the payments; 200 by default, fewer are opened sooner",
    )
    load.set_defaults(run=lambda options: run_bench(tills=options.tills, minutes=options.minutes))
    profile = kinds.add_parser(
        'profile', help="list the SQL queries of a request, with their places, and what is slow",
    )
    profile.add_argument('what', choices=('webhook', 'checkout', 'return', 'drain'))
    profile.set_defaults(run=lambda options: run_bench(what=options.what))
    soak = kinds.add_parser(
        'soak', help="trade in shop and till while anything goes wrong, and look what it came to",
    )
    soak.add_argument('--minutes', type=float, default=10, help="how long; 10 by default")
    soak.add_argument('--seed', type=int, help="repeat the choices of an earlier run")
    soak.set_defaults(run=lambda options: run_bench(minutes=options.minutes, seed=options.seed))

    lint = commands.add_parser('lint', help="check style, addon conventions, XML and JavaScript")
    lint.set_defaults(run=lambda options: run_lint())

    house = commands.add_parser('house', help="measure the structure of the addon")
    house.set_defaults(run=lambda options: run_house())

    i18n = commands.add_parser('i18n', help="bring the files of translations up to date")
    i18n.set_defaults(run=lambda options: update_translations())

    simulator = commands.add_parser(
        'simulator', help="run the simulator alone; what follows is given to it", add_help=False,
    )
    simulator.set_defaults(run=_simulator)

    smoke = commands.add_parser(
        'smoke', help="compare the test environment of Vipps MobilePay with the simulator",
        description="Take and refund a payment with the keys in the environment variables "
                    "VIPPS_CLIENT_ID, VIPPS_CLIENT_SECRET, VIPPS_SUBSCRIPTION_KEY and "
                    "VIPPS_MERCHANT_SERIAL_NUMBER, approved by the test user with the number "
                    "VIPPS_PHONE; they are neither stored nor printed.",
    )
    smoke.set_defaults(run=lambda options: _become('tools.smoke'))

    shell = commands.add_parser('shell', help="open a Python shell on the database of the demo")
    shell.set_defaults(run=lambda options: run_shell())

    clean = commands.add_parser('clean', help="remove everything that was made and cached")
    clean.set_defaults(run=lambda options: clean_cache())
    return parser


def _test(parser, themes, options):
    """Run the tests; a theme that does not exist is an error of the command line."""
    unknown = [theme for theme in options.themes if theme not in themes]
    if unknown:
        parser.error(f"no such theme: {' '.join(unknown)}; there are {', '.join(themes)}")
    return run_tests(' '.join(options.patterns), options.fast, options.themes, options.tours)


def _demo(options):
    """Run the demo, or one purchase."""
    return run_once(options.json) if options.once else run_demo()


def _simulator(options):
    """Become the simulator, which takes the http addresses of this machine."""
    return _become('simulator', '--allow-loopback-http', *options.rest)


def _become(module, *arguments):
    """Become a program that needs the packages of the protocol and the simulator."""
    environment = protocol_environment()
    os.chdir(ROOT)
    command = [environment.python, '-m', module, *arguments]
    os.execve(environment.python, command, environment.variables())
