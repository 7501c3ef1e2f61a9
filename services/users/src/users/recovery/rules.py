"""What the mails about passwords say: nothing that a stranger typed, and no link."""

from core.mail import Message


def reset_mail(*, to: str, token: str, minutes: int) -> Message:
    """What lets the owner of an address choose a new password."""
    text = (
        "Somebody, most likely you, has asked for a new password for the account with this address.\n\n"
        f"To choose one, use this token within {minutes} minutes:\n\n{token}\n\n"
        "If it was not you, do nothing: the password stays as it is. Never give the token to anybody who asks for it."
    )
    return Message(to, "Choose a new password", text, token)


def password_notice(*, to: str) -> Message:
    """What tells the owner of an account that its password is another one."""
    text = (
        "The password of your account was changed.\n\n"
        "If it was you, there is nothing to do. If it was not, ask for a new password at once: "
        "that ends every session, whoever started it."
    )
    return Message(to, "Your password was changed", text)
