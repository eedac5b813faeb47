//! Recordings: spool, sealing, recovery, catalog, retention, deletion ledger.
