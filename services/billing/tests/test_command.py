"""The command line of billing."""

import sys

import pytest

from billing.__main__ import main


def test_the_command_says_what_the_service_can_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["billing", "routes"])
    with pytest.raises(SystemExit) as ended:
        main()
    operations = {tuple(line.split()[:2]) for line in capsys.readouterr().out.splitlines()}
    assert not ended.value.code
    assert operations == {
        ("GET", "/v1/customers/me"),
        ("GET", "/v1/invoices"),
        ("GET", "/v1/invoices/{invoice_id}"),
        ("GET", "/v1/ledger/accounts"),
        ("GET", "/v1/ledger/transactions"),
        ("GET", "/v1/payment-methods"),
        ("GET", "/v1/plans"),
        ("GET", "/v1/plans/{plan_id}"),
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions/{subscription_id}"),
        ("POST", "/v1/invoices/{invoice_id}/pay"),
        ("POST", "/v1/payment-methods"),
        ("POST", "/v1/plans"),
        ("POST", "/v1/plans/{plan_id}/prices"),
        ("POST", "/v1/subscriptions"),
    }
