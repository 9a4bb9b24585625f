//! An encoder publishes to an origin, players record from every edge what was sent.
