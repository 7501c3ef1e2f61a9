"""What passwords are measured by: argon2id in threads, and what is known to have leaked elsewhere."""

from users.passwords.provider.breaches import BREACHES, Breaches
from users.passwords.provider.hashing import HASHING, Check, Hashing, common_passwords, open_hashing

__all__ = ["BREACHES", "HASHING", "Breaches", "Check", "Hashing", "common_passwords", "open_hashing"]
