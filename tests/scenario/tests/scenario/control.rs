//! The REST API, the operator's command line and the metrics show the cluster as it is.
