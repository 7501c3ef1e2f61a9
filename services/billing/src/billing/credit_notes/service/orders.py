"""What is asked for in a credit note, held against its invoice, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.credit_notes.models import CreditNoteLine
from billing.credit_notes.rules import Creditable, Uses, is_left, taxes, uses
from billing.invoices.models import Invoice
from billing.money import Money
from core.errors import Conflict, FieldError, Invalid
from core.ids import new_id


class CreditNoteExceedsInvoice(Conflict):
    """There is not as much left of the invoice as is to be taken back."""

    code = "credit_note_exceeds_invoice"


class InvoiceLineUnknown(Invalid):
    """The invoice has no such line."""

    code = "invoice_line_unknown"

    def __init__(self, position: int) -> None:
        super().__init__(errors=(FieldError(f"#/lines/{position}/invoice_line_id", self.code, self.title()),))


class CreditNoteEmpty(Invalid):
    """A credit note takes back more than nothing."""

    code = "credit_note_empty"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/lines", self.code, self.title()),))


class CreditNoteUnbalanced(Invalid):
    """What is refunded and credited is not what the credit note takes back beyond what is owed."""

    code = "credit_note_unbalanced"

    def __init__(self, order: "Order") -> None:
        said = "refund_amount" if order.credit is None else "credit_amount"
        super().__init__(errors=(FieldError(f"#/{said}", self.code, self.title()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be taken back of an invoice: a net amount of each line, and what of it is refunded or credited."""

    invoice_id: UUID
    nets: Mapping[UUID, Money]
    refund: Money | None
    credit: Money | None
    reason: str

    @property
    def nets_minor(self) -> dict[UUID, int]:
        """Minor units, by line of the invoice."""
        return {line_id: net.amount for line_id, net in self.nets.items()}

    @property
    def currencies(self) -> set[str]:
        """Those of all its amounts."""
        return {each.currency for each in (*self.nets.values(), self.refund, self.credit) if each is not None}

    def lines(self, lines: Sequence[Creditable], *, note_id: UUID) -> list[CreditNoteLine]:
        """The lines of the credit note, given those of the invoice.

        Raises:
            InvoiceLineUnknown: the invoice has no such line.
            CreditNoteExceedsInvoice: there is not as much left of a line, or of a rate.
        """
        known, nets = {line.line_id: line for line in lines}, self.nets_minor
        for position, line_id in enumerate(nets):
            if line_id not in known:
                raise InvoiceLineUnknown(position)
        if not is_left(lines, nets):
            raise CreditNoteExceedsInvoice
        of_lines = taxes(lines, nets)
        return [
            CreditNoteLine(
                id=new_id(),
                credit_note_id=note_id,
                invoice_line_id=line_id,
                position=position,
                description=known[line_id].description,
                net_minor=net_minor,
                tax_rate=known[line_id].tax_rate,
                tax_minor=of_lines[line_id],
            )
            for position, (line_id, net_minor) in enumerate(nets.items())
        ]

    def uses(self, total_minor: int, invoice: Invoice) -> Uses:
        """Where a total goes that its lines come to.

        Raises:
            CreditNoteEmpty: that is nothing, or less.
            CreditNoteExceedsInvoice: there is not as much left of the invoice.
            CreditNoteUnbalanced: it cannot go where it is said.
        """
        if total_minor <= 0:
            raise CreditNoteEmpty
        if total_minor > invoice.total_minor - invoice.credited_net_minor - invoice.credited_tax_minor:
            raise CreditNoteExceedsInvoice
        going = self.split(total_minor, remaining_minor=invoice.remaining_minor if invoice.status == "open" else 0)
        if going is None:
            raise CreditNoteUnbalanced(self)
        return going

    def split(self, total_minor: int, *, remaining_minor: int) -> Uses | None:
        """The same, beside what remains to be paid; None: what is said does not add up to the rest."""
        return uses(
            total_minor,
            remaining_minor=remaining_minor,
            refund_minor=None if self.refund is None else self.refund.amount,
            credit_minor=None if self.credit is None else self.credit.amount,
        )
