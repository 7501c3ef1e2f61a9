"""What the mails of a registration say."""

from core.mail import Message


def verification_mail(*, to: str, token: str, hours: int) -> Message:
    """What asks the owner of an address to prove it."""
    text = (
        "Somebody, most likely you, has registered with this address.\n\n"
        f"To confirm it, use this token within {hours} hours:\n\n{token}\n\n"
        "If it was not you, do nothing: without the token, nobody can sign in."
    )
    return Message(to, "Confirm your address", text, token)


def registration_notice(*, to: str) -> Message:
    """What tells the owner of an account that somebody tried to register with its address."""
    text = (
        "Somebody, perhaps you, has tried to register with this address, which already has an account.\n\n"
        "If it was you, sign in with the password that you have. "
        "If it was not, there is nothing to do: nothing has changed."
    )
    return Message(to, "You already have an account", text)
