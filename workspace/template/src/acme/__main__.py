"""The command line of acme."""

from core.cli import service_cli

main = service_cli("acme")

if __name__ == "__main__":
    main()
