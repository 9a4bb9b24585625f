//! Hundreds of players at random moments: each starts at a key frame, all receive the same bytes.
