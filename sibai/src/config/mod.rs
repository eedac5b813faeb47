//! Configuration: engine.yaml and the lines, read, checked, and turned into one plan.
