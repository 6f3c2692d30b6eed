"""A Vipps MobilePay that runs on this machine: `python -m simulator`.

An independent reading of the official specification: it imports neither Odoo nor `protocol`, so
that what both agree on is not one mistake made twice. It is stricter than the original where that
is lenient, and keeps everything in memory.
"""
