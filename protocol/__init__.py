"""The language of Vipps MobilePay's HTTP APIs, in pure Python. Amounts are in minor units."""
