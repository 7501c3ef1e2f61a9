"""What the mails about a change of address say: nothing that a stranger typed, and no link."""

from core.mail import Message


def confirmation_mail(*, to: str, token: str, hours: int) -> Message:
    """What asks the owner of an address to prove that an account may have it."""
    text = (
        "Somebody, most likely you, wants to use this address for an account with us.\n\n"
        f"To confirm it, sign in with the former address and use this token within {hours} hours:\n\n{token}\n\n"
        "If it was not you, do nothing: without the token, nothing changes."
    )
    return Message(to, "Confirm your new address", text, token)


def taken_notice(*, to: str) -> Message:
    """What tells the owner of an account that somebody else wanted its address."""
    text = (
        "Somebody, perhaps you, wants to use this address for another account. It belongs to yours already.\n\n"
        "If it was you, sign in with this address. If it was not, there is nothing to do: nothing has changed."
    )
    return Message(to, "You already have an account", text)


def request_notice(*, to: str) -> Message:
    """What tells the owner of an account that it may get another address."""
    text = (
        "Somebody who knows your password has asked for another address for your account. "
        "Once that address is confirmed, it replaces this one.\n\n"
        "If it was you, there is nothing to do here. If it was not, ask for a new password at once: "
        "that takes the request back, and ends every session."
    )
    return Message(to, "Another address for your account", text)


def change_notice(*, to: str) -> Message:
    """What tells a former address that it is one."""
    text = (
        "The address of your account was changed: this one does not belong to it any more.\n\n"
        "If it was you, there is nothing to do. If it was not, tell our support at once."
    )
    return Message(to, "The address of your account was changed", text)
