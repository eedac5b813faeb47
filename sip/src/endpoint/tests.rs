//! The endpoint in stories.
