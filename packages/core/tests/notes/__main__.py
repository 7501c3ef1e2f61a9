"""The command line of notes."""

from core.cli import service_cli

main = service_cli("notes")

if __name__ == "__main__":
    main()
