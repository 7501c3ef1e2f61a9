"""The command line of the users service."""

from core.cli import service_cli
from users.accounts.commands import create_admin

main = service_cli("users", commands=[create_admin])

if __name__ == "__main__":
    main()
