//! The whole system's promises, one module each. Real programs on free loopback ports, real peers.

mod clients;
mod cluster;
mod control;
mod crowd;
mod demo;
mod failover;
mod faults;
mod forward;
mod ha;
mod hostile;
mod journey;
mod recorded;
mod restart;
mod supervise;
mod tree;
mod twin;
mod witness;
