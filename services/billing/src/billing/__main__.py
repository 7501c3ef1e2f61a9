"""The command line of billing."""

from core.cli import service_cli

main = service_cli("billing")

if __name__ == "__main__":
    main()
