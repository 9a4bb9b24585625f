//! Tells the crate what it was built from: the commit if there is one to ask, the target, the profile.
//!
//! `WEIR_COMMIT` wins over git, so that a build from a tarball or in a container can say what it is.
//! Only release builds watch git's log: a developer's commit must not rebuild the workspace.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=WEIR_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("PROFILE") == "release" {
        println!("cargo::rerun-if-changed=../../.git/logs/HEAD");
    }
    let commit = match variable("WEIR_COMMIT") {
        given if !given.is_empty() => given,
        _ => git_head().unwrap_or_else(|| "unknown".into()),
    };
    println!("cargo::rustc-env=WEIR_BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=WEIR_BUILD_TARGET={}", variable("TARGET"));
    println!(
        "cargo::rustc-env=WEIR_BUILD_PROFILE={}",
        variable("PROFILE")
    );
}

fn git_head() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
