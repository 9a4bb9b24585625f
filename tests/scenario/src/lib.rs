//! The whole system under test: real programs, real encoders and players, real sockets.
//!
//! The promises are in `tests/scenario/`, one module each; what they start comes from `weir-harness`.
