//! Programs are killed: they come back, and players notice as little as was promised.
