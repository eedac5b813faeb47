//! SIP as machines: message, transactions, dialogs, digest, registrar (RFC 3261 and family). No sockets.
