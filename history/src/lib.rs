//! What happened: call detail records and their legs, in SQL.
