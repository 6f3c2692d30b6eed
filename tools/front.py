"""One address in front of Odoo's workers and its websocket process, as a web server would be.

Started as `python -m tools.front PORT HTTP_PORT WEBSOCKET_PORT`; passes connections on unchanged.
Browsers open a connection of its own for a websocket, so that its first line decides.
"""

import asyncio
import sys

LOCALHOST = '127.0.0.1'
CHUNK = 65536


async def _pass_on(reader, writer):
    """Copy what comes until it ends."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # One side has gone; closing the other is all there is to do.
    finally:
        writer.close()


async def serve(port, http_port, websocket_port):
    """Serve for ever."""
    async def connect(reader, writer):
        start = await reader.read(CHUNK)
        target = websocket_port if start.startswith(b'GET /websocket') else http_port
        try:
            odoo_reader, odoo_writer = await asyncio.open_connection(LOCALHOST, target)
        except OSError:
            writer.close()
            return
        odoo_writer.write(start)
        await asyncio.gather(_pass_on(reader, odoo_writer), _pass_on(odoo_reader, writer))

    server = await asyncio.start_server(connect, LOCALHOST, port)
    async with server:
        await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(serve(*map(int, sys.argv[1:])))
