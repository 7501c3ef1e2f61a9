"""What a webhook is answered with."""

from typing import Literal

from pydantic import BaseModel


class WebhookReceipt(BaseModel):
    """It is stored: it need not be sent again."""

    received: Literal[True] = True
