//! The repository checks itself: what a reviewer would otherwise have to see every time.
//!
//! In reading order:
//!
//! * `repository`: what git tracks, and what cargo says of the crates.
//! * `law`: who may depend on whom, and what a wire crate may not touch.
//! * `table`: one table of versions, used by all and used up.
//! * `sources`: the head of a file, its length, its name, its bounds, and words that may not stay.
//! * `links`: every link in a Markdown file leads somewhere.
//! * `licences`: what we may ship, and which crates may be here twice; `deny.toml` has the lists.
//! * `contract`: the page on the nodes' contract names all of it.
//! * `runbook`: the operator's page has every event.
//! * `pages`: example configs load, and generated pages are what the programs generate.
//!
//! Each check is a function from what is to what is wrong with it, and each has a test that a
//! planted fault is found: a check that cannot fail is no check.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod law;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod links;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod table;
