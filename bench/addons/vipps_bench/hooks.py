# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def pre_init_hook(env):
    """ Create the table of the route. """
    env.cr.execute("CREATE TABLE vipps_bench_row (id serial PRIMARY KEY, body text)")
