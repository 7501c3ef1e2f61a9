"""Rate limits: how often a key may do something, counted in this process or by all replicas together."""

from core.rate_limits.addresses import address_key
from core.rate_limits.limiter import RateLimits
from core.rate_limits.opening import open_rate_limits
from core.settings.rates import rate

__all__ = ["RateLimits", "address_key", "open_rate_limits", "rate"]
