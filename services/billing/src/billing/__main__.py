"""The command line of billing."""

from billing.reconciliation.commands import reconcile
from core.cli import service_cli

main = service_cli("billing", commands=[reconcile])

if __name__ == "__main__":
    main()
