//! Controller and nodes in one process, over real gRPC and HTTP on loopback.

mod cluster {
    pub(crate) mod explain;
    pub(crate) mod orders;
    pub(crate) mod ownership;
    pub(crate) mod rest;
    pub(crate) mod restart;
    pub(crate) mod tls;
    pub(crate) mod world;
}
