"""Stop a worker of Odoo at an exact step, or let it collide there, by the row that it writes."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg2
from psycopg2 import sql

from tools.waiting import wait_until

KEY = 7225  # of the advisory lock that those who are stopped wait for

FUNCTION = """
    CREATE FUNCTION vipps_test_stop() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({key});
        RETURN NEW;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER vipps_test_stop BEFORE INSERT OR UPDATE ON {table}
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION vipps_test_stop()
"""
COMMIT_TRIGGER = """
    CREATE CONSTRAINT TRIGGER vipps_test_stop AFTER INSERT OR UPDATE ON {table}
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION vipps_test_stop()
"""
COLLISION_FUNCTION = """
    CREATE FUNCTION vipps_test_collide() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('vipps_test_collisions') <= {times} THEN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NEW;
    END $$
"""
COLLISION = """
    CREATE TRIGGER vipps_test_collide BEFORE INSERT OR UPDATE ON {table}
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION vipps_test_collide()
"""
STOPPED = """
    SELECT activity.pid, xact_start::text
      FROM pg_stat_activity activity
      JOIN pg_locks ON pg_locks.pid = activity.pid
     WHERE datname = current_database() AND locktype = 'advisory' AND objid = %s AND NOT granted
"""
READING = """
    SELECT pg_locks.pid
      FROM pg_locks JOIN pg_database ON pg_database.oid = database
     WHERE datname = current_database() AND relation = %s::regclass AND NOT granted
"""
GOING_ON = """
    SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND xact_start::text = %s
"""


class StoppingPoint:
    """Holds every worker that comes by, see `stopping_point`."""

    def __init__(self, cursor):
        """Hold; `cursor` belongs to a connection of our own, in autocommit mode."""
        self._cursor = cursor
        self._cursor.execute('SELECT pg_advisory_lock(%s)', [KEY])
        self._held = True
        self._stopped = []

    def wait(self):
        """Wait until somebody is stopped here."""
        self._stopped = self._wait_for(STOPPED, [KEY])

    def release(self):
        """Let those who are stopped go on, and wait until their transactions have ended.

        Who was killed in the meantime is rolled back, or commits if that was under way.
        """
        if self._held:
            self._cursor.execute('SELECT pg_advisory_unlock(%s)', [KEY])
            self._held = False
        for pid, start in self._stopped:
            self._wait_for(f'SELECT WHERE ({GOING_ON}) = 0', [pid, start])
        self._stopped = []

    def _wait_for(self, query, parameters):
        """Return the rows of a query as soon as it has some."""
        def look():
            self._cursor.execute(query, parameters)
            return self._cursor.fetchall()

        return wait_until(look)


@contextlib.contextmanager
def stopping_point(stack, table, condition, in_commit=False):
    """Stop all writers of certain rows; yields the `StoppingPoint`.

    :param tools.stack.Stack stack: The shop.
    :param str table: The table.
    :param str condition: Which rows, in SQL: `NEW.state = 'done'`.
    :param bool in_commit: Stop in the COMMIT, which succeeds whatever becomes of who asked for it;
        else before the row is written.
    """
    parts = {
        'key': sql.Literal(KEY), 'table': sql.Identifier(table), 'condition': sql.SQL(condition),
    }
    with _connection(stack) as cursor:
        point = StoppingPoint(cursor)
        for statement in (FUNCTION, COMMIT_TRIGGER if in_commit else TRIGGER):
            _change(cursor, sql.SQL(statement).format(**parts))
        try:
            yield point
        finally:
            point.release()
            _change(cursor, 'DROP FUNCTION vipps_test_stop CASCADE')


@contextlib.contextmanager
def collision_point(stack, table, condition, times=2):
    """Let all writers of certain rows collide, so that Odoo starts anew.

    :param tools.stack.Stack stack: The shop.
    :param str table: The table.
    :param str condition: Which rows, in SQL: `NEW.state = 'done'`.
    :param int times: How often in a row.
    """
    parts = {
        'table': sql.Identifier(table), 'condition': sql.SQL(condition),
        'times': sql.Literal(times),
    }
    with _connection(stack) as cursor:
        # A sequence counts also what is rolled back.
        for statement in ('CREATE SEQUENCE vipps_test_collisions', COLLISION_FUNCTION, COLLISION):
            _change(cursor, sql.SQL(statement).format(**parts))
        try:
            yield
            cursor.execute('SELECT last_value FROM vipps_test_collisions')
            if cursor.fetchone()[0] <= times:
                raise AssertionError("nobody came by as often as that")
        finally:
            _change(cursor, 'DROP FUNCTION vipps_test_collide CASCADE')
            cursor.execute('DROP SEQUENCE vipps_test_collisions')


def change_meanwhile(stack, table, change, act):
    """Change a table after somebody's request has begun, and before it reads the table.

    :param tools.stack.Stack stack: The shop.
    :param str table: The table.
    :param tuple change: A statement and its parameters.
    :param function act: What leads to the request.
    :return: The result of `act`.
    """
    with _connection(stack) as cursor, ThreadPoolExecutor(1) as pool:
        def is_reading():
            cursor.execute(READING, [table])
            return cursor.fetchone()

        cursor.execute('BEGIN')
        cursor.execute(
            sql.SQL('LOCK TABLE {} IN ACCESS EXCLUSIVE MODE').format(sql.Identifier(table))
        )
        acting = pool.submit(act)
        try:
            wait_until(is_reading)
            cursor.execute(*change)
        finally:
            cursor.execute('COMMIT')
        return acting.result()


def _change(cursor, statement):
    """Change a table as soon as nobody uses it; who waits for that would hold up all others."""
    def change():
        with contextlib.suppress(psycopg2.errors.LockNotAvailable):
            cursor.execute(statement)
            return True

    cursor.execute("SET lock_timeout = '100ms'")
    wait_until(change)
    cursor.execute('RESET lock_timeout')


@contextlib.contextmanager
def _connection(stack):
    """Connect to the database of a shop; yields a cursor in autocommit mode."""
    variables = stack.workspace.server.variables
    connection = psycopg2.connect(
        dbname=stack.odoo.database, host=variables.get('PGHOST'), port=variables.get('PGPORT'),
        user=variables.get('PGUSER'),
    )
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        yield cursor
