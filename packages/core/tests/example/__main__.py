"""The command line of the example."""

from core.cli import service_cli

main = service_cli("example")

if __name__ == "__main__":
    main()
