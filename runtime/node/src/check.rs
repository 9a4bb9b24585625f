//! What is wrong with a node's config that no key shows alone, and what can be known of the machine
//! before anything starts: both programs' configs name these functions at the keys that they judge.

use media::StreamPath;
use relay::{
    dial::Dialler,
    settings::{Http, Rtmp},
};
use service::admin;
use std::path::PathBuf;

/// HTTP has a port of its own. The two share theirs with their shards, so that the system would let them
/// share it with each other, and give each connection to one of them by chance.
pub fn http_apart(rtmp: &Rtmp) -> impl FnOnce(&Http, &()) -> garde::Result {
    move |http, _| http.listen.apart_from(&[("rtmp.listen", &rtmp.listen)])
}

/// So has the admin port.
pub fn admin_apart(rtmp: &Rtmp, http: &Http) -> impl FnOnce(&admin::Config, &()) -> garde::Result {
    move |admin, _| {
        let others = [("rtmp.listen", &rtmp.listen), ("http.listen", &http.listen)];
        admin.listen.apart_from(&others)
    }
}

/// A vhost is one host's name: one that holds what a stream path may not could never be asked for.
///
/// # Errors
/// If it is not.
pub fn vhost(name: &str, _: &()) -> garde::Result {
    match StreamPath::new(name, "app", "name") {
        Ok(_) => Ok(()),
        Err(_) if name.contains('*') => Err(garde::Error::new(
            "a vhost is one name, without wildcards; hosts that are not named mean `__defaultVhost__`",
        )),
        Err(error) => Err(garde::Error::new(format!("no name of a host: {error}"))),
    }
}

/// The certificates are there.
///
/// # Errors
/// If the file cannot be read, or holds none.
pub fn ca_file(file: &Option<PathBuf>, _: &()) -> garde::Result {
    match Dialler::new(file.as_deref()) {
        Ok(_) => Ok(()),
        Err(error) => Err(garde::Error::new(error)),
    }
}
