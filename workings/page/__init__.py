"""From measurements and templates to the page: values, claims, tables, the ledger, the PDF."""
