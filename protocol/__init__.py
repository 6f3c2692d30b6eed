"""What Vipps MobilePay's HTTP APIs say, in pure Python. Amounts are in minor units."""
