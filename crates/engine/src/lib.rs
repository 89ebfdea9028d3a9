//! allno's engine: from what a person wrote to a machine that booted, and what was learned from it.
