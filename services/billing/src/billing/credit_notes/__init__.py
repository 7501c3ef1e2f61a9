"""How a finalized invoice is corrected: credit notes, with numbers of their own."""
