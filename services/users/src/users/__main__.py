"""The command line of the users service."""

from core.cli import service_cli
from users.accounts.commands import create_admin
from users.clients.commands import clients, create_client, revoke_client
from users.signing.commands import rotate_keys

main = service_cli("users", commands=[create_admin, create_client, revoke_client, clients, rotate_keys])

if __name__ == "__main__":
    main()
