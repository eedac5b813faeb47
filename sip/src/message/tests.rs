//! The message layer, told as stories.
