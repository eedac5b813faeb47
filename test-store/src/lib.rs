//! For tests only: the same test on SQLite and on a private PostgreSQL server.
