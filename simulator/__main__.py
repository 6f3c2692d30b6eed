"""Run the simulator: `python -m simulator --help`."""

import argparse
import sys
import threading

from .server import Simulator
from .urls import is_loopback


def main(arguments=None):
    """Run until interrupted."""
    parser = argparse.ArgumentParser(
        prog='simulator', description="A Vipps MobilePay on this machine."
    )
    parser.add_argument('--host', default='127.0.0.1', help="a loopback address (127.0.0.1)")
    parser.add_argument('--port', type=int, default=8330, help="0 for a free one (8330)")
    parser.add_argument(
        '--allow-loopback-http', action='store_true',
        help="take http URLs to this machine as returnUrl and for webhooks",
    )
    parser.add_argument(
        '--record', metavar='FILE', help="append every exchange to this file as a line of JSON",
    )
    parser.add_argument(
        '--time-factor', type=float, default=1, metavar='N', help="let time go N times as fast",
    )
    options = parser.parse_args(arguments)
    if not is_loopback(f'http://{options.host}'):
        parser.error("whoever reaches the simulator controls it: --host must be a loopback address")
    if options.time_factor < 0:
        parser.error("--time-factor must not be negative")
    try:
        simulator = Simulator(
            options.allow_loopback_http, options.time_factor, options.record, options.host,
            options.port,
        )
    except OSError as error:
        sys.exit(f"The simulator cannot start: {error.strerror or error}")
    with simulator:
        print(f"Simulator listening on {simulator.url}", flush=True)
        print(f"Phone: {simulator.url}/phone", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == '__main__':
    main()
