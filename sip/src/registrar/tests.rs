//! The registrar in stories.
