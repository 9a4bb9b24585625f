//! What this program was built from; `build.rs` of this crate fills it in.

use serde::Serialize;

/// Version, commit and target of this program, as `/version` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The workspace's version, `0.1.0`.
    pub version: &'static str,
    /// Twelve digits of the commit, or `unknown`. A debug build may show an older one than it has.
    pub commit: &'static str,
    /// The target triple of the compiler.
    pub target: &'static str,
    /// `debug` or `release`.
    pub profile: &'static str,
}

/// This program's build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("WEIR_BUILD_COMMIT"),
    target: env!("WEIR_BUILD_TARGET"),
    profile: env!("WEIR_BUILD_PROFILE"),
};

/// One line for `--version`: `0.1.0 (3f2a9c01b7de, x86_64-unknown-linux-gnu, release)`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("WEIR_BUILD_COMMIT"),
    ", ",
    env!("WEIR_BUILD_TARGET"),
    ", ",
    env!("WEIR_BUILD_PROFILE"),
    ")"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_line_names_all_that_the_build_knows() {
        for part in [BUILD.version, BUILD.commit, BUILD.target, BUILD.profile] {
            assert!(
                !part.is_empty() && VERSION.contains(part),
                "{part:?} in {VERSION}"
            );
        }
    }
}
